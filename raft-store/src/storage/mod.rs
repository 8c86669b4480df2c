//! Everything durable: the log, the vote, the marks, and the rows of the state, behind one queue.
//!
//! Never acknowledges after a failed write or sync: the process stops. Never holds a key: what passes here is
//! sealed. Invariants after any crash (CONSISTENCY 8): purged ≤ applied ≤ last log entry, and everything
//! acknowledged is there.

pub mod disk;
mod fifo;
mod log;
pub mod ram;
pub mod rocks;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

pub use fifo::Syncing;
pub use log::LogStore;
pub use ram::RamDisk;
pub use rocks::RocksDisk;

use crate::codec::{BadBytes, records};
use crate::snapshot::{BadSnapshot, SnapshotWriter};
use crate::types::{BadCommand, EntryId, Vote};
use disk::{Batch, Disk, DiskError, Space};
use fifo::{Done, Fifo};

const VOTE: &str = "raft/vote";
const COMMITTED: &str = "raft/committed";
const PURGED: &str = "raft/purged";
const SHOWN: &str = "raft/shown";
/// Records of the owner (identity, marks of peers) live under this prefix, away from ours.
const OWNER: &str = "own/";

/// How a store behaves; the default is a real node's.
#[derive(Clone, Default)]
pub struct Options {
    /// Who syncs.
    pub syncing: Syncing,
    /// What happens when the disk fails or the log cannot be understood.
    pub on_fatal: Fatal,
    /// Called after each sync, before anyone is told of it: for tests that copy the files there.
    pub after_sync: Option<Hook>,
}

/// A function called at a named point.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn() + Send + Sync>);

impl Hook {
    /// Wraps the function.
    pub fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    pub(crate) fn call(&self) {
        (self.0)();
    }
}

/// Ends the process: whatever cannot be persisted or understood is never answered.
#[derive(Clone)]
pub struct Fatal(Arc<dyn Fn(&str) + Send + Sync>);

impl Fatal {
    /// Calls `handler` instead of aborting. It may return only in tests; the store refuses all work after.
    pub fn new(handler: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(handler))
    }

    pub(crate) fn stop(&self, why: &str) {
        tracing::error!(why, "the node must stop");
        (self.0)(why);
    }
}

impl Default for Fatal {
    fn default() -> Self {
        Self::new(|_| std::process::abort())
    }
}

/// What a sync has confirmed: carried in the peer handshake to find rewound disks (CONSISTENCY 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DurableMark {
    /// The vote.
    pub vote: Option<Vote>,
    /// The highest entry that was ever last in the log.
    pub last: Option<EntryId>,
}

/// What the log and its marks are now, in memory.
#[derive(Clone, Copy, Debug, Default)]
struct View {
    vote: Option<Vote>,
    purged: Option<EntryId>,
    last: Option<EntryId>,
    /// The highest entry that was ever last in this log before it was cut shorter; none if it never was.
    shown: Option<EntryId>,
    committed: Option<EntryId>,
}

impl View {
    /// What the disk has once everything submitted is written. It never becomes less: a tail that gave way to
    /// older entries, or to nothing, counts on.
    fn mark(&self) -> DurableMark {
        DurableMark { vote: self.vote, last: self.shown.max(self.last) }
    }
}

/// The durable half of a node.
pub struct Storage<D: Disk> {
    fifo: Fifo<D>,
    view: Mutex<View>,
    durable: Arc<Mutex<DurableMark>>,
    staged: Mutex<BTreeMap<String, Vec<u8>>>,
    fatal: Fatal,
}

impl Storage<RocksDisk> {
    /// Opens or creates the store in a directory.
    ///
    /// # Errors
    /// [`StoreError`] if RocksDB refuses what lies there, or a record of ours does not read.
    pub fn open(dir: &Path, options: Options) -> Result<Arc<Self>, StoreError> {
        Self::on(RocksDisk::open(dir)?, options)
    }
}

impl Storage<RamDisk> {
    /// Opens the store on a disk in memory; whoever waits for a sync gets it at once.
    ///
    /// # Errors
    /// [`StoreError`] if a record does not read.
    pub fn open_ram(disk: RamDisk, mut options: Options) -> Result<Arc<Self>, StoreError> {
        if options.syncing == Syncing::Thread {
            options.syncing = Syncing::Inline;
        }
        Self::on(disk, options)
    }
}

