//! One request's turn: who asks, under which lease, from which generation (CONSISTENCY 2).
//!
//! The order is the whole point. The lease is captured first; then one generation is loaded and
//! everything is taken from it alone; the lease is checked before a key is derived and again after the
//! audit record is durable, right before the answer leaves. A "no" about the caller's own affairs is
//! given only after a ReadIndex begun after the request arrived (CONSISTENCY 4).

use std::sync::Arc;
use std::time::Instant;

use audit::{Batch, Entry, Kind, Operation, Outcome};
use model::id::{LogIndex, NodeId, TenantHandle};
use model::root::{Gate, L1State};
use model::service::{Service, ServiceState};
use model::state::State;
use model::tenant::{Tenant, TenantState};
use model::time::ClusterTime;
use model::uid::{Uid, UidText};
use raft_store::Gen;
use raft_store::lease::cell::Lease;
use raft_store::lease::class::LeaseLength;

use crate::caller::Caller;
use crate::engine::Engine;
use crate::refused::Refused;
use crate::staged::Staged;
use crate::told::Told;

/// A request under way. It serves every item of one message and ends with [`Turn::finish`].
pub struct Turn<'e> {
    pub(crate) engine: &'e Engine,
    pub(crate) caller: &'e Caller,
    pub(crate) generation: Arc<Gen>,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) service: Arc<Service>,
    /// The oldest lease an answer of this turn rests on.
    lease: Lease,
    batch: Batch,
    /// What the objects looked at tell of.
    pub(crate) told: Told,
    /// Since when what the last write withdrew holds on every node: for its audit record.
    pub(crate) effective_everywhere_at: Option<ClusterTime>,
    /// The node that the item under way was passed on to: for its audit record.
    pub(crate) passed_to: Option<NodeId>,
    /// Writes that wait for the end of a batch; few turns have them, and every turn is moved.
    pub(crate) staged: Option<Box<Staged>>,
    request: [u8; 16],
    started: Instant,
    /// The wall clock when it started, for audit records.
    started_ms: u64,
    /// The moment its answers speak of.
    now: ClusterTime,
    /// The identifier made last in this turn, in this generation: no tag needs to be checked to know it.
    made: Option<(UidText, Uid)>,
}

/// What a turn stands on: a lease, then the generation, then the caller's place in it.
struct Footing {
    lease: Lease,
    generation: Arc<Gen>,
    tenant: Option<Arc<Tenant>>,
    service: Option<Arc<Service>>,
    /// The command that denied the caller's certificate.
    denied: Option<LogIndex>,
    /// Cluster time when the generation was taken.
    now: ClusterTime,
}

/// A footing on which the caller may be served.
struct Firm {
    lease: Lease,
    generation: Arc<Gen>,
    tenant: Arc<Tenant>,
    service: Arc<Service>,
    now: ClusterTime,
}

impl Footing {
    fn take(engine: &Engine, caller: &Caller) -> Result<Self, Refused> {
        let lease = engine.store.lease().capture()?;
        let generation = engine.store.generation();
        assert!(
            generation.index >= lease.read_index(),
            "a lease is stored after its generation is published"
        );
        let tenant = generation.state.tenant_named(&caller.tenant).cloned();
        let service = tenant
            .as_ref()
            .and_then(|tenant| generation.state.service_named(tenant.handle, &caller.service).cloned());
        let denied = caller.names.iter().find_map(|name| generation.state.denial(name));
        let denied = denied.map(|denial| denial.at);
        let now = engine.store.now_in(&generation);
        Ok(Self { lease, generation, tenant, service, denied, now })
    }

    /// Whether both tenant and service may be served.
    fn judge(self) -> Result<Firm, Verdict> {
        let ended = |reason, at, tenant| Err(Verdict::Withdrawn { reason, at, tenant });
        if let Some(at) = self.denied {
            return ended("the certificate is denied", at, None);
        }
        let Some(tenant) = self.tenant else { return Err(Verdict::NoTenant) };
        match tenant.state {
            TenantState::Active => {}
            TenantState::Suspended => {
                return ended(
                    "the tenant is suspended; an operator can resume it",
                    tenant.withdrawn_at,
                    Some(tenant.handle),
                );
            }
            TenantState::Quarantined => {
                let reason = "the tenant is quarantined after a restore; an operator can resume it";
                return ended(reason, tenant.withdrawn_at, Some(tenant.handle));
            }
            TenantState::Terminated => {
                return ended("the tenant was terminated", tenant.withdrawn_at, Some(tenant.handle));
            }
        }
        if tenant.access.is_unlinked() {
            let reason = "the tenant is unlinked from its root of trust; an operator can relink it";
            return ended(reason, tenant.withdrawn_at, Some(tenant.handle));
        }
        if let Gate::Closed { state, since, at } = self.generation.state.gate(&tenant, self.now) {
            return Err(Verdict::RootClosed { state, since, at, tenant: tenant.handle });
        }
        let Some(service) = self.service else { return Err(Verdict::Unregistered(tenant)) };
        let reason = match service.state {
            ServiceState::Active => {
                let Self { lease, generation, now, .. } = self;
                return Ok(Firm { lease, generation, tenant, service, now });
            }
            ServiceState::Suspended => "the service is suspended; an operator can resume it",
            ServiceState::Shredded => "the service was shredded; an administrator must enable it again",
        };
        ended(reason, service.withdrawn_at, Some(tenant.handle))
    }
}

