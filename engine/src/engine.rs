//! The key service: authorise a caller, unseal, derive locally or propose, audit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use audit::{AuditLog, Batch, Entry, Kind, Operation, Outcome};
use crypto::{GcmIvSource, Inbox, NonceSource, Seed};
use model::command::{Answer, IdempotencyKey};
use model::commands::RegisterService;
use model::id::{BootId, Realm, ServiceHandle, ServiceName};
use model::refusal::Refusal;
use model::service::{ServicePolicy, ServiceType};
use model::tenant::Tenant;
use raft_store::Store;

use crate::barrier::KeyringFile;
use crate::caller::Caller;
use crate::everywhere::Everywhere;
use crate::held::Held;
use crate::hot::Hot;
use crate::older::Older;
use crate::refused::Refused;
use crate::root_tests::RootTests;
use crate::roots::Roots;
use crate::seeds::Seeded;
use crate::turn::Turn;
use crate::usage::Blocks;

/// How often a random handle is drawn anew: with a million services a hit has odds of one in 4,000, so
/// eight draws never suffice only if the generator is broken.
pub(crate) const DRAWS_MAX: usize = 8;

/// The key service of one node; one per process, shared by every connection.
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) audit: AuditLog,
    pub(crate) roots: Roots,
    pub(crate) root_tests: RootTests,
    pub(crate) hot: Hot,
    pub(crate) nonces: NonceSource,
    pub(crate) ivs: GcmIvSource,
    pub(crate) usage: Blocks,
    pub(crate) older: Older,
    pub(crate) seeded: Seeded,
    pub(crate) keyring_file: Arc<dyn KeyringFile>,
    pub(crate) everywhere: Everywhere,
    pub(crate) inbox: Inbox,
    realm: Realm,
    boot: BootId,
    requests: AtomicU64,
}

/// What the engine is made of.
pub struct Parts {
    /// The replicated store, ready, its cache guard being `held`.
    pub store: Store,
    /// The audit log of this boot.
    pub audit: AuditLog,
    /// The roots of trust this node has open.
    pub roots: Roots,
    /// What the node holds in memory.
    pub held: Arc<Held>,
    /// Where the barrier keyring is kept.
    pub keyring_file: Arc<dyn KeyringFile>,
    /// What other nodes hand keys over to; the store told the cluster its public half.
    pub inbox: Inbox,
    /// The number of this process start.
    pub boot: BootId,
}

impl Engine {
    /// Puts the parts together.
    ///
    /// # Errors
    /// If no secret memory is left.
    pub fn new(parts: Parts) -> Result<Self, crypto::ArenaError> {
        let cluster = parts.store.identity().cluster;
        Ok(Self {
            ivs: GcmIvSource::new(cluster, parts.boot),
            usage: Blocks::default(),
            older: Older::default(),
            seeded: Seeded::default(),
            everywhere: Everywhere::default(),
            inbox: parts.inbox,
            realm: parts.held.keyring().realm(),
            store: parts.store,
            audit: parts.audit,
            roots: parts.roots,
            root_tests: RootTests::default(),
            keyring_file: parts.keyring_file,
            hot: Hot::new(parts.held),
            nonces: NonceSource::new(parts.boot)?,
            boot: parts.boot,
            requests: AtomicU64::new(0),
        })
    }

    /// The replicated store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The audit log.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// The number of this process start.
    pub(crate) fn boot(&self) -> BootId {
        self.boot
    }

    /// The realm all derivations are bound to.
    #[must_use]
    pub fn realm(&self) -> Realm {
        self.realm
    }

    /// How many L3 keys are hot.
    #[must_use]
    pub fn hot_keys(&self) -> usize {
        self.hot.len()
    }

    /// The key reference of the platform's root for tenants.
    #[must_use]
    pub fn platform_root(&self) -> String {
        self.roots.platform().l1_ref().to_owned()
    }

    /// How a configured root was described, its credentials left out.
    #[must_use]
    pub fn root_config(&self, root: &model::root::Root) -> Option<keystore::RootConfig> {
        self.roots.described(root).ok().map(|described| described.config)
    }

