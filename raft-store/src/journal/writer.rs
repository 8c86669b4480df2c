//! Writing the journal: a queue, one thread, one sync for whatever arrived during the last one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use model::id::{ClusterId, NodeId};
use model::sealer::Sealer;

use super::reader::Reader;
use super::segment::{self, HEAD_BYTES, Head, Owner};
use super::{Finding, HASH_LEN, Record};
use crate::codec::BadBytes;
use crate::identity::Identity;
use crate::storage::Fatal;

/// Records that may wait for the thread: `apply` waits beyond, as it would for the disk itself.
const QUEUE_RECORDS: usize = 4_096;
/// How long records are gathered before they are written. Nobody waits for them, and the log's own syncs
/// share the disk with at most twenty of the journal's a second.
const GATHER: Duration = Duration::from_millis(50);

/// Bounds of a journal; the default is a real node's.
#[derive(Clone)]
pub struct Options {
    /// A segment is closed when it holds this many bytes.
    pub segment_bytes: u64,
    /// All segments together; the oldest goes first, the open one never.
    pub total_bytes: u64,
    /// What happens when a write or sync fails.
    pub on_fatal: Fatal,
}

impl Default for Options {
    /// 16 MiB a segment, 1 GiB in all: some two million writes, weeks of a busy cluster. A journal must
    /// reach back to the last backup.
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, total_bytes: 1 << 30, on_fatal: Fatal::default() }
    }
}

/// Why a journal does not open.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system said no.
    #[error("the journal {}: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// It holds another node's records, or another lineage's.
    #[error(
        "the journal {} belongs to node {node} of cluster {cluster}: move it away and keep it, this node \
         begins its own",
        path.display()
    )]
    Other {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        node: NodeId,
        /// Of which lineage.
        cluster: ClusterId,
    },
    /// A segment does not read from its beginning.
    #[error("the journal is damaged: {0}; move its folder away and keep it, this node begins a new one")]
    Damaged(#[source] Finding),
}

/// How far a journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Index of the oldest entry kept.
    pub first: u64,
    /// Index of the entry it waits for: everything kept before it is durable. 0 while nothing is kept.
    pub next: u64,
    /// Bytes of all segments.
    pub bytes: u64,
}

/// The journal of a running node; the thread ends with it.
pub struct Journal {
    queue: Option<SyncSender<Record>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    first: AtomicU64,
    next: AtomicU64,
    bytes: AtomicU64,
}

impl Journal {
    /// Opens the journal in a folder, or begins one. What a crash left of its last write is cut off; the
    /// log still has those entries.
    ///
    /// # Errors
    /// [`JournalError`]: the folder is another's, or does not read.
    pub fn open(
        dir: &Path,
        identity: &Identity,
        sealer: Arc<dyn Sealer>,
        options: Options,
    ) -> Result<Self, JournalError> {
        let shared = Arc::new(Shared::default());
        let owner = Owner { realm: identity.realm, cluster: identity.cluster, node: identity.node };
        let writer = Writer::open(dir, owner, sealer, options, Arc::clone(&shared))?;
        let (queue, records) = sync_channel(QUEUE_RECORDS);
        let run = move || writer.run(&records);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(run);
        let thread = thread.map_err(|source| JournalError::Io { path: dir.to_owned(), source })?;
        Ok(Self { queue: Some(queue), thread: Mutex::new(Some(thread)), shared })
    }

    /// Hands an applied entry over. Entries come in order; one that is there already is passed over.
    pub fn record(&self, record: Record) {
        // The thread ends early only after a failure, which stops the node.
        if let Some(queue) = &self.queue {
            let _ = queue.send(record);
        }
    }

    /// How far it is.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            first: self.shared.first.load(Ordering::Acquire),
            next: self.shared.next.load(Ordering::Acquire),
            bytes: self.shared.bytes.load(Ordering::Acquire),
        }
    }
}

impl Drop for Journal {
    /// Everything handed over before is durable when this returns.
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's thread panicked");
        }
    }
}

