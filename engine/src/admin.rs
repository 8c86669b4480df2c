//! What administrators do to tenants and services. Every action leaves an audit record before its
//! answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use audit::{Batch, Entry, Kind, Operation, Outcome};
use crypto::random;
use model::command::{Action, Answer, IdempotencyKey};
use model::commands::CreateTenant;
use model::id::{L2Version, LogIndex, ServiceName, TenantHandle, TenantName};
use model::refusal::Refusal;
use model::service::{Service, ServicePolicy, ServiceType};
use model::tenant::Tenant;
use model::time::ClusterTime;
use raft_store::Proposed;

use crate::engine::{DRAWS_MAX, Engine};
use crate::refused::Refused;
use crate::roots::unavailable;
use crate::rotation::announce;

/// Who administers, and from where: for the audit record.
#[derive(Clone, Debug)]
pub struct Administrator {
    /// Where the connection comes from.
    pub address: std::net::SocketAddr,
    /// SHA-256 of the certificate, for operators by mutual TLS.
    pub certificate: Option<[u8; 32]>,
    /// A name fit for a record: the subject of a token or certificate.
    pub subject: String,
    /// The request, as its answer and the log name it.
    pub request: audit::RequestId,
}

/// A tenant to be.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Unique for ever.
    pub name: TenantName,
    /// The cluster's, unless another one is insisted on (and then refused).
    pub region: Option<String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Freshness lease in milliseconds.
    pub lease_ms: u32,
    /// Whether services register themselves on first contact.
    pub auto_register: bool,
}

/// An administrator's action that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administered {
    /// What the state answered.
    pub answer: Answer,
    /// Log index of the change.
    pub index: LogIndex,
    /// Since when what it withdrew holds on every node, in cluster time; `None` where it withdrew nothing.
    pub effective_everywhere_at: Option<ClusterTime>,
}

/// Numbers of administrative actions in audit records; KMIP operations stay below.
const ADMIN_OPERATIONS: u16 = 0x4000;
/// Number of an action that is no command, in audit records.
const CREATE_BACKUP: u16 = 0x5000;
/// An action that was not even tried: the caller has no role for it.
const FORBIDDEN: u16 = 0x7fff;
/// Added to it for what is no replicated command, such as a test; the record's name tells which.
const NOT_A_COMMAND: usize = 0x0fff;

