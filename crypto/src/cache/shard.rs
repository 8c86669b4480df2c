//! One lock's worth of the cache: the keys of some tenants, and when they were last purged.

use std::collections::{BTreeMap, VecDeque};

use model::id::{L2Version, LogIndex, ServiceHandle, TenantHandle};
use model::uid::Kdf;

use super::{FillRefused, HotL3, Scope, SetOnDrop};
use crate::hierarchy::{L3, L3Place};
use crate::sync::{Arc, AtomicBool, Ordering};

/// Tenants whose last purge a shard remembers one by one; beyond that it forgets the names and
/// refuses the fills in flight of all its tenants once. A storm of 65,536 purges costs one retry.
const MARKS_MAX: usize = 1024;

pub(super) struct Shard {
    keys: BTreeMap<L3Place, Arc<HotL3>>,
    /// Places in the order the eviction hand visits them; exactly the keys of `keys`.
    hand: VecDeque<L3Place>,
    capacity: usize,
    /// The last purge of each tenant that had one since `base` was set.
    marks: BTreeMap<TenantHandle, Mark>,
    /// The last purge of all other tenants.
    base: Mark,
    /// Epochs given out; each purge gets a new one, so an epoch never comes back.
    epochs: u64,
}

/// What a purge leaves behind.
#[derive(Clone, Copy)]
struct Mark {
    epoch: u64,
    /// Fills authorised by an older generation are refused.
    generation: LogIndex,
}

impl Shard {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            keys: BTreeMap::new(),
            hand: VecDeque::new(),
            capacity,
            marks: BTreeMap::new(),
            base: Mark { epoch: 0, generation: LogIndex(0) },
            epochs: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn len_of(&self, tenant: TenantHandle) -> usize {
        self.of_tenant(tenant).count()
    }

    pub(super) fn get(&self, place: &L3Place) -> Option<Arc<HotL3>> {
        self.keys.get(place).cloned()
    }

    /// The tenant's epoch, unless a purge later than `generation` happened.
    pub(super) fn open_epoch(&self, tenant: TenantHandle, generation: LogIndex) -> Option<u64> {
        let mark = self.mark(tenant);
        (generation >= mark.generation).then_some(mark.epoch)
    }

    pub(super) fn insert(&mut self, epoch: u64, l3: L3) -> Result<Arc<HotL3>, FillRefused> {
        let place = l3.place();
        if self.mark(place.tenant).epoch != epoch {
            return Err(FillRefused::Purged);
        }
        if let Some(faster) = self.keys.get(&place) {
            return Ok(Arc::clone(faster));
        }
        if self.keys.len() >= self.capacity && !self.evict_one() {
            return Err(FillRefused::Full);
        }
        let zeroed = SetOnDrop(Arc::new(AtomicBool::new(false)));
        let hot = Arc::new(HotL3 { l3, used: AtomicBool::new(false), zeroed });
        self.keys.insert(place, Arc::clone(&hot));
        self.hand.push_back(place);
        Ok(hot)
    }

    /// Gives every fill in flight for `scope` an epoch that is over. A service's purge ends its whole
    /// tenant's fills: they cost a retry, one mark per service would cost memory for ever.
    pub(super) fn close(&mut self, scope: Scope, generation: LogIndex) {
        self.epochs += 1;
        let epoch = self.epochs;
        match scope {
            Scope::Everything => self.close_all(epoch, generation),
            Scope::Tenant(tenant) | Scope::Service(tenant, _) | Scope::Version(tenant, _) => {
                let generation = generation.max(self.mark(tenant).generation);
                self.marks.insert(tenant, Mark { epoch, generation });
                if self.marks.len() > MARKS_MAX {
                    self.close_all(epoch, generation);
                }
            }
        }
    }

    fn close_all(&mut self, epoch: u64, generation: LogIndex) {
        let latest = self.marks.values().map(|mark| mark.generation).max().unwrap_or(generation);
        self.base = Mark { epoch, generation: generation.max(latest).max(self.base.generation) };
        self.marks.clear();
    }

    /// Takes out the keys of `scope`; the caller drops them.
    pub(super) fn remove(&mut self, scope: Scope) -> Vec<Arc<HotL3>> {
        let places: Vec<L3Place> = match scope {
            Scope::Everything => self.keys.keys().copied().collect(),
            Scope::Tenant(tenant) => self.of_tenant(tenant).collect(),
            Scope::Service(tenant, service) => {
                self.of_tenant(tenant).filter(|p| p.service == service).collect()
            }
            Scope::Version(tenant, version) => {
                self.of_tenant(tenant).filter(|p| p.l2_version == version).collect()
            }
        };
        if !places.is_empty() {
            self.hand.retain(|place| places.binary_search(place).is_err());
        }
        places.iter().filter_map(|place| self.keys.remove(place)).collect()
    }

    /// The tenant's places, in order.
    pub(super) fn of_tenant(&self, tenant: TenantHandle) -> impl Iterator<Item = L3Place> {
        let least =
            L3Place { tenant, service: ServiceHandle([0; 4]), l2_version: L2Version(0), kdf: Kdf::Hkdf };
        self.keys.range(least..).map(|(place, _)| *place).take_while(move |place| place.tenant == tenant)
    }

    fn mark(&self, tenant: TenantHandle) -> Mark {
        self.marks.get(&tenant).copied().unwrap_or(self.base)
    }

    /// Second chance: the hand passes over keys looked up since its last visit and over keys that
    /// requests hold, twice round at most. `false` if every key is held.
    fn evict_one(&mut self) -> bool {
        for _ in 0..2 * self.hand.len() {
            let Some(place) = self.hand.pop_front() else { return false };
            let hot = &self.keys[&place];
            // Under the write lock nobody can take a new reference to a key that only the map holds.
            if !hot.used.swap(false, Ordering::Relaxed) && Arc::strong_count(hot) == 1 {
                self.keys.remove(&place);
                return true;
            }
            self.hand.push_back(place);
        }
        false
    }
}
