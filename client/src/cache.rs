//! Keys kept for as long as the server leases them: a service that reads one key a thousand times a second
//! asks for it once.
//!
//! A key is kept for its Lease Time (KMIP 1.4, 4.17), never longer than [`LEASE_MAX`], counted from before it
//! was asked for. A server that grants no lease is asked every time. Whatever leaves the cache is wiped when its
//! last reader lets go of it; nothing waits for the next call to be wiped.
//!
//! A withdrawal at the server ends a lease by letting it run out: whoever needs a revoked key gone at once calls
//! [`KeyCache::clear`], as on every `key_rotation` event.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::{Client, Error, KeyBytes};

/// Longest time a key is kept, whatever the server grants.
pub const LEASE_MAX: Duration = Duration::from_secs(300);

/// Most keys kept: a megabyte or so; a service with more is better off with what it needs right now.
pub const KEYS_MAX: usize = 4_096;

/// Reads of different keys go on side by side; two reads of one key meet at the same lock.
const FLIGHTS: usize = 64;

/// A client that remembers keys; clones share what they remember.
#[derive(Clone)]
pub struct KeyCache(Arc<Shared>);

struct Shared {
    client: Client,
    kept: Mutex<Kept>,
    flights: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

#[derive(Default)]
struct Kept {
    keys: HashMap<String, Held>,
    /// Counts calls of `clear`: what was asked for before one is not kept after it.
    cleared: u64,
    sweeping: bool,
}

struct Held {
    key: Arc<KeyBytes>,
    until: Instant,
}

impl KeyCache {
    /// Empty, over a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let flights = (0..FLIGHTS).map(|_| tokio::sync::Mutex::new(())).collect();
        Self(Arc::new(Shared { client, kept: Mutex::default(), flights, hasher: RandomState::new() }))
    }

    /// The bytes of a key: remembered, or asked for once however many ask at the same time.
    ///
    /// # Errors
    /// As [`Client::get`]. A failure is not remembered.
    pub async fn get(&self, identifier: &str) -> Result<Arc<KeyBytes>, Error> {
        if let Some(key) = self.0.fresh(identifier) {
            return Ok(key);
        }
        let _one_at_a_time = self.0.flight(identifier).lock().await;
        if let Some(key) = self.0.fresh(identifier) {
            return Ok(key);
        }
        let (asked, cleared) = (Instant::now(), self.0.kept().cleared);
        let (key, lease) = self.0.client.get_with_lease(identifier).await?;
        let key = Arc::new(key);
        if let Some(lease) = lease.filter(|lease| !lease.is_zero()) {
            let held = Held { key: Arc::clone(&key), until: asked + lease.min(LEASE_MAX) };
            self.0.keep(identifier, held, cleared);
        }
        Ok(key)
    }

    /// Forgets one key: it was revoked, destroyed or replaced.
    pub fn forget(&self, identifier: &str) {
        self.0.kept().keys.remove(identifier);
    }

    /// Forgets every key, those on their way included: call it on a `key_rotation` event.
    pub fn clear(&self) {
        let mut kept = self.0.kept();
        kept.cleared += 1;
        kept.keys.clear();
    }

    /// How many keys are kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.kept().keys.len()
    }

    /// Whether no key is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self, identifier: &str) -> Option<Arc<KeyBytes>> {
        let kept = self.kept();
        let held = kept.keys.get(identifier)?;
        (Instant::now() < held.until).then(|| Arc::clone(&held.key))
    }

    fn flight(&self, identifier: &str) -> &tokio::sync::Mutex<()> {
        let hash = self.hasher.hash_one(identifier) % FLIGHTS as u64;
        &self.flights[usize::try_from(hash).expect("a remainder below 64")]
    }

    /// Keeps a key unless the cache was cleared since it was asked for; makes room by giving up the key that
    /// would go first anyway.
    fn keep(self: &Arc<Self>, identifier: &str, held: Held, cleared: u64) {
        let mut kept = self.kept();
        if kept.cleared != cleared {
            return;
        }
        if kept.keys.len() >= KEYS_MAX {
            let first = kept.keys.iter().min_by_key(|(_, held)| held.until).map(|(name, _)| name.clone());
            first.and_then(|first| kept.keys.remove(&first));
        }
        kept.keys.insert(identifier.to_owned(), held);
        if !std::mem::replace(&mut kept.sweeping, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Gives up what has run out; says when the next does.
    fn swept(&self) -> Option<Instant> {
        let mut kept = self.kept();
        let now = Instant::now();
        kept.keys.retain(|_, held| now < held.until);
        let next = kept.keys.values().map(|held| held.until).min();
        kept.sweeping = next.is_some();
        next
    }
}

/// Gives up each key when its lease ends, and ends with the last one.
async fn sweep(shared: Weak<Shared>) {
    while let Some(next) = shared.upgrade().and_then(|shared| shared.swept()) {
        sleep_until(next).await;
    }
}
