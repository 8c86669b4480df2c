//! Keys at hand: tag keys per tenant, and L3 keys filled on first use.
//!
//! L2 exists in memory only while [`Hot::l3`] fills a miss; the fill inserts by comparison under the lock
//! that a purge takes (CONSISTENCY 7).

use std::sync::Arc;

use crypto::{Commitments, HotL3, Keyring, L2, L2Commitment, L3, L3Place, SeedCommitment, UidKey};
use futures::future::BoxFuture;
use model::id::{L2Version, LogIndex, TenantHandle};
use model::root::Gate;
use model::service::Service;
use model::tenant::Tenant;
use raft_store::Gen;

use crate::engine::Engine;
use crate::held::Held;
use crate::refused::Refused;
use crate::roots::NoL2;

/// Fills of different tenants go on side by side, whatever a root of one of them does; two fills of one key
/// meet at the same lock.
const FILL_LOCKS: usize = 4_096;

/// The keys this process holds ready.
pub struct Hot {
    held: Arc<Held>,
    fills: Vec<tokio::sync::Mutex<()>>,
}

impl Hot {
    /// Over what is held.
    pub fn new(held: Arc<Held>) -> Self {
        let fills = (0..FILL_LOCKS).map(|_| tokio::sync::Mutex::new(())).collect();
        Self { held, fills }
    }

    /// The barrier keyring.
    pub fn keyring(&self) -> &Keyring {
        self.held.keyring()
    }

    /// What this node holds for each tenant.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// How many L3 keys are hot.
    pub fn len(&self) -> usize {
        self.held.cache.len()
    }

    /// The key of a tenant's identifier tags, for a request of this generation.
    pub fn tag_key(&self, tenant: TenantHandle, generation: LogIndex) -> Result<Arc<UidKey>, Refused> {
        self.held.tag_key(tenant, generation)
    }

    /// A service's key of one place, unwrapped on first use; while the tenant's root is silent, taken over from a
    /// node that holds it. `generation` is the one that authorised the request; a purge since then refuses the
    /// fill.
    pub async fn l3(
        &self,
        engine: &Engine,
        generation: &Gen,
        tenant: &Tenant,
        service: &Service,
        place: L3Place,
    ) -> Result<Arc<HotL3>, Refused> {
        match self.held.cache.get(&place) {
            Some(hot) => Ok(hot),
            None => {
                // Boxed and without its type: it lies deep in the futures of every operation.
                let fill: BoxFuture<'_, _> = Box::pin(self.fill(engine, generation, tenant, service, place));
                fill.await
            }
        }
    }

    async fn fill(
        &self,
        engine: &Engine,
        generation: &Gen,
        tenant: &Tenant,
        service: &Service,
        place: L3Place,
    ) -> Result<Arc<HotL3>, Refused> {
        let [a, b, ..] = place.tenant.0;
        let [c, d, ..] = place.service.0;
        let lock = usize::from(u16::from_be_bytes([a ^ c, b ^ d])) % FILL_LOCKS;
        let _one_at_a_time = self.fills[lock].lock().await;
        if let Some(hot) = self.held.cache.get(&place) {
            return Ok(hot);
        }
        let purged = |_| Refused::NotNow { reason: "the key was withdrawn meanwhile".to_owned() };
        let ticket = self.held.cache.begin_fill(place.tenant, generation.index).map_err(purged)?;
        let l3 = self.obtain(engine, generation, tenant, service, place).await?;
        self.held.cache.insert(&ticket, l3).map_err(purged)
    }

    /// The key by its tenant's root or, while that is silent, from a node that holds it.
    async fn obtain(
        &self,
        engine: &Engine,
        generation: &Gen,
        tenant: &Tenant,
        service: &Service,
        place: L3Place,
    ) -> Result<L3, Refused> {
        // A root that is known to be silent would cost its whole time-out; other nodes answer at once.
        let silent = matches!(generation.state.gate(tenant, engine.store.now()), Gate::Grace { .. });
        if silent && let Some(l3) = engine.take_over(place).await {
            return Ok(l3);
        }
        match engine.roots.unwrap_l2(&generation.state, tenant, place.l2_version).await {
            Ok(l2) => self.derive(&l2, service, place),
            Err(NoL2::Silent(refused)) if !silent => engine.take_over(place).await.ok_or(refused),
            Err(no) => Err(no.into()),
        }
    }

    fn derive(&self, l2: &L2, service: &Service, place: L3Place) -> Result<L3, Refused> {
        let record = service.seed.as_deref().ok_or(Refused::NotFound { cause: "service_shredded" })?;
        let seed = self.keyring().open_seed(place.tenant, place.service, record).map_err(|error| {
            tracing::error!(%error, service = %service.name, "a service seed does not open");
            Refused::Internal { cause: "seed_does_not_open" }
        })?;
        if !seed.matches(&SeedCommitment(service.seed_commitment)) {
            return Err(Refused::Internal { cause: "seed_commitment_mismatch" });
        }
        l2.l3(place.kdf, &seed).map_err(|error| {
            tracing::error!(%error, "an L3 key could not be derived");
            Refused::Internal { cause: "l3_not_derived" }
        })
    }
}

/// What an identifier's tag is bound to; `None` if the version or the seed is not known here.
pub fn commitments(tenant: &Tenant, service: &Service, version: L2Version) -> Option<Commitments> {
    let l2 = L2Commitment(tenant.version(version)?.commitment);
    Some(Commitments { l2, seed: SeedCommitment(service.seed_commitment) })
}
