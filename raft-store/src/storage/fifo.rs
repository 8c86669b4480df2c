//! One queue in front of the disk: vote, append, truncate, purge and apply, in one order.
//!
//! Writing is cheap and happens in the caller's thread under the queue's lock, so that an append is in the
//! database before it returns. Syncing is slow and happens elsewhere: one sync answers everyone who waited
//! when it began, in order. (The alternative, writing in the sync thread too, makes every append wait out
//! the previous sync, and with it the Raft core and its heartbeats.)
//!
//! Invariants: batches reach the disk in the order in which they were submitted; a callback runs after a
//! sync that began after its batch was written; callbacks run in order; after the first failed write or sync
//! nothing is written, acknowledged or synced again.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::disk::{Batch, Disk, DiskError};
use super::{Fatal, Hook, StoreError};

/// Told once the batch it came with is durable, or never will be.
pub(super) type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Who syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Syncing {
    /// A thread, as soon as anyone waits; the way of a real node.
    #[default]
    Thread,
    /// The submitter, before `submit` returns: no threads, one order.
    Inline,
    /// Whoever calls `sync_now`: a test or simulator decides when, and what a crash loses.
    Manual,
}

pub(super) struct Fifo<D: Disk> {
    shared: Arc<Shared<D>>,
    syncing: Syncing,
    thread: Option<JoinHandle<()>>,
}

struct Shared<D: Disk> {
    disk: D,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Held by whoever syncs, so that callbacks run in order.
    turn: Mutex<()>,
    fatal: Fatal,
    after_sync: Option<Hook>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Done>,
    failed: Option<DiskError>,
    closing: bool,
}

impl<D: Disk> Fifo<D> {
    pub(super) fn new(
        disk: D,
        syncing: Syncing,
        fatal: Fatal,
        after_sync: Option<Hook>,
    ) -> Result<Self, StoreError> {
        let (queue, wake, turn) = (Mutex::default(), Condvar::new(), Mutex::default());
        let shared = Arc::new(Shared { disk, queue, wake, turn, fatal, after_sync });
        let thread = match syncing {
            Syncing::Thread => Some(spawn(Arc::clone(&shared))?),
            Syncing::Inline | Syncing::Manual => None,
        };
        Ok(Self { shared, syncing, thread })
    }

    pub(super) fn disk(&self) -> &D {
        &self.shared.disk
    }

    /// Writes a batch at its place in the order. `written` runs under the queue's lock, right after the
    /// write; `done`, if given, after the sync.
    pub(super) fn submit(
        &self,
        batch: &Batch,
        written: impl FnOnce(),
        done: Option<Done>,
    ) -> Result<(), StoreError> {
        let mut queue = self.shared.lock();
        if let Some(error) = &queue.failed {
            return Err(StoreError::Stopped { cause: error.clone() });
        }
        if let Err(error) = self.shared.disk.write(batch) {
            queue.failed = Some(error.clone());
            drop(queue);
            self.shared.fatal.stop(&error.to_string());
            return Err(error.into());
        }
        written();
        let Some(done) = done else { return Ok(()) };
        queue.waiting.push(done);
        drop(queue);
        match self.syncing {
            Syncing::Thread => self.shared.wake.notify_one(),
            Syncing::Inline => self.shared.sync_waiting(),
            Syncing::Manual => {}
        }
        Ok(())
    }

    /// Answers everyone who waits now with one sync.
    pub(super) fn sync_now(&self) {
        self.shared.sync_waiting();
    }

    /// How many wait for a sync.
    pub(super) fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }
}

impl<D: Disk> Shared<D> {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic under this lock can only come from `written`, which sets plain fields.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync_waiting(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = mem::take(&mut self.lock().waiting);
        if waiting.is_empty() {
            return;
        }
        let result = self.sync();
        for done in waiting {
            done(result.clone());
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        if let Some(error) = &self.lock().failed {
            return Err(StoreError::Stopped { cause: error.clone() });
        }
        if let Err(error) = self.disk.sync() {
            self.lock().failed = Some(error.clone());
            self.fatal.stop(&error.to_string());
            return Err(error.into());
        }
        if let Some(hook) = &self.after_sync {
            hook.call();
        }
        Ok(())
    }

    /// Sleeps until someone waits; false when the store closes and nobody does.
    fn wait(&self) -> bool {
        let mut queue = self.lock();
        while queue.waiting.is_empty() {
            if queue.closing {
                return false;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}

fn spawn<D: Disk>(shared: Arc<Shared<D>>) -> Result<JoinHandle<()>, StoreError> {
    let run = move || {
        while shared.wait() {
            shared.sync_waiting();
        }
        // Applied rows nobody waited for: losing them would only mean applying them again.
        if shared.lock().failed.is_none() && shared.disk.sync().is_err() {
            tracing::warn!("the last sync before closing failed; the log will be applied again");
        }
    };
    std::thread::Builder::new()
        .name("raft-wal-sync".to_owned())
        .spawn(run)
        .map_err(|error| DiskError { what: "start its sync thread", detail: error.to_string() }.into())
}

impl<D: Disk> Drop for Fifo<D> {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sync thread panicked");
        }
    }
}