/// What is told while the tenant's root keeps its keys closed.
fn closed(state: L1State, since: ClusterTime) -> Refused {
    let reason = format!("its root of trust is {} (closed since {since})", state.as_str());
    Refused::KeyUnavailable { reason }
}

/// Why a caller may not be served.
enum Verdict {
    NoTenant,
    /// It may not any more: told once that holds on every node.
    Withdrawn {
        reason: &'static str,
        at: LogIndex,
        tenant: Option<TenantHandle>,
    },
    /// Its tenant's root ended the use of its keys, or is silent for too long: told once that holds on every
    /// node.
    RootClosed {
        state: L1State,
        since: ClusterTime,
        at: LogIndex,
        tenant: TenantHandle,
    },
    Unregistered(Arc<Tenant>),
}

impl Verdict {
    async fn refuse(self, engine: &Engine) -> Refused {
        match self {
            Self::NoTenant => Refused::Identity { reason: "no such tenant" },
            Self::Withdrawn { reason, at, tenant } => match engine.until_everywhere(at, tenant).await {
                Ok(()) => Refused::Identity { reason },
                Err(not_yet) => not_yet,
            },
            // A grace that ran out did so by cluster time, on every node alike.
            Self::RootClosed { state, since, at: LogIndex(0), .. } => closed(state, since),
            Self::RootClosed { state, since, at, tenant } => {
                match engine.until_everywhere(at, Some(tenant)).await {
                    Ok(()) => closed(state, since),
                    Err(not_yet) => not_yet,
                }
            }
            Self::Unregistered(_) => Refused::Internal { cause: "registered_service_not_published" },
        }
    }
}

impl<'e> Turn<'e> {
    /// Begins the turn of a request that has arrived whole. Registers the caller's service on first
    /// contact, where the tenant's policy says so.
    ///
    /// # Errors
    /// [`Refused::NotNow`] without a lease or a leader where one is needed, [`Refused::Identity`] if the
    /// caller may not be served.
    pub(crate) async fn begin(engine: &'e Engine, caller: &'e Caller) -> Result<Self, Refused> {
        let mut judged = Footing::take(engine, caller)?.judge();
        if judged.is_err() {
            Box::pin(engine.store.read_index()).await?;
            judged = Footing::take(engine, caller)?.judge();
        }
        if let Err(Verdict::Unregistered(tenant)) = &judged {
            Box::pin(engine.register_on_first_contact(tenant, caller)).await?;
            judged = Footing::take(engine, caller)?.judge();
        }
        let Firm { lease, generation, tenant, service, now } = match judged {
            Ok(firm) => firm,
            Err(verdict) => return Err(Box::pin(verdict.refuse(engine)).await),
        };
        let turn = Self {
            engine,
            caller,
            generation,
            tenant,
            service,
            lease,
            batch: engine.audit.batch(),
            told: Told::default(),
            effective_everywhere_at: None,
            passed_to: None,
            staged: None,
            request: engine.next_request(),
            started: Instant::now(),
            started_ms: engine.wall_ms(),
            now,
            made: None,
        };
        turn.check_lease()?;
        Ok(turn)
    }

    /// The caller's tenant.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The caller's service.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// What this turn reads: its generation, or what its staged writes would make of it.
    pub(crate) fn state(&self) -> &State {
        self.staged.as_ref().map_or(&self.generation.state, |staged| staged.state())
    }

    /// The moment on which dates are judged, in cluster time: when the turn took its generation.
    #[must_use]
    pub const fn now(&self) -> ClusterTime {
        self.now
    }

    /// Makes sure that the generation of this turn is not older than this call: what a negative or
    /// state-dependent answer needs (CONSISTENCY 4).
    ///
    /// # Errors
    /// [`Refused::NotNow`] without a leader; [`Refused::Identity`] if the caller may no longer be served.
    pub async fn refresh(&mut self) -> Result<(), Refused> {
        if self.staged.is_some() {
            // Staging began with a refresh, and its commit is judged anew.
            return Ok(());
        }
        Box::pin(self.engine.store.read_index()).await?;
        self.look_again()
    }