/// A write that did not work.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the journal cannot be written: {0}")]
    Io(#[from] io::Error),
    #[error("an entry cannot be written to the journal: {0}")]
    Unencodable(#[from] BadBytes),
}

struct Writer {
    dir: PathBuf,
    owner: Owner,
    sealer: Arc<dyn Sealer>,
    options: Options,
    shared: Arc<Shared>,
    /// Closed segments and the open one: first index and bytes.
    segments: Vec<(u64, u64)>,
    file: Option<File>,
    /// Index of the last record and the link after it.
    last: Option<(u64, [u8; HASH_LEN])>,
}

impl Writer {
    fn open(
        dir: &Path,
        owner: Owner,
        sealer: Arc<dyn Sealer>,
        options: Options,
        shared: Arc<Shared>,
    ) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let mut segments = segment::list(dir).map_err(io)?;
        if let Some((first, _)) = segments.pop_if(|(_, bytes)| *bytes < HEAD_BYTES as u64) {
            // It was being made when the process ended.
            fs::remove_file(segment::path(dir, first)).map_err(io)?;
        }
        let mut writer =
            Self { dir: dir.to_owned(), owner, sealer, options, shared, segments, file: None, last: None };
        writer.resume()?;
        writer.tell();
        Ok(writer)
    }

    /// Reads the last segment and goes on behind its last whole record.
    fn resume(&mut self) -> Result<(), JournalError> {
        let Some((first, bytes)) = self.segments.last().copied() else { return Ok(()) };
        let mut reader = Reader::open(&self.dir, &*self.sealer).map_err(JournalError::Damaged)?.only_last();
        let bad = loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(finding) => break Some(finding),
            }
        };
        let (Some(owner), Some((_, end))) = (reader.owner, reader.position()) else {
            let io = |source| JournalError::Io { path: self.dir.clone(), source };
            return Err(bad.map_or_else(|| io(io::ErrorKind::InvalidData.into()), JournalError::Damaged));
        };
        if owner != self.owner {
            let Owner { cluster, node, .. } = owner;
            return Err(JournalError::Other { path: self.dir.clone(), node, cluster });
        }
        if let Some(finding) = bad {
            tracing::warn!(%finding, "the journal's last write was interrupted: it is made again from the log");
        }
        self.last = reader.last;
        let path = segment::path(&self.dir, first);
        let cut = || -> io::Result<File> {
            let file = OpenOptions::new().append(true).open(&path)?;
            if end < bytes {
                file.set_len(end)?;
                file.sync_all()?;
            }
            Ok(file)
        };
        self.file = Some(cut().map_err(|source| JournalError::Io { path: path.clone(), source })?);
        self.segments.pop();
        self.segments.push((first, end));
        Ok(())
    }

    fn run(mut self, records: &Receiver<Record>) {
        while let Ok(first) = records.recv() {
            std::thread::sleep(GATHER);
            let batch = std::iter::once(first).chain(records.try_iter().take(QUEUE_RECORDS));
            if let Err(error) = self.commit(batch) {
                self.options.on_fatal.stop(&error.to_string());
                return;
            }
            self.tell();
        }
    }

    fn commit(&mut self, batch: impl Iterator<Item = Record>) -> Result<(), Failed> {
        let mut out = Vec::new();
        for record in batch {
            let index = record.id.index;
            let expected = self.last.map(|(last, _)| last.wrapping_add(1));
            if expected.is_some_and(|expected| index < expected) {
                continue;
            }
            let full = self
                .segments
                .last()
                .is_some_and(|(_, bytes)| bytes + out.len() as u64 >= self.options.segment_bytes);
            if expected != Some(index) || full || self.file.is_none() {
                self.flush(&mut out)?;
                self.begin(index, expected == Some(index))?;
            }
            let before = self.last.expect("a segment was begun").1;
            self.last = Some((index, segment::write(&*self.sealer, &before, &record, &mut out)?));
        }
        self.flush(&mut out)
    }

    /// Writes and syncs what was gathered.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Failed> {
        if let (Some(file), false) = (&mut self.file, out.is_empty()) {
            file.write_all(out)?;
            file.sync_data()?;
            if let Some((_, bytes)) = self.segments.last_mut() {
                *bytes += out.len() as u64;
            }
            out.clear();
        }
        Ok(())
    }

    /// Begins a segment; it continues the one before, or a stretch begins.
    fn begin(&mut self, first: u64, continues: bool) -> Result<(), Failed> {
        let anew = Head::anew(&*self.sealer, self.owner, first);
        let head = match self.last {
            Some((_, previous)) if continues => Head { anew: false, previous, ..anew },
            _ => anew,
        };
        let path = segment::path(&self.dir, first);
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&head.encode())?;
        file.sync_all()?;
        segment::sync_dir(&self.dir)?;
        self.file = Some(file);
        self.segments.push((first, HEAD_BYTES as u64));
        self.last = Some((first.wrapping_sub(1), head.previous));
        self.forget()
    }

    /// Removes the oldest segments beyond the bound.
    fn forget(&mut self) -> Result<(), Failed> {
        let mut total: u64 = self.segments.iter().map(|(_, bytes)| bytes).sum();
        while total > self.options.total_bytes && self.segments.len() > 1 {
            let (first, bytes) = self.segments.remove(0);
            fs::remove_file(segment::path(&self.dir, first))?;
            total -= bytes;
        }
        Ok(())
    }

    fn tell(&self) {
        let first = self.segments.first().map_or(0, |(first, _)| *first);
        self.shared.first.store(first, Ordering::Release);
        self.shared.bytes.store(self.segments.iter().map(|(_, bytes)| bytes).sum(), Ordering::Release);
        self.shared.next.store(self.last.map_or(0, |(last, _)| last.wrapping_add(1)), Ordering::Release);
    }
}
