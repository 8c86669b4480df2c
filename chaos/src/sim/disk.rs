//! A disk that keeps what was synced and loses, when it crashes, a random part of what was not.
//!
//! It syncs when its task says so, some time after somebody waited: appends of the log are really unsynced
//! for a while. Wrapped around the store's own disk in memory.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use raft_store::snapshot::shelf::Shelf;
use raft_store::storage::disk::{Batch, Disk, DiskError, Op, Pair, Space, Visit};
use raft_store::storage::{Fatal, Options, RamDisk, Storage, StoreError, Syncing};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::bugs::Bug;
use super::dice::Dice;

/// A healthy sync in microseconds, at least and at most.
const SYNC_US: (u64, u64) = (200, 3_000);
/// Where the number of a row's table stands in its stored key: behind the generation and the tenant's PRF.
const TABLE_AT: usize = 8 + 16;
/// The table of objects and overrides.
const OBJECTS: u8 = 3;

/// Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    ram: RamDisk,
    dice: Dice,
    bug: Option<Bug>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    written: Notify,
    /// Added to every sync, in milliseconds.
    slow_ms: AtomicU64,
    slowed: AtomicBool,
    failed: AtomicBool,
    unsynced: Mutex<Vec<Batch>>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(dice: &Dice, bug: Option<Bug>) -> Self {
        Self { ram: RamDisk::default(), dice: dice.clone(), bug, shared: Arc::default() }
    }

    /// What a machine finds after losing power now, and how many batches were lost.
    pub fn after_crash(&self) -> (Self, usize) {
        let unsynced = self.ram.unsynced();
        let kept = self.dice.below(unsynced + 1);
        let ram = if self.bug == Some(Bug::ApplyBeforeLog) {
            self.rows_alone()
        } else {
            self.ram.after_crash(kept)
        };
        (Self { ram, shared: Arc::default(), ..self.clone() }, unsynced - kept)
    }

    /// What was synced, as a copy: an old image of this disk, some time later.
    pub fn image(&self) -> Self {
        Self { ram: self.ram.after_crash(0), shared: Arc::default(), ..self.clone() }
    }

    /// Planted: rows go their own way and are durable at once, the log entries they come from are not.
    fn rows_alone(&self) -> RamDisk {
        let ram = self.ram.after_crash(0);
        for batch in self.unsynced().iter() {
            let logs = |op: &Op| matches!(op, Op::Put(Space::Log, ..) | Op::DeleteRange(Space::Log, ..));
            if !batch.ops().iter().any(logs) {
                ram.tamper(batch);
            }
        }
        ram
    }

    /// Makes every sync this much slower, in milliseconds.
    pub fn slow_ms(&self, slow_ms: u64) {
        self.shared.slow_ms.store(slow_ms, Ordering::Relaxed);
    }

    /// Whether a sync was slowed.
    pub fn was_slowed(&self) -> bool {
        self.shared.slowed.load(Ordering::Relaxed)
    }

    /// No space is left.
    pub fn fill(&self) {
        self.ram.fail_writes();
    }

    /// From now on every sync fails.
    pub fn fail_syncs(&self) {
        self.ram.fail_syncs();
    }

    /// Whether the store on it stopped.
    pub fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Flips a bit of a random row; false if there is none.
    pub fn rot(&self) -> bool {
        let mut rows = Vec::new();
        let scanned = self.ram.scan(Space::Rows, &[], &[0xff; 64], &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            std::ops::ControlFlow::Continue(())
        });
        if scanned.is_err() || rows.is_empty() {
            return false;
        }
        let (key, mut value) = rows.swap_remove(self.dice.below(rows.len()));
        let at = self.dice.below(value.len());
        value[at] ^= 1 << self.dice.below(8);
        let mut batch = Batch::default();
        batch.put(Space::Rows, key, value);
        self.ram.tamper(&batch);
        true
    }

    /// Opens the store; its syncs run as a task of their own.
    pub fn open(&self) -> Result<Arc<Storage<Self>>, StoreError> {
        let shared = Arc::clone(&self.shared);
        let on_fatal = Fatal::new(move |_| shared.failed.store(true, Ordering::Relaxed));
        let options = Options { syncing: Syncing::Manual, on_fatal, ..Options::default() };
        let storage = Storage::on(self.clone(), options)?;
        tokio::spawn(self.clone().sync_when_written(Arc::downgrade(&storage)));
        Ok(storage)
    }

    async fn sync_when_written(self, storage: Weak<Storage<Self>>) {
        loop {
            self.shared.written.notified().await;
            sleep(self.dice.between_us(SYNC_US.0, SYNC_US.1)).await;
            let slow_ms = self.shared.slow_ms.load(Ordering::Relaxed);
            if slow_ms > 0 {
                self.shared.slowed.store(true, Ordering::Relaxed);
                sleep(self.dice.between_ms(slow_ms / 2, slow_ms)).await;
            }
            match storage.upgrade() {
                Some(storage) => storage.sync_now(),
                None => return,
            }
        }
    }

    fn unsynced(&self) -> MutexGuard<'_, Vec<Batch>> {
        self.shared.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Planted: the rows that say what was decided about a key never reach the disk.
fn without_objects(batch: &Batch) -> Batch {
    let mut left = Batch::default();
    for op in batch.ops() {
        match op {
            Op::Put(Space::Rows, key, _) if key.get(TABLE_AT) == Some(&OBJECTS) => {}
            Op::Put(space, key, value) => left.put(*space, key.clone(), value.clone()),
            Op::Delete(space, key) => left.delete(*space, key.clone()),
            Op::DeleteRange(space, from, to) => left.delete_range(*space, from.clone(), to.clone()),
        }
    }
    left
}

impl Disk for SimDisk {
    const THREADS: bool = false;

    fn write(&self, batch: &Batch) -> Result<(), DiskError> {
        match self.bug {
            Some(Bug::LostOverride) => self.ram.write(&without_objects(batch))?,
            Some(Bug::ApplyBeforeLog) => {
                self.ram.write(batch)?;
                self.unsynced().push(batch.clone());
            }
            _ => self.ram.write(batch)?,
        }
        self.shared.written.notify_one();
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        if self.bug == Some(Bug::AckBeforeSync) {
            return Ok(());
        }
        self.ram.sync()?;
        self.unsynced().clear();
        Ok(())
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        self.ram.get(space, key)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), DiskError> {
        self.ram.scan(space, from, to, visit)
    }

    fn last(&self, space: Space) -> Result<Option<Pair>, DiskError> {
        self.ram.last(space)
    }

    fn shelf(&self) -> &Shelf {
        self.ram.shelf()
    }
}
