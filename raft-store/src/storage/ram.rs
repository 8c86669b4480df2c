//! A disk in memory that models durability: what was not synced is lost when it crashes.
//!
//! Deterministic, no threads, no files: most tests and the simulator run on it.

use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imbl::OrdMap;

use super::disk::{Batch, Disk, DiskError, Op, Pair, Space, Visit};
use crate::snapshot::shelf::Shelf;

type Tables = OrdMap<(Space, Vec<u8>), Vec<u8>>;

/// A disk in memory. Clones are the same disk; [`RamDisk::after_crash`] makes another one.
#[derive(Clone, Debug, Default)]
pub struct RamDisk {
    inner: Arc<Mutex<Inner>>,
    shelf: Shelf,
}

#[derive(Debug, Default)]
struct Inner {
    live: Tables,
    durable: Tables,
    unsynced: Vec<Batch>,
    fail_write: bool,
    fail_sync: bool,
}

impl RamDisk {
    /// The disk a restarted process would find if the machine lost power now: everything synced, and of
    /// the batches after that the first `kept`.
    #[must_use]
    pub fn after_crash(&self, kept: usize) -> Self {
        let inner = self.lock();
        let mut durable = inner.durable.clone();
        for batch in inner.unsynced.iter().take(kept) {
            apply(&mut durable, batch);
        }
        let inner = Inner { live: durable.clone(), durable, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)), shelf: self.shelf.after_crash() }
    }

    /// How many batches a crash could lose now.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// Makes every later write fail.
    pub fn fail_writes(&self) {
        self.lock().fail_write = true;
    }

    /// Makes every later sync fail.
    pub fn fail_syncs(&self) {
        self.lock().fail_sync = true;
    }

    /// Changes what lies on the disk behind everyone's back, durably: a flipped bit, a swapped record.
    pub fn tamper(&self, batch: &Batch) {
        let mut inner = self.lock();
        apply(&mut inner.live, batch);
        apply(&mut inner.durable, batch);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic cannot leave a half-applied batch that matters: the maps are swapped key by key and the
        // disk of a panicked test is thrown away.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(tables: &mut Tables, batch: &Batch) {
    for op in batch.ops() {
        match op {
            Op::Put(space, key, value) => {
                tables.insert((*space, key.clone()), value.clone());
            }
            Op::Delete(space, key) => {
                tables.remove(&(*space, key.clone()));
            }
            Op::DeleteRange(space, from, to) => {
                let range = (*space, from.clone())..(*space, to.clone());
                let keys: Vec<_> = tables.range(range).map(|(key, _)| key.clone()).collect();
                for key in keys {
                    tables.remove(&key);
                }
            }
        }
    }
}

impl Disk for RamDisk {
    const THREADS: bool = false;

    fn write(&self, batch: &Batch) -> Result<(), DiskError> {
        let mut inner = self.lock();
        if inner.fail_write {
            return Err(DiskError { what: "write", detail: "no space left".to_owned() });
        }
        apply(&mut inner.live, batch);
        inner.unsynced.push(batch.clone());
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        let mut inner = self.lock();
        if inner.fail_sync {
            return Err(DiskError { what: "sync", detail: "input/output error".to_owned() });
        }
        inner.durable = inner.live.clone();
        inner.unsynced.clear();
        Ok(())
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.lock().live.get(&(space, key.to_vec())).cloned())
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), DiskError> {
        let tables = self.lock().live.clone();
        for ((_, key), value) in tables.range((space, from.to_vec())..(space, to.to_vec())) {
            if visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, space: Space) -> Result<Option<Pair>, DiskError> {
        let inner = self.lock();
        let end = Space::ALL.iter().find(|other| **other > space);
        let end = end.map_or(Bound::Unbounded, |next| Bound::Excluded((*next, Vec::new())));
        let mut range = inner.live.range((Bound::Included((space, Vec::new())), end));
        Ok(range.next_back().map(|((_, key), value)| (key.clone(), value.clone())))
    }

    fn shelf(&self) -> &Shelf {
        &self.shelf
    }
}
