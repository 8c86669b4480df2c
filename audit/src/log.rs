//! The handle that the rest of the node holds.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use model::id::{BootId, ClusterId, NodeId};
use tokio::sync::mpsc::error::{SendTimeoutError, TrySendError};
use tokio::sync::{mpsc, oneshot};

use crate::batch::{Batch, Spares};
use crate::checkpoint::{Checkpoint, Published};
use crate::disk::Disk;
use crate::herald::Herald;
use crate::metrics::Metrics;
use crate::muster::Muster;
use crate::open::{self, OpenError};
use crate::writer::{self, Job, Writer};

/// An open log; cloning it is cheap. The audit thread ends when it is closed or the last clone is gone.
#[derive(Clone)]
pub struct AuditLog {
    queue: mpsc::Sender<Job>,
    append_wait: Duration,
    identity: Identity,
    shared: Arc<Shared>,
}

/// Who writes, from when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's lineage.
    pub cluster: ClusterId,
    /// This node.
    pub node: NodeId,
    /// This process start; higher than every earlier one of this node.
    pub boot: BootId,
    /// Wall clock in milliseconds since the epoch, for the boot record.
    pub now_ms: u64,
}

/// Sizes and waits.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A segment is closed when it holds this many bytes of records. Default 64 MiB: some 220,000 records,
    /// read again in half a second at the next start.
    pub segment_bytes: u64,
    /// Requests that may wait for the audit thread. Default 8,192: 0.8 s of full load.
    pub queue_jobs: usize,
    /// How long a request waits for room in the queue. Default 2 s: a client's patience is 5 s or more.
    pub append_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, queue_jobs: 8192, append_wait: Duration::from_secs(2) }
    }
}

/// Proof that entries are on disk. Only the log makes one: ask for it before key bytes leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Durable {
    /// Sequence of the first entry.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Sequence of the last entry.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }
}

/// Why entries were not acknowledged. In no case may the response carry a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The queue stayed full; nothing was recorded. Try again, here or elsewhere.
    #[error("audit unavailable: the queue stayed full, retry on another node")]
    Busy,
    /// A write or sync failed. This node hands out no key until it is restarted.
    #[error(
        "audit unavailable: {cause}; this node stops handing out keys until it is repaired and restarted"
    )]
    Failed {
        /// What failed.
        cause: Arc<str>,
    },
    /// The log was closed: the node is shutting down.
    #[error("audit unavailable: the log is closed, retry on another node")]
    Closed,
}

/// What the handle and the audit thread share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub metrics: Metrics,
    pub failure: OnceLock<Arc<str>>,
    pub published: Mutex<Published>,
    pub muster: Muster,
    pub spares: Spares,
}

impl Shared {
    /// Records the first failure; there is no way back.
    pub(crate) fn fail(&self, cause: &str) {
        self.failure.get_or_init(|| cause.into());
        self.metrics.failed.store(true, Relaxed);
        tracing::error!(cause, "audit failed: this node stops handing out keys");
    }

    pub(crate) fn refusal(&self) -> AuditError {
        match self.failure.get() {
            Some(cause) => AuditError::Failed { cause: cause.clone() },
            None => AuditError::Closed,
        }
    }
}

impl AuditLog {
    /// Opens the log in a folder, or begins one, and records this boot.
    ///
    /// Reads the last segment; an interrupted last write is cut off and the boot record says so. Blocks
    /// on the disk. The folder is locked against other processes. Within a tokio runtime, a task of it
    /// hands out the answers.
    ///
    /// # Errors
    /// See [`OpenError`]; every other damage refuses to open.
    pub fn open(dir: &Path, identity: Identity, settings: Settings) -> Result<Self, OpenError> {
        Self::open_on(dir, identity, settings, |folder| folder)
    }

    pub(crate) fn open_on<D: Disk>(
        dir: &Path,
        identity: Identity,
        settings: Settings,
        disk: impl FnOnce(crate::disk::Folder) -> D,
    ) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared::default());
        let writer = open::open(dir, identity, &settings, disk, &shared)?;
        let queue = start(writer, settings.queue_jobs, shared.clone())
            .map_err(|source| OpenError::Io { doing: "starting the audit thread", source })?;
        Ok(Self { queue, append_wait: settings.append_wait, identity, shared })
    }

    /// An empty batch, as [`Batch::new`], that need not allocate: for who makes many.
    #[must_use]
    pub fn batch(&self) -> Batch {
        self.shared.spares.take()
    }

    /// Makes entries durable and waits until they are: one wait for all of them, in order, with nothing
    /// between them. Needs a tokio runtime with timers.
    ///
    /// Dropping the future gives up waiting; the entries may be recorded all the same.
    ///
    /// # Errors
    /// See [`AuditError`].
    ///
    /// # Panics
    /// If the batch is empty: there would be nothing to prove.
    pub async fn append(&self, batch: Batch) -> Result<Durable, AuditError> {
        assert!(!batch.is_empty(), "a batch has at least one entry");
        if !self.healthy() {
            return Err(self.shared.refusal());
        }
        let (answer, durable) = oneshot::channel();
        self.enqueue(Job::Append(batch, answer)).await?;
        durable.await.unwrap_or_else(|_| Err(self.shared.refusal()))
    }

    async fn enqueue(&self, job: Job) -> Result<(), AuditError> {
        let job = match self.queue.try_send(job) {
            Ok(()) => {
                self.shared.muster.arrived(|| self.queue_length());
                return Ok(());
            }
            Err(TrySendError::Full(job)) => job,
            Err(TrySendError::Closed(_)) => return Err(self.shared.refusal()),
        };
        match Box::pin(self.queue.send_timeout(job, self.append_wait)).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err(self.shared.refusal()),
            Err(SendTimeoutError::Timeout(_)) => {
                self.shared.metrics.busy.fetch_add(1, Relaxed);
                Err(AuditError::Busy)
            }
        }
    }

    /// Whether this node may hand out keys; false for ever after a failed write or sync.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.shared.failure.get().is_none()
    }

    /// What failed, if the log has failed.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.shared.failure.get().map(|cause| &**cause)
    }

    /// Counters since the log was opened.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// How many requests wait for the audit thread now.
    #[must_use]
    pub fn queue_length(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// How many records are durable; also the last durable sequence.
    #[must_use]
    pub fn size(&self) -> u64 {
        Published::lock(&self.shared.published).size()
    }

    /// States what is durable now, with the heads that changed since the last call; `None` if there was
    /// no record since.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        Published::lock(&self.shared.published).take(&self.identity)
    }

    /// Commits everything appended before, ends the audit thread and frees the folder.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.queue.send(Job::Close(answer)).await.is_ok() {
            // An error means that the thread has already ended: closed all the same.
            let _ = closed.await;
        }
    }
}

fn start<D: Disk>(writer: Writer<D>, jobs: usize, shared: Arc<Shared>) -> std::io::Result<mpsc::Sender<Job>> {
    let (sender, queue) = mpsc::channel(jobs);
    let herald = Herald::start();
    let life = move || writer::run(writer, queue, &herald, shared);
    std::thread::Builder::new().name("audit".into()).spawn(life)?;
    Ok(sender)
}