impl Engine {
    /// Makes a tenant with its first L2 version, wrapped by the platform's root.
    ///
    /// # Errors
    /// [`Refused::Refused`] with the state's reason, [`Refused::KeyUnavailable`], [`Refused::NotNow`].
    pub async fn create_tenant(
        &self,
        who: &Administrator,
        new: NewTenant,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Arc<Tenant>, Refused> {
        match self.answered_before(who, "create_tenant", None, new.name.as_str(), idempotency).await? {
            Some(Answer::Tenant(handle)) => return self.tenant(handle),
            Some(_) => return Err(Refused::Internal { cause: "unexpected_answer" }),
            None => {}
        }
        let region = match &new.region {
            Some(region) => region.clone(),
            None => self.store.read_index().await?.state.cluster().region.clone(),
        };
        for _ in 0..DRAWS_MAX {
            let handle = TenantHandle(random::bytes());
            let state = &self.store.generation().state;
            let made = self.roots.make_l2(state, handle, &[], L2Version(1)).await;
            let (commitment, wraps) = made.map_err(unavailable)?;
            let command = CreateTenant {
                handle,
                name: new.name.clone(),
                region: region.clone(),
                labels: new.labels.clone(),
                lease_ms: new.lease_ms,
                auto_register: new.auto_register,
                l2_commitment: commitment.0,
                wraps,
            };
            match self.administer(who, handle, new.name.as_str(), command, idempotency).await {
                Err(Refused::Refused(Refusal::HandleTaken)) => {}
                Err(refused) => return Err(refused),
                Ok(Administered { answer: Answer::Tenant(handle), .. }) => return self.tenant(handle),
                Ok(_) => return Err(Refused::Internal { cause: "unexpected_answer" }),
            }
        }
        Err(Refused::Internal { cause: "no_free_handle" })
    }

    /// Makes the next L2 version of a tenant; older ones keep answering for older identifiers.
    ///
    /// # Errors
    /// As [`Engine::create_tenant`]; two rotations at once make one version, and `read`, the revision its caller has
    /// seen, must still be the tenant's.
    pub async fn rotate_l2(
        &self,
        who: &Administrator,
        tenant: TenantHandle,
        read: Option<LogIndex>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Arc<Tenant>, Refused> {
        let generation = self.store.read_index().await?;
        let known = generation.state.tenant(tenant).ok_or(Refused::Refused(Refusal::TenantUnknown))?;
        let (name, target) = ("add_l2_version", known.name.as_str());
        if self.answered_before(who, name, Some(tenant), target, idempotency).await?.is_some() {
            return self.tenant(tenant);
        }
        // Judged on the very state the new version follows: whoever comes second read another one.
        if read.is_some_and(|read| read != known.revision) {
            return Err(Refused::Refused(Refusal::RevisionConflict { now: known.revision }));
        }
        let command = self.next_version(&generation.state, known).await?;
        let name = known.l2_name(command.version);
        self.administer(who, tenant, &name, command, idempotency).await?;
        announce(self, tenant);
        self.tenant(tenant)
    }

    /// Registers a service for an administrator, who may enable a shredded identity again.
    ///
    /// # Errors
    /// [`Refused::Refused`] with the state's reason, [`Refused::NotNow`].
    pub async fn add_service(
        &self,
        who: &Administrator,
        tenant: TenantHandle,
        name: &ServiceName,
        service_type: ServiceType,
        policy: ServicePolicy,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(Arc<Service>, bool), Refused> {
        let generation = self.store.read_index().await?;
        let known = generation.state.tenant(tenant).ok_or(Refused::Refused(Refusal::TenantUnknown))?;
        let outcome = self.register_service(known, name, service_type, policy, true, idempotency).await;
        let noted = outcome.as_ref().map(|_| None);
        self.note_admin(who, "register_service", Some(tenant), name.as_str(), noted).await?;
        let (handle, created) = outcome?;
        let generation = self.store.generation();
        let service = generation.state.service(tenant, handle).cloned();
        service.map(|service| (service, created)).ok_or(Refused::Internal { cause: "service_not_published" })
    }

    /// Proposes an administrator's action about a tenant and records it; `target` names its object to people.
    ///
    /// # Errors
    /// [`Refused::Refused`] with the state's reason; [`Refused::NotNow`]; [`Refused::NotEverywhereYet`].
    pub async fn administer(
        &self,
        who: &Administrator,
        tenant: TenantHandle,
        target: &str,
        action: impl Into<Action>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Administered, Refused> {
        self.act(who, Some(tenant), target, action.into(), idempotency).await
    }

    /// As [`Engine::administer`], for what concerns all tenants.
    ///
    /// # Errors
    /// As [`Engine::administer`].
    pub async fn administer_cluster(
        &self,
        who: &Administrator,
        target: &str,
        action: impl Into<Action>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Administered, Refused> {
        self.act(who, None, target, action.into(), idempotency).await
    }

    async fn act(
        &self,
        who: &Administrator,
        tenant: Option<TenantHandle>,
        target: &str,
        action: Action,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Administered, Refused> {
        let name = action.name();
        let outcome = match self.store.propose(action, idempotency).await {
            Ok(Proposed { answer: Answer::Refused(refusal), .. }) => Err(refusal.into()),
            Ok(Proposed { answer, index, effective_everywhere_at, .. }) => {
                Ok(Administered { answer, index, effective_everywhere_at })
            }
            Err(error) => Err(error.into()),
        };
        let noted = outcome.as_ref().map(|done| done.effective_everywhere_at);
        self.note_admin(who, name, tenant, target, noted).await?;
        outcome
    }

    /// Records that an administrator had a backup made, or tried to.
    ///
    /// # Errors
    /// [`Refused::Unaudited`].
    pub async fn note_backup(&self, who: &Administrator, name: &str, made: bool) -> Result<(), Refused> {
        let outcome = if made { Outcome::Ok } else { Outcome::Failed };
        let operation = Operation { code: CREATE_BACKUP, name: "create_backup" };
        let mut batch = Batch::new();
        batch.push(&Entry {
            certificate: who.certificate,
            peer: Some(who.address),
            identifier: name,
            detail: &who.subject,
            request: who.request,
            ..Entry::new(Kind::AdminAction, operation, outcome, self.wall_ms())
        });
        self.append(batch).await
    }

    /// Records that somebody asked for what their roles do not allow; `target` is method and path.
    ///
    /// # Errors
    /// [`Refused::Unaudited`].
    pub async fn note_forbidden(&self, who: &Administrator, target: &str) -> Result<(), Refused> {
        let operation = Operation { code: FORBIDDEN, name: "administer" };
        let mut batch = Batch::new();
        batch.push(&Entry {
            certificate: who.certificate,
            peer: Some(who.address),
            identifier: target,
            reason: "forbidden",
            detail: &who.subject,
            request: who.request,
            ..Entry::new(Kind::SecurityEvent, operation, Outcome::Refused, self.wall_ms())
        });
        self.append(batch).await
    }

    /// Proposes what this node decided by itself, and records it.
    ///
    /// # Errors
    /// As [`Engine::administer`].
    pub(crate) async fn act_alone(
        &self,
        tenant: Option<TenantHandle>,
        target: &str,
        action: impl Into<Action>,
    ) -> Result<(), Refused> {
        let action = action.into();
        let name = action.name();
        let outcome = match self.store.propose(action, None).await {
            Ok(Proposed { answer: Answer::Refused(refusal), .. }) => Err(refusal.into()),
            Ok(proposed) => Ok(proposed.effective_everywhere_at),
            Err(error) => Err(error.into()),
        };
        self.note(None, name, tenant, target, outcome.as_ref().map(|at| *at)).await?;
        outcome.map(drop)
    }

    pub(crate) async fn note_admin(
        &self,
        who: &Administrator,
        name: &'static str,
        tenant: Option<TenantHandle>,
        target: &str,
        done: Result<Option<ClusterTime>, &Refused>,
    ) -> Result<(), Refused> {
        self.note(Some(who), name, tenant, target, done).await
    }

    async fn note(
        &self,
        who: Option<&Administrator>,
        name: &'static str,
        tenant: Option<TenantHandle>,
        target: &str,
        done: Result<Option<ClusterTime>, &Refused>,
    ) -> Result<(), Refused> {
        let subject = who.map_or("this node by itself", |who| &who.subject);
        let detail = match done {
            Ok(Some(at)) => format!("{subject}; effective_everywhere_at={at}"),
            Ok(None) | Err(_) => subject.to_owned(),
        };
        self.note_action(who, name, tenant, target, &detail, done.err().map(Refused::cause)).await
    }

    /// Records an administrative action; `refused` is the cause of its failure, if it failed.
    pub(crate) async fn note_action(
        &self,
        who: Option<&Administrator>,
        name: &'static str,
        tenant: Option<TenantHandle>,
        target: &str,
        detail: &str,
        refused: Option<&'static str>,
    ) -> Result<(), Refused> {
        let position = Action::NAMES.iter().position(|known| *known == name).unwrap_or(NOT_A_COMMAND);
        let code = ADMIN_OPERATIONS + u16::try_from(position).unwrap_or_default();
        let outcome = if refused.is_some() { Outcome::Refused } else { Outcome::Ok };
        let mut batch = Batch::new();
        batch.push(&Entry {
            tenant,
            certificate: who.and_then(|who| who.certificate),
            peer: who.map(|who| who.address),
            identifier: target,
            reason: refused.unwrap_or_default(),
            detail,
            request: who.map_or([0; 16], |who| who.request),
            ..Entry::new(Kind::AdminAction, Operation { code, name }, outcome, self.wall_ms())
        });
        self.append(batch).await
    }

    fn tenant(&self, handle: TenantHandle) -> Result<Arc<Tenant>, Refused> {
        let generation = self.store.generation();
        generation.state.tenant(handle).cloned().ok_or(Refused::Internal { cause: "tenant_not_published" })
    }
}