impl<D: Disk> Storage<D> {
    /// Opens the store on any disk.
    ///
    /// # Errors
    /// [`StoreError`] if a record does not read.
    pub fn on(disk: D, options: Options) -> Result<Arc<Self>, StoreError> {
        let view = read_view(&disk)?;
        let durable = view.mark();
        let fatal = options.on_fatal;
        let fifo = Fifo::new(disk, options.syncing, fatal.clone(), options.after_sync)?;
        Ok(Arc::new(Self {
            fifo,
            view: Mutex::new(view),
            durable: Arc::new(Mutex::new(durable)),
            staged: Mutex::default(),
            fatal,
        }))
    }

    /// The log as openraft wants it.
    #[must_use]
    pub fn log_store(self: &Arc<Self>) -> LogStore<D> {
        LogStore::new(Arc::clone(self))
    }

    /// What a sync has confirmed. Before the first one: what was found at open.
    #[must_use]
    pub fn durable_mark(&self) -> DurableMark {
        *lock(&self.durable)
    }

    /// Index of the last entry known to be committed.
    pub(crate) fn committed(&self) -> Option<u64> {
        self.view().committed.map(|id| id.index)
    }

    /// Adds the marks of a log that begins after `last`, the vote of whose leader stands.
    pub(crate) fn put_beginning(&self, batch: &mut Batch, last: EntryId) -> Result<(), StoreError> {
        let vote = Vote { leader_id: last.leader_id, committed: true };
        batch.put(Space::Meta, VOTE, records::encode_vote(&vote)?);
        batch.put(Space::Meta, PURGED, records::encode_id(last)?);
        batch.put(Space::Meta, COMMITTED, records::encode_id(last)?);
        Ok(())
    }

    /// Index of the last entry that was cut from the beginning of the log.
    pub(crate) fn purged(&self) -> Option<u64> {
        self.view().purged.map(|id| id.index)
    }

