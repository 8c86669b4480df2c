//! A node's audit log, as far as I4 needs it: records wait for a sync, and a crash loses those that did not
//! get one.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::sleep;

use super::dice::Dice;

/// A group commit in microseconds, at least and at most.
const SYNC_US: (u64, u64) = (300, 4_000);

/// Outlives the node's processes, as its disk does.
#[derive(Default)]
pub struct AuditLog {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    durable: BTreeSet<u64>,
    /// Written by which process, not yet durable.
    pending: Vec<u64>,
    crashes: u64,
}

impl AuditLog {
    /// Writes a record and returns once it is durable; false if the node crashed meanwhile.
    pub async fn append(&self, record: u64, dice: &Dice) -> bool {
        let crashes = self.write(record);
        sleep(dice.between_us(SYNC_US.0, SYNC_US.1)).await;
        let mut inner = self.lock();
        if inner.crashes != crashes {
            return false;
        }
        inner.pending.retain(|pending| *pending != record);
        inner.durable.insert(record)
    }

    /// Writes a record and does not wait: what a node must never do. Returns how often it crashed before.
    pub fn write(&self, record: u64) -> u64 {
        let mut inner = self.lock();
        inner.pending.push(record);
        inner.crashes
    }

    /// The machine lost what was not synced.
    pub fn crash(&self) {
        let mut inner = self.lock();
        inner.pending.clear();
        inner.crashes += 1;
    }

    /// Whether a record survived everything.
    pub fn has(&self, record: u64) -> bool {
        self.lock().durable.contains(&record)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
