//! Keys at hand: tag keys per tenant, and L3 keys filled on first use.
//!
//! L2 exists in memory only while [`Hot::l3`] fills a miss; the fill inserts by comparison under the lock
//! that a purge takes (CONSISTENCY 7).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crypto::{Commitments, HotL3, Keyring, L2Commitment, L3Cache, L3Place, Scope, SeedCommitment, UidKey};
use model::id::{L2Version, LogIndex, TenantHandle};
use model::service::Service;
use model::state::Effect;
use model::tenant::Tenant;
use raft_store::CacheGuard;

use crate::refused::Refused;
use crate::roots::Roots;

/// Fills of different tenants go on side by side; two fills of one key meet at the same lock.
const FILL_LOCKS: usize = 64;

/// The keys this process holds ready.
pub struct Hot {
    keyring: Arc<Keyring>,
    cache: Arc<L3Cache>,
    tag_keys: RwLock<HashMap<TenantHandle, Arc<UidKey>>>,
    fills: Vec<tokio::sync::Mutex<()>>,
}

impl Hot {
    /// Empty.
    pub fn new(keyring: Arc<Keyring>, cache: Arc<L3Cache>) -> Self {
        let fills = (0..FILL_LOCKS).map(|_| tokio::sync::Mutex::new(())).collect();
        Self { keyring, cache, tag_keys: RwLock::default(), fills }
    }

    /// The barrier keyring.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// How many L3 keys are hot.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// The key of a tenant's identifier tags.
    pub fn tag_key(&self, tenant: TenantHandle) -> Result<Arc<UidKey>, Refused> {
        let known = self.tag_keys.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        let key = self.keyring.uid_root().tenant_key(tenant).map_err(|error| {
            tracing::error!(%error, "no secret memory left");
            Refused::NotNow { reason: error.to_string() }
        })?;
        let mut keys = self.tag_keys.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(keys.entry(tenant).or_insert_with(|| Arc::new(key))))
    }

    /// A service's key of one place, unwrapped on first use. `generation` is the one that authorised the
    /// request; a purge since then refuses the fill.
    pub async fn l3(
        &self,
        roots: &Roots,
        generation: LogIndex,
        tenant: &Tenant,
        service: &Service,
        place: L3Place,
    ) -> Result<Arc<HotL3>, Refused> {
        match self.cache.get(&place) {
            Some(hot) => Ok(hot),
            None => Box::pin(self.fill(roots, generation, tenant, service, place)).await,
        }
    }

    async fn fill(
        &self,
        roots: &Roots,
        generation: LogIndex,
        tenant: &Tenant,
        service: &Service,
        place: L3Place,
    ) -> Result<Arc<HotL3>, Refused> {
        let lock = usize::from(place.tenant.0[0] ^ place.service.0[0]) % FILL_LOCKS;
        let _one_at_a_time = self.fills[lock].lock().await;
        if let Some(hot) = self.cache.get(&place) {
            return Ok(hot);
        }
        let purged = |_| Refused::NotNow { reason: "the key was withdrawn meanwhile".to_owned() };
        let ticket = self.cache.begin_fill(place.tenant, generation).map_err(purged)?;
        let record = service.seed.as_deref().ok_or(Refused::NotFound { cause: "service_shredded" })?;
        let l2 = roots.unwrap_l2(tenant, place.l2_version).await?;
        let seed = self.keyring.open_seed(place.tenant, place.service, record).map_err(|error| {
            tracing::error!(%error, service = %service.name, "a service seed does not open");
            Refused::Internal { cause: "seed_does_not_open" }
        })?;
        if !seed.matches(&SeedCommitment(service.seed_commitment)) {
            return Err(Refused::Internal { cause: "seed_commitment_mismatch" });
        }
        let l3 = l2.l3(place.kdf, &seed).map_err(|error| {
            tracing::error!(%error, "an L3 key could not be derived");
            Refused::Internal { cause: "l3_not_derived" }
        })?;
        self.cache.insert(&ticket, l3).map_err(purged)
    }
}

/// What an identifier's tag is bound to; `None` if the version or the seed is not known here.
pub fn commitments(tenant: &Tenant, service: &Service, version: L2Version) -> Option<Commitments> {
    let l2 = L2Commitment(tenant.version(version)?.commitment);
    Some(Commitments { l2, seed: SeedCommitment(service.seed_commitment) })
}

/// Ties the cache to the publishing of generations (CONSISTENCY 2).
pub struct Guard(pub Arc<L3Cache>);

fn scope(effect: &Effect) -> Scope {
    match *effect {
        Effect::PurgeTenant(tenant) => Scope::Tenant(tenant),
        Effect::PurgeService(tenant, service) => Scope::Service(tenant, service),
    }
}

impl CacheGuard for Guard {
    fn close_epochs(&self, index: LogIndex, effects: &[Effect]) {
        for effect in effects {
            self.0.close(scope(effect), index);
        }
    }

    fn purge(&self, index: LogIndex, effects: &[Effect]) {
        for effect in effects {
            let purged = self.0.purge(scope(effect), index);
            tracing::info!(?effect, keys = purged.count(), in_use = purged.pending(), "keys purged");
        }
    }
}
