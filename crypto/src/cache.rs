//! The hot keys: L3 by (tenant, service, L2 version, KDF), and nothing else (CONSISTENCY 7).
//!
//! A fill (unwrap L2, derive L3) takes milliseconds and may cross a withdrawal. So it begins by taking
//! a ticket for the generation its request was authorised by, and inserts only if no purge of that
//! tenant happened since, compared under the lock that the purge takes. A purge of generation *I*
//! also refuses tickets of any generation below *I*, should an old request come late.
//!
//! Requests hold a reference to the slot. A purge removes the keys at once, which means *no use* for
//! requests to come; [`Purged::zeroed`] tells the second fact, that the last reference has ended
//! and the bytes are zero. Only keys that no request holds are evicted, so no key is ever out of
//! sight of a purge. No lock is held while waiting for anything.

use model::id::{L2Version, LogIndex, ServiceHandle, TenantHandle};

use crate::hierarchy::{L3, L3Place};
use crate::sync::{Arc, AtomicBool, Ordering, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

mod shard;

use shard::Shard;

/// Keys a node keeps hot unless told otherwise: two for each of 100,000 tenants, some 50 MiB.
pub const CAPACITY_DEFAULT: usize = 1 << 18;

/// Locks the cache is divided into, by tenant: far more than cores, so that tenants rarely meet.
const SHARDS: usize = if cfg!(feature = "loom") { 2 } else { 64 };

/// The cache of hot L3 keys.
pub struct L3Cache {
    shards: Box<[RwLock<Shard>]>,
}

/// A cached key. Whoever holds it keeps it alive past a purge: hold it for one request only.
pub struct HotL3 {
    l3: L3,
    /// Looked up since the eviction hand last came by.
    used: AtomicBool,
    /// Fields drop in order, so this comes after `l3` is zeroed.
    zeroed: SetOnDrop,
}

impl HotL3 {
    /// The key.
    #[must_use]
    pub fn l3(&self) -> &L3 {
        &self.l3
    }
}

/// Leave to insert one tenant's keys, unless a purge comes first.
#[derive(Clone, Copy, Debug)]
pub struct FillTicket {
    tenant: TenantHandle,
    epoch: u64,
}

impl FillTicket {
    /// Whose keys it lets in.
    #[must_use]
    pub fn tenant(&self) -> TenantHandle {
        self.tenant
    }
}

/// What a purge removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All keys of all tenants: the node seals, or lost trust in its clock.
    Everything,
    /// All keys of a tenant.
    Tenant(TenantHandle),
    /// All keys of one service.
    Service(TenantHandle, ServiceHandle),
    /// All keys of one version of a tenant's L2.
    Version(TenantHandle, L2Version),
}

/// Why a fill was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillRefused {
    /// A purge came between: authorise the request again, under the current generation.
    #[error("the tenant's keys were purged meanwhile")]
    Purged,
    /// Every slot is held by a request in flight: retry.
    #[error("the key cache is full of keys in use")]
    Full,
}

impl L3Cache {
    /// A cache for `capacity` keys, rounded up to a multiple of the number of shards.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let per_shard = capacity.div_ceil(SHARDS).max(1);
        Self { shards: (0..SHARDS).map(|_| RwLock::new(Shard::new(per_shard))).collect() }
    }

    /// The key of `place`, if it is hot.
    #[must_use]
    pub fn get(&self, place: &L3Place) -> Option<Arc<HotL3>> {
        let hot = self.read(place.tenant).get(place)?;
        // Most lookups find the mark set; not writing it again spares the cores a shared line.
        if !hot.used.load(Ordering::Relaxed) {
            hot.used.store(true, Ordering::Relaxed);
        }
        Some(hot)
    }

    /// Begins a fill for a request authorised by `generation`, before L2 is unwrapped.
    ///
    /// # Errors
    /// [`FillRefused::Purged`]: the tenant was purged by a later generation than this.
    pub fn begin_fill(&self, tenant: TenantHandle, generation: LogIndex) -> Result<FillTicket, FillRefused> {
        let epoch = self.read(tenant).open_epoch(tenant, generation).ok_or(FillRefused::Purged)?;
        Ok(FillTicket { tenant, epoch })
    }

    /// Makes `l3` hot. If another fill was faster, its key stands and is returned. One ticket serves
    /// for all services of the tenant.
    ///
    /// # Errors
    /// [`FillRefused`]; the key is then zeroed.
    ///
    /// # Panics
    /// If the key is another tenant's than the ticket.
    pub fn insert(&self, ticket: &FillTicket, l3: L3) -> Result<Arc<HotL3>, FillRefused> {
        assert_eq!(l3.place().tenant, ticket.tenant, "a ticket is for one tenant");
        self.write(ticket.tenant).insert(ticket.epoch, l3)
    }

    /// Refuses from now on every fill authorised before `generation`, without removing keys: the
    /// first step of publishing a generation that withdraws (CONSISTENCY 2).
    pub fn close(&self, scope: Scope, generation: LogIndex) {
        self.for_each_shard(scope, |shard| shard.close(scope, generation));
    }

    /// Removes the keys of `scope`, withdrawn by `generation`. On return no lookup finds them, no
    /// older fill can bring them back, and those that no request holds are zero.
    pub fn purge(&self, scope: Scope, generation: LogIndex) -> Purged {
        let mut flags = Vec::new();
        self.for_each_shard(scope, |shard| {
            shard.close(scope, generation);
            for hot in shard.remove(scope) {
                flags.push(Arc::clone(&hot.zeroed.0));
            }
        });
        Purged { flags }
    }

    /// Keys that are hot now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Keys of one tenant that are hot now.
    #[must_use]
    pub fn len_of(&self, tenant: TenantHandle) -> usize {
        self.read(tenant).len_of(tenant)
    }

    /// What a tenant's hot keys belong to, in order.
    #[must_use]
    pub fn places_of(&self, tenant: TenantHandle) -> Vec<L3Place> {
        self.read(tenant).of_tenant(tenant).collect()
    }

    /// Whether no key is hot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn for_each_shard(&self, scope: Scope, mut act: impl FnMut(&mut Shard)) {
        match scope {
            Scope::Tenant(tenant) | Scope::Service(tenant, _) | Scope::Version(tenant, _) => {
                act(&mut self.write(tenant));
            }
            Scope::Everything => {
                for shard in &self.shards {
                    act(&mut shard.write().unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }

    /// A poisoned lock is taken all the same: a shard's invariants hold between any two of its
    /// updates, and refusing to purge would be worse.
    fn read(&self, tenant: TenantHandle) -> RwLockReadGuard<'_, Shard> {
        self.shard(tenant).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, tenant: TenantHandle) -> RwLockWriteGuard<'_, Shard> {
        self.shard(tenant).write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles are random, so any byte of them spreads tenants evenly.
    fn shard(&self, tenant: TenantHandle) -> &RwLock<Shard> {
        &self.shards[usize::from(tenant.0[3]) % SHARDS]
    }
}

/// Keys that were removed from the cache, and whether they still exist somewhere.
#[must_use = "it tells when the keys are zeroed"]
pub struct Purged {
    flags: Vec<Arc<AtomicBool>>,
}

impl Purged {
    /// How many keys were removed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.flags.len()
    }

    /// How many of them a request still holds.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.flags.iter().filter(|zeroed| !zeroed.load(Ordering::Acquire)).count()
    }

    /// Whether the bytes of every removed key are zero.
    #[must_use]
    pub fn zeroed(&self) -> bool {
        self.pending() == 0
    }
}

/// Raises its flag when dropped.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests;
