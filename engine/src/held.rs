//! What this node holds in memory for each tenant, and how it is let go: hot L3 keys, the keys of identifier
//! tags, messages in parts.
//!
//! A withdrawal about a whole tenant ends all three. Whatever a request of an older generation still brings is
//! then not kept (CONSISTENCY 7): each table compares under its own lock, and the mark is set before the table
//! is emptied.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crypto::{Keyring, L2, L3Cache, Purged, Scope, UidKey};
use model::id::{LogIndex, TenantHandle};
use model::state::Effect;
use raft_store::{CacheGuard, HandedOver};

use crate::refused::Refused;
use crate::streams::Streams;

/// See the module. Shared by the engine and the store, which purges as it publishes.
pub struct Held {
    keyring: Arc<Keyring>,
    pub(crate) cache: Arc<L3Cache>,
    pub(crate) streams: Streams,
    tag_keys: RwLock<HashMap<TenantHandle, Arc<UidKey>>>,
    closed: RwLock<HashMap<TenantHandle, LogIndex>>,
    /// Purged keys that a request may still hold.
    leaving: Mutex<Vec<(TenantHandle, Purged)>>,
    /// Keys handed to and taken over from other nodes since this process started.
    given: AtomicU64,
    taken: AtomicU64,
}

impl Held {
    /// Nothing yet.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, cache: Arc<L3Cache>) -> Self {
        Self {
            keyring,
            cache,
            streams: Streams::default(),
            tag_keys: RwLock::default(),
            closed: RwLock::default(),
            leaving: Mutex::default(),
            given: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    /// How many keys went from node to node by this one since it started.
    #[must_use]
    pub fn handed_over(&self) -> HandedOver {
        HandedOver { given: self.given.load(Ordering::Relaxed), taken: self.taken.load(Ordering::Relaxed) }
    }

    pub(crate) fn gave(&self, keys: usize) {
        self.given.fetch_add(keys as u64, Ordering::Relaxed);
    }

    pub(crate) fn took(&self, keys: usize) {
        self.taken.fetch_add(keys as u64, Ordering::Relaxed);
    }

    /// The barrier keyring.
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Slots of secret memory that hold a tenant's keys on this node: those a request has not let go yet included, and
    /// the L2 keys of this process that a job or a request has unwrapped.
    #[must_use]
    pub fn slots_in_use(&self, tenant: TenantHandle) -> usize {
        let tag =
            usize::from(self.tag_keys.read().unwrap_or_else(PoisonError::into_inner).contains_key(&tenant));
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain(|(_, purged)| !purged.zeroed());
        let held = leaving.iter().filter(|(of, _)| *of == tenant).map(|(_, purged)| purged.pending());
        self.cache.len_of(tenant) + tag + held.sum::<usize>() + L2::alive(tenant)
    }

    /// The key of a tenant's identifier tags, for a request of this generation.
    pub(crate) fn tag_key(&self, tenant: TenantHandle, generation: LogIndex) -> Result<Arc<UidKey>, Refused> {
        let known = self.tag_keys.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        let key = self.keyring.uid_root().tenant_key(tenant).map_err(|error| {
            tracing::error!(%error, "no secret memory left");
            Refused::NotNow { reason: error.to_string() }
        })?;
        let key = Arc::new(key);
        let mut keys = self.tag_keys.write().unwrap_or_else(PoisonError::into_inner);
        if self.is_closed(tenant, generation) {
            return Ok(key);
        }
        Ok(Arc::clone(keys.entry(tenant).or_insert(key)))
    }

    /// Whether everything of a tenant was let go after this generation.
    pub(crate) fn is_closed(&self, tenant: TenantHandle, generation: LogIndex) -> bool {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        closed.get(&tenant).is_some_and(|closed| *closed > generation)
    }

    fn let_go(&self, tenant: TenantHandle, index: LogIndex) {
        self.closed.write().unwrap_or_else(PoisonError::into_inner).insert(tenant, index);
        self.tag_keys.write().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
        self.streams.end_all_of(tenant);
    }
}

fn scope(effect: &Effect) -> (TenantHandle, Scope) {
    match *effect {
        Effect::PurgeTenant(tenant) => (tenant, Scope::Tenant(tenant)),
        Effect::PurgeService(tenant, service) => (tenant, Scope::Service(tenant, service)),
    }
}

/// Ties what is held to the publishing of generations (CONSISTENCY 2).
impl CacheGuard for Held {
    fn close_epochs(&self, index: LogIndex, effects: &[Effect]) {
        for effect in effects {
            self.cache.close(scope(effect).1, index);
        }
    }

    fn purge(&self, index: LogIndex, effects: &[Effect]) {
        for effect in effects {
            let (tenant, scope) = scope(effect);
            let purged = self.cache.purge(scope, index);
            if matches!(effect, Effect::PurgeTenant(_)) {
                self.let_go(tenant, index);
            }
            tracing::info!(?effect, keys = purged.count(), in_use = purged.pending(), "keys purged");
            if !purged.zeroed() {
                let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
                leaving.retain(|(_, purged)| !purged.zeroed());
                leaving.push((tenant, purged));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::{L2Version, Realm};

    const REALM: Realm = Realm([1; 16]);

    fn nothing() -> Held {
        Held::new(Arc::new(Keyring::generate(REALM).unwrap()), Arc::new(L3Cache::new(64)))
    }

    #[test]
    fn an_l2_key_that_a_job_has_unwrapped_is_held_until_it_is_let_go() {
        // No other test has keys of these tenants.
        let (tenant, other) = (TenantHandle([0xa1; 4]), TenantHandle([0xa2; 4]));
        let held = nothing();
        let l2 = L2::generate(REALM, tenant, L2Version(1)).unwrap();
        held.purge(LogIndex(5), &[Effect::PurgeTenant(tenant)]);
        assert_eq!(held.slots_in_use(tenant), 1, "a purge does not reach it");
        assert_eq!(held.slots_in_use(other), 0);
        drop(l2);
        assert_eq!(held.slots_in_use(tenant), 0);
    }

    #[test]
    fn a_late_request_leaves_nothing_behind() {
        let held = nothing();
        let tenant = TenantHandle([0xa3; 4]);
        held.tag_key(tenant, LogIndex(4)).unwrap();
        assert_eq!(held.slots_in_use(tenant), 1);
        held.purge(LogIndex(5), &[Effect::PurgeTenant(tenant)]);
        assert_eq!(held.slots_in_use(tenant), 0);
        drop(held.tag_key(tenant, LogIndex(4)).unwrap());
        assert_eq!(held.slots_in_use(tenant), 0, "a request of before the purge keeps nothing");
        held.tag_key(tenant, LogIndex(5)).unwrap();
        assert_eq!(held.slots_in_use(tenant), 1, "one of after it does");
    }
}
