//! The audit thread: drain, write, sync once, wake.
//!
//! The batch is whatever arrived during the last sync; under load it waits a moment for more. After one error it
//! only refuses.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::batch::Batch;
use crate::checkpoint::Published;
use crate::disk::Disk;
use crate::herald::{Answer, Herald};
use crate::ledger::{Chain, Ledger};
use crate::log::{AuditError, Durable, Identity, Shared};
use crate::segment::{self, Summary};

/// Requests in one group commit: at 10,000/s and a slow sync of 50 ms there are 500; beyond 4,096 the
/// wait for the sync no longer shrinks per request.
const JOBS_PER_COMMIT_MAX: usize = 4096;

/// A commit of so many requests shows load: then the next one lingers. Eight connections alone never do.
const LINGER_FROM_JOBS: usize = 16;
/// How long it lingers at most: 64 connections of a busy client are back within it, and a request that comes
/// alone waits no longer than for a few syncs.
const LINGER_MAX: Duration = Duration::from_micros(800);
/// Of so many commits one lingers to the end, and learns how many could share one: two halves that take turns
/// would else stay two.
const LINGERS_PER_LOOK: u32 = 64;

/// What the thread is asked to do.
pub(crate) enum Job {
    /// Make these entries durable.
    Append(Batch, Answer),
    /// Stop after everything asked before.
    Close(oneshot::Sender<()>),
}

/// Owns the open segment and the ledger.
pub(crate) struct Writer<D> {
    disk: D,
    identity: Identity,
    ledger: Ledger,
    segment_bytes_max: u64,
    /// Bytes of records in the current segment; `None` before the first. The summary does not count: with
    /// very many chains it alone could fill a segment.
    record_bytes: Option<u64>,
    buffer: Vec<u8>,
    touched: Vec<Chain>,
}

impl<D: Disk> Writer<D> {
    pub(crate) fn new(
        disk: D,
        identity: Identity,
        ledger: Ledger,
        segment_bytes_max: u64,
        record_bytes: Option<u64>,
    ) -> Self {
        let (buffer, touched) = (Vec::new(), Vec::new());
        Self { disk, identity, ledger, segment_bytes_max, record_bytes, buffer, touched }
    }

    /// Makes batches durable, in order, with one sync. Returns each batch's sequences.
    pub(crate) fn commit<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a Batch>,
        shared: &Shared,
    ) -> io::Result<Vec<Durable>> {
        let began = Instant::now();
        self.rotate_if_full(shared)?;
        let first = self.ledger.next_sequence();
        let durables = batches.map(|batch| self.seal(batch, first)).collect();
        self.disk.append(&self.buffer)?;
        self.disk.sync()?;
        self.publish(shared, self.ledger.next_sequence() - first, began.elapsed());
        Ok(durables)
    }

    fn rotate_if_full(&mut self, shared: &Shared) -> io::Result<()> {
        if self.record_bytes.is_some_and(|bytes| bytes < self.segment_bytes_max) {
            return Ok(());
        }
        let summary = Summary::new(&self.identity, self.ledger.clone()).encode();
        self.disk.begin(&segment::name(self.ledger.next_sequence()), &summary)?;
        self.record_bytes = Some(0);
        shared.metrics.segments.fetch_add(1, Relaxed);
        Ok(())
    }

    fn seal(&mut self, batch: &Batch, batch_first: u64) -> Durable {
        let first = self.ledger.next_sequence();
        for (chain, body) in batch.bodies() {
            self.ledger.seal(chain, body, batch_first, &self.identity, &mut self.buffer);
            self.touched.push(chain);
        }
        Durable { first, last: self.ledger.next_sequence() - 1 }
    }

    /// Tells others what is durable now.
    fn publish(&mut self, shared: &Shared, records: u64, took: Duration) {
        let bytes = self.buffer.len() as u64;
        self.record_bytes = self.record_bytes.map(|before| before + bytes);
        shared.metrics.count_commit(records, bytes, took);
        Published::lock(&shared.published).advance(&self.ledger, self.touched.drain(..));
        self.buffer.clear();
    }
}

/// The life of the audit thread: until it is closed, or no handle is left.
pub(crate) fn run<D: Disk>(
    mut writer: Writer<D>,
    mut queue: mpsc::Receiver<Job>,
    herald: &Herald,
    shared: Arc<Shared>,
) {
    let _alarm = Alarm(shared.clone());
    let mut company = Company::default();
    let mut jobs = Vec::with_capacity(JOBS_PER_COMMIT_MAX);
    while gather(&mut queue, &mut jobs, &mut company, &shared) {
        shared.metrics.queue_depth.store(queue.len() as u64, Relaxed);
        let (appends, closers) = sort(&mut jobs);
        serve(&mut writer, appends, herald, &shared);
        shared.metrics.cpu_us.store(thread_cpu_us(), Relaxed);
        if !closers.is_empty() {
            end(writer, &shared);
            return close(queue, closers);
        }
    }
    end(writer, &shared);
}