    /// Takes the newest local generation, after a write of this turn was published here.
    pub(crate) fn look_again(&mut self) -> Result<(), Refused> {
        let footing = Footing::take(self.engine, self.caller)?;
        // Nothing is told of it here: the next request learns what ended, once that holds everywhere.
        let ended = |_| Refused::NotNow { reason: "the caller's standing changed meanwhile".to_owned() };
        let firm = footing.judge().map_err(ended)?;
        // The lease stays the first one captured: what was answered under it must pass its check.
        self.generation = firm.generation;
        (self.tenant, self.service) = (firm.tenant, firm.service);
        (self.now, self.made) = (firm.now, None);
        if self.batch.is_empty() {
            self.lease = firm.lease;
        }
        Ok(())
    }

    /// Whether the captured lease still allows an answer.
    ///
    /// # Errors
    /// [`Refused::NotNow`].
    pub(crate) fn check_lease(&self) -> Result<(), Refused> {
        let length = LeaseLength::from_millis(self.tenant.lease_ms)
            .map_err(|_| Refused::Internal { cause: "lease_out_of_range" })?;
        let store = &self.engine.store;
        Ok(store.lease().check(self.lease, length, store.boot_now())?)
    }

    /// Notes what one item of the request did. Every item is noted, whatever its outcome.
    pub fn note(&mut self, operation: Operation, item: u16, identifier: &str) {
        self.note_outcome(operation, item, identifier, Outcome::Ok, "");
    }

    /// As [`Turn::note`], for an item whose failure was judged above: a short code, and whether the same
    /// request may succeed later.
    pub fn note_failed(
        &mut self,
        operation: Operation,
        item: u16,
        identifier: &str,
        cause: &'static str,
        retryable: bool,
    ) {
        let outcome = if retryable { Outcome::Failed } else { Outcome::Refused };
        self.note_outcome(operation, item, identifier, outcome, cause);
    }

    fn note_outcome(
        &mut self,
        operation: Operation,
        item: u16,
        identifier: &str,
        outcome: Outcome,
        reason: &'static str,
    ) {
        let elapsed = self.started.elapsed();
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let uid = self.made(identifier).or_else(|| Uid::parse(identifier));
        let l2_version = uid.map(|uid| uid.header.fields().l2_version);
        let primary = self.tenant.primary().map(|primary| primary.version);
        if let Some(uid) = uid
            && outcome == Outcome::Ok
            && l2_version != primary
        {
            self.engine.older.saw(uid, self.now);
        }
        let detail = self.detail();
        self.batch.push(&Entry {
            tenant: Some(self.tenant.handle),
            service: Some(self.service.handle),
            certificate: Some(self.caller.certificate),
            peer: Some(self.caller.address),
            identifier,
            l2_version,
            reason,
            latency_us: u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX),
            request: self.request,
            item,
            detail: &detail,
            ..Entry::new(Kind::KeyOperation, operation, outcome, self.started_ms.saturating_add(elapsed_ms))
        });
    }

    /// What an audit record says beside its fields; most say nothing.
    fn detail(&mut self) -> String {
        let effective = self.effective_everywhere_at.take();
        let facts = [
            effective.map(|at| format!("effective_everywhere_at={at}")),
            self.passed_to.take().map(|node| format!("passed_to={node}")),
            self.caller.passed_by.map(|node| format!("passed_by={node}")),
        ];
        facts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Remembers an identifier that this turn made.
    pub(crate) fn remember(&mut self, uid: Uid) {
        self.made = Some((uid.encode(), uid));
    }

    /// The text of an identifier: known already for the one this turn made last.
    #[must_use]
    pub fn text_of(&self, uid: &Uid) -> UidText {
        match &self.made {
            Some((text, made)) if made == uid => *text,
            _ => uid.encode(),
        }
    }

    /// The identifier behind a text, if it is the one this turn made last.
    pub(crate) fn made(&self, identifier: &str) -> Option<Uid> {
        self.made.as_ref().filter(|(text, _)| text.as_str() == identifier).map(|(_, uid)| *uid)
    }

    /// Makes the audit records durable and checks the lease once more. Only after `Ok` may the answer
    /// go out (I4, CONSISTENCY 2).
    ///
    /// # Errors
    /// [`Refused::Unaudited`] if the records are not durable; [`Refused::NotNow`] if the lease ran out
    /// meanwhile: the answer is withheld, and a record says so.
    pub async fn finish(mut self) -> Result<(), Refused> {
        let batch = std::mem::replace(&mut self.batch, Batch::new());
        if !batch.is_empty() {
            self.engine.append(batch).await?;
        }
        match self.check_lease() {
            Ok(()) => Ok(()),
            Err(stale) => Box::pin(self.withhold(stale)).await,
        }
    }

    /// Records that an answer whose lease ran out was withheld.
    async fn withhold(mut self, stale: Refused) -> Result<(), Refused> {
        let response = Operation { code: 0, name: "response" };
        self.note_outcome(response, 0, "", Outcome::Withheld, stale.cause());
        let batch = std::mem::replace(&mut self.batch, Batch::new());
        self.engine.append(batch).await?;
        Err(stale)
    }
}