    /// Reads a record of the owner.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = lock(&self.staged).get(name) {
            return Ok(Some(value.clone()));
        }
        Ok(self.disk().get(Space::Meta, format!("{OWNER}{name}").as_bytes())?)
    }

    /// Writes a record of the owner, durably.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails; the process is stopping then.
    pub async fn put_meta(&self, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
        self.stage_meta(name, value);
        self.write_durably(Batch::default()).await
    }

    /// Writes a record of the owner together with whatever is written next.
    pub fn stage_meta(&self, name: &str, value: Vec<u8>) {
        lock(&self.staged).insert(name.to_owned(), value);
    }

    /// Begins to receive a snapshot from a peer.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn receive_snapshot(&self) -> std::io::Result<SnapshotWriter> {
        self.disk().shelf().create()
    }

    /// Syncs now, for whoever runs the store with [`Syncing::Manual`].
    pub fn sync_now(&self) {
        self.fifo.sync_now();
    }

    /// How many wait for a sync.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.fifo.waiting()
    }

    /// The disk below.
    pub fn disk(&self) -> &D {
        self.fifo.disk()
    }

    /// Stops the process; tests watch instead.
    pub(crate) fn stop(&self, why: &str) {
        self.fatal.stop(why);
    }

    /// Writes at once and does not wait for a sync.
    pub(crate) fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.submit(batch, |_| {}, None)
    }

    /// Writes and returns once it is durable.
    pub(crate) async fn write_durably(&self, batch: Batch) -> Result<(), StoreError> {
        self.submit_durably(batch, |_| {}).await
    }

    /// Adds the committed mark to a batch: it travels with what was applied.
    pub(crate) fn put_committed(&self, batch: &mut Batch, applied: EntryId) -> Result<(), StoreError> {
        let committed = self.view().committed.max(Some(applied)).unwrap_or(applied);
        batch.put(Space::Meta, COMMITTED, records::encode_id(committed)?);
        Ok(())
    }

    fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    /// Submits a batch with whatever the owner staged; `update` changes the view at the same place in the
    /// order, and the durable mark follows the view once the sync is done.
    fn submit(
        &self,
        mut batch: Batch,
        update: impl FnOnce(&mut View),
        done: Option<Done>,
    ) -> Result<(), StoreError> {
        let mut staged = lock(&self.staged);
        for (name, value) in std::mem::take(&mut *staged) {
            batch.put(Space::Meta, format!("{OWNER}{name}"), value);
        }
        let written = Arc::new(Mutex::new(DurableMark::default()));
        let done = done.map(|done| self.marking(Arc::clone(&written), done));
        let apply = || {
            let mut view = self.view();
            update(&mut view);
            *lock(&written) = view.mark();
        };
        // The staged records stay locked until they are readable on the disk.
        self.fifo.submit(&batch, apply, done)
    }

    /// Advances the durable mark before the callback runs: nobody is told sooner than peers could be.
    fn marking(&self, written: Arc<Mutex<DurableMark>>, done: Done) -> Done {
        let durable = Arc::clone(&self.durable);
        Box::new(move |result| {
            if result.is_ok() {
                *lock(&durable) = *lock(&written);
            }
            done(result);
        })
    }

    async fn submit_durably(&self, batch: Batch, update: impl FnOnce(&mut View)) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        let done: Done = Box::new(move |result| {
            // The waiter may have been cancelled; the batch is durable all the same.
            let _ = sender.send(result);
        });
        self.submit(batch, update, Some(done))?;
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn read_view<D: Disk>(disk: &D) -> Result<View, StoreError> {
    let meta = |name: &str| disk.get(Space::Meta, name.as_bytes());
    let bad = |what| move |source| StoreError::Record { what, source };
    let vote = meta(VOTE)?.map(|bytes| records::decode_vote(&bytes)).transpose().map_err(bad("vote"))?;
    let id = |name| -> Result<Option<EntryId>, StoreError> {
        meta(name)?.map(|bytes| records::decode_id(&bytes)).transpose().map_err(bad(name))
    };
    let (purged, shown, committed) = (id(PURGED)?, id(SHOWN)?, id(COMMITTED)?);
    let last = match disk.last(Space::Log)? {
        Some((_, bytes)) => Some(records::decode_entry(&bytes).map_err(bad("last log entry"))?.log_id),
        None => purged,
    };
    Ok(View { vote, purged, last, shown, committed })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // These locks guard plain values that are replaced whole: a panic elsewhere leaves them valid.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why the store refuses or stops.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed just now.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The disk failed before; nothing is accepted any more.
    #[error("the store has stopped; first {cause}")]
    Stopped {
        /// The first failure.
        cause: DiskError,
    },
    /// The store was closed while someone waited.
    #[error("the store was closed")]
    Closed,
    /// A record on the disk does not read.
    #[error("the {what} on disk does not read; wipe this node and join it as a new one")]
    Record {
        /// Which one.
        what: &'static str,
        /// Why.
        source: BadBytes,
    },
    /// A record cannot be written.
    #[error("a record cannot be encoded")]
    Unencodable(#[from] BadBytes),
    /// The log misses an entry it should hold.
    #[error("the log misses entry {index}; wipe this node and join it as a new one")]
    Hole {
        /// The first missing index.
        index: u64,
    },
    /// A committed command cannot be understood.
    #[error("log entry {index} cannot be applied")]
    Command {
        /// Where in the log.
        index: u64,
        /// Why.
        #[source]
        source: Arc<BadCommand>,
    },
    /// The cluster uses a format version that this binary does not know.
    #[error("the cluster's format version is {active}, this binary knows up to {known}: use a newer binary")]
    Format {
        /// The replicated version.
        active: u32,
        /// The highest this binary knows.
        known: u32,
    },
    /// A row does not open, does not decode, or lies in another's place.
    #[error(
        "a row of table {table} is not what was written there: {why}; wipe this node and join it as a new one"
    )]
    Row {
        /// The table's number.
        table: u8,
        /// What is wrong.
        why: String,
    },
    /// Rows are missing, added or replaced: the set of rows is not the one that was written.
    #[error(
        "table {table} holds {found} rows where {expected} with another digest were written; wipe this node and join it as a new one"
    )]
    Integrity {
        /// The table's number.
        table: u8,
        /// Rows written.
        expected: u64,
        /// Rows found.
        found: u64,
    },
    /// Rows, sums and applied mark are not of one moment.
    #[error("the digest of the state does not match: {why}; wipe this node and join it as a new one")]
    Digest {
        /// What is wrong.
        why: String,
    },
    /// The rows do not make a state.
    #[error("the rows on disk do not make a state: {why}")]
    State {
        /// What is wrong.
        why: String,
    },
    /// A snapshot is refused.
    #[error("the snapshot is refused")]
    Snapshot(#[source] Arc<BadSnapshot>),
}

impl From<BadSnapshot> for StoreError {
    fn from(bad: BadSnapshot) -> Self {
        Self::Snapshot(Arc::new(bad))
    }
}

impl From<StoreError> for std::io::Error {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}