/// Leaves a log whose last segment ends with its last record. A failed one is left as it is, for the next
/// start to judge; so is one that cannot be cut, which is lawful too.
fn end<D: Disk>(mut writer: Writer<D>, shared: &Shared) {
    if shared.failure.get().is_none()
        && let Err(error) = writer.disk.end()
    {
        tracing::warn!(%error, "the audit log's last segment keeps the space it did not use");
    }
}

/// How many requests share a commit under the load there is.
#[derive(Debug, Default)]
struct Company {
    /// As many as came in time.
    most: usize,
    /// Commits that lingered since one did to the end.
    lingers: u32,
}

impl Company {
    /// How many to wait for; `None` without load.
    fn wanted(&mut self) -> Option<usize> {
        if self.most < LINGER_FROM_JOBS {
            return None;
        }
        self.lingers = (self.lingers + 1) % LINGERS_PER_LOOK;
        Some(if self.lingers == 0 { JOBS_PER_COMMIT_MAX } else { self.most })
    }

    /// So many came for a commit that waited for `wanted`.
    fn came(&mut self, jobs: usize, wanted: Option<usize>) {
        let in_time = wanted.is_some_and(|wanted| jobs >= wanted);
        self.most = if in_time { self.most.max(jobs) } else { jobs };
    }
}

/// Waits for the jobs of the next commit; `false` once there are no more. Under load it waits a little until as
/// many are there as could be: fewer syncs and wake-ups cost less for everybody, and a lone request never waits.
fn gather(
    queue: &mut mpsc::Receiver<Job>,
    jobs: &mut Vec<Job>,
    company: &mut Company,
    shared: &Shared,
) -> bool {
    let wanted = company.wanted();
    let muster = |queue: &mpsc::Receiver<Job>, there: usize| {
        if let Some(wanted) = wanted {
            shared.muster.wait(wanted.saturating_sub(there), LINGER_MAX, || queue.len());
        }
    };
    // Those who were answered a moment ago are on their way: whoever waits for all of them at once is woken once.
    muster(queue, 0);
    let none_came = queue.is_empty();
    if queue.blocking_recv_many(jobs, JOBS_PER_COMMIT_MAX) == 0 {
        return false;
    }
    if none_came {
        muster(queue, jobs.len());
        while jobs.len() < JOBS_PER_COMMIT_MAX
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
    }
    company.came(jobs.len(), wanted);
    true
}

/// A request's entries and where its answer goes.
type Append = (Batch, Answer);

fn sort(jobs: &mut Vec<Job>) -> (Vec<Append>, Vec<oneshot::Sender<()>>) {
    let (mut appends, mut closers) = (Vec::with_capacity(jobs.len()), Vec::new());
    for job in jobs.drain(..) {
        match job {
            Job::Append(batch, answer) => appends.push((batch, answer)),
            Job::Close(answer) => closers.push(answer),
        }
    }
    (appends, closers)
}

/// Commits the appends, or refuses them.
fn serve<D: Disk>(writer: &mut Writer<D>, appends: Vec<Append>, herald: &Herald, shared: &Shared) {
    if appends.is_empty() {
        return;
    }
    if shared.failure.get().is_none() {
        match writer.commit(appends.iter().map(|(batch, _)| batch), shared) {
            Ok(durables) => {
                let (batches, answers): (Vec<_>, Vec<_>) = appends.into_iter().unzip();
                herald.deliver(answers.into_iter().zip(durables).collect());
                return shared.spares.give(batches);
            }
            Err(error) => shared.fail(&format!("the audit log could not be written: {error}")),
        }
    }
    for (_, answer) in appends {
        let _ = answer.send(Err(shared.refusal()));
    }
}

/// Refuses what is still queued, then reports.
fn close(mut queue: mpsc::Receiver<Job>, closers: Vec<oneshot::Sender<()>>) {
    queue.close();
    let mut closers = closers;
    while let Some(job) = queue.blocking_recv() {
        match job {
            Job::Append(_, answer) => drop(answer.send(Err(AuditError::Closed))),
            Job::Close(answer) => closers.push(answer),
        }
    }
    for answer in closers {
        let _ = answer.send(());
    }
}

/// Marks the log as failed should its thread panic.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the audit thread panicked");
        }
    }
}

fn thread_cpu_us() -> u64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let us = spent.tv_sec.saturating_mul(1_000_000).saturating_add(spent.tv_nsec / 1000);
    u64::try_from(us).unwrap_or(0)
}