    /// Identifiers of older versions that are used on this node.
    #[must_use]
    pub fn older(&self) -> &Older {
        &self.older
    }

    /// What this node holds in memory for each tenant.
    #[must_use]
    pub fn held(&self) -> &Held {
        self.hot.held()
    }

    /// Whether this node may answer: its lease is valid and its audit log works.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.audit.healthy() && self.store.status().ready
    }

    /// Begins the turn of a request that has arrived whole.
    ///
    /// # Errors
    /// See [`Refused::NotNow`] and [`Refused::Identity`].
    pub async fn begin<'e>(&'e self, caller: &'e Caller) -> Result<Turn<'e>, Refused> {
        Turn::begin(self, caller).await
    }

    /// Records something that concerns no tenant's key: a refused connection, a request that was not
    /// served at all.
    ///
    /// # Errors
    /// [`Refused::Unaudited`].
    pub async fn note_security(
        &self,
        operation: Operation,
        caller: Option<&Caller>,
        address: std::net::SocketAddr,
        certificate: Option<[u8; 32]>,
        reason: &str,
        detail: &str,
    ) -> Result<(), Refused> {
        let tenant = caller.and_then(|caller| {
            self.store.generation().state.tenant_named(&caller.tenant).map(|tenant| tenant.handle)
        });
        let mut batch = Batch::new();
        batch.push(&Entry {
            tenant,
            certificate: certificate.or(caller.map(|caller| caller.certificate)),
            peer: Some(address),
            reason,
            detail,
            ..Entry::new(Kind::SecurityEvent, operation, Outcome::Refused, self.wall_ms())
        });
        self.append(batch).await
    }

    /// A request id that no other process start ever gives: boot id and a counter.
    pub(crate) fn next_request(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.boot.0.to_be_bytes());
        id[8..].copy_from_slice(&self.requests.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        id
    }

    pub(crate) async fn append(&self, batch: Batch) -> Result<(), Refused> {
        match self.audit.append(batch).await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "an answer was withheld: its audit record is not durable");
                Err(Refused::Unaudited)
            }
        }
    }

    /// The node's wall clock for audit records; it decides nothing.
    pub(crate) fn wall_ms(&self) -> u64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Registers the caller's service, where the tenant's policy allows it.
    pub(crate) async fn register_on_first_contact(
        &self,
        tenant: &Tenant,
        caller: &Caller,
    ) -> Result<(), Refused> {
        if !tenant.auto_register {
            return Err(Refused::Identity { reason: "the service is not registered" });
        }
        let policy = ServicePolicy::default();
        self.register_service(tenant, &caller.service, caller.service_type, policy, false, None).await?;
        tracing::info!(tenant = %tenant.name, service = %caller.service, "service registered on first contact");
        Ok(())
    }

    /// Registers a service with a fresh seed; returns its handle, and whether it is new.
    ///
    /// # Errors
    /// What the state refuses, or that it cannot be asked now.
    pub(crate) async fn register_service(
        &self,
        tenant: &Tenant,
        name: &ServiceName,
        service_type: ServiceType,
        policy: ServicePolicy,
        reenable: bool,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<(ServiceHandle, bool), Refused> {
        for _ in 0..DRAWS_MAX {
            let handle = ServiceHandle(crypto::random::bytes());
            let seed = Seed::generate(self.realm, tenant.handle, handle)
                .map_err(|error| Refused::NotNow { reason: error.to_string() })?;
            let command = RegisterService {
                tenant: tenant.handle,
                handle,
                name: name.clone(),
                service_type,
                policy,
                seed: self.hot.keyring().seal_seed(&seed),
                seed_commitment: seed.commitment().0,
                reenable,
            };
            match self.store.propose(command, idempotency).await?.answer {
                Answer::Service { handle, created } => return Ok((handle, created)),
                Answer::Refused(Refusal::HandleTaken) => {}
                Answer::Refused(refusal) => return Err(refusal.into()),
                _ => return Err(Refused::Internal { cause: "unexpected_answer" }),
            }
        }
        Err(Refused::Internal { cause: "no_free_handle" })
    }
}
