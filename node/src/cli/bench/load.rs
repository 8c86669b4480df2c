//! The load itself: a few threads, each with its share of the connections, in a closed loop.
//!
//! Cheap on purpose, for it runs beside what it measures: bytes are prepared, buffers reused, results go
//! into one histogram per thread without a lock.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Barrier, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use client::{Connection, Connector};
use hdrhistogram::Histogram;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::cpu;
use super::request::{self, Prepared};

/// Left out at the beginning of a slice: caches fill, windows open.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long requests may still run when a slice is over, before they count as failed.
const GRACE: Duration = Duration::from_secs(2);
/// Pause before a broken connection is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(50);
/// Longest latency told apart, in microseconds; nothing outlives a slice by more than its grace.
const LATENCY_MAX_US: u64 = 700 * 1_000_000;

/// Who takes the load.
pub struct Target {
    /// In the table.
    pub name: &'static str,
    /// Its nodes.
    pub connectors: Vec<Connector>,
    /// Their processes.
    pub pids: Vec<u32>,
    /// What is sent.
    pub request: Option<Prepared>,
    /// Whether answers are KMIP, to be checked; the echo's are not.
    pub answers: bool,
}

/// One go at one target.
pub struct Slice {
    /// Connections at once.
    pub connections: usize,
    /// Threads to share them.
    pub threads: usize,
    /// Time measured, after the warm-up.
    pub measured: Duration,
}

/// What was measured.
pub struct Tally {
    /// Latencies in microseconds, one for each request that succeeded.
    pub latencies_us: Histogram<u64>,
    /// Requests that failed.
    pub errors: u64,
    /// Why the first of them did.
    pub first_error: Option<String>,
    /// Time measured.
    pub measured: Duration,
    /// CPU time of the target's processes meanwhile.
    pub cpu: Option<Duration>,
    in_flight: u64,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        let latencies_us = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("these bounds are valid");
        Self { latencies_us, errors: 0, first_error: None, measured: Duration::ZERO, cpu: None, in_flight: 0 }
    }

    /// Adds what another slice, or another thread of this slice, measured.
    pub fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latencies_us.add(&other.latencies_us).context("two histograms differ in their bounds")?;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or_else(|| other.first_error.clone());
        self.measured += other.measured;
        self.cpu = match (self.cpu, other.cpu) {
            (Some(cpu), Some(more)) => Some(cpu + more),
            (one, another) => one.or(another),
        };
        Ok(())
    }

    fn succeed(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies_us.saturating_record(us);
    }

    fn fail(&mut self, error: impl ToString) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }
}

/// From when to when is measured.
#[derive(Clone, Copy)]
struct Window {
    start: Instant,
    end: Instant,
}

/// Where threads wait until every connection is open.
struct Gate {
    barrier: Barrier,
    failed: Mutex<Option<anyhow::Error>>,
    window: OnceLock<Window>,
}

/// Opens the connections, loads the target, counts.
pub fn run(target: &Arc<Target>, slice: &Slice) -> anyhow::Result<Tally> {
    let gate =
        Gate { barrier: Barrier::new(slice.threads + 1), failed: Mutex::new(None), window: OnceLock::new() };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..slice.threads)
            .map(|thread| {
                let share = (thread..slice.connections).step_by(slice.threads);
                let gate = &gate;
                scope.spawn(move || worker(target, share.collect(), gate))
            })
            .collect();
        gate.barrier.wait();
        let start = Instant::now() + WARM_UP;
        let end = start + slice.measured;
        let failed = gate.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if failed.is_none() {
            let _ = gate.window.set(Window { start, end });
        }
        gate.barrier.wait();
        if let Some(error) = failed {
            return Err(error);
        }
        let mut tally = Tally::new();
        tally.cpu = cpu_between(start, end, &target.pids);
        for worker in workers {
            let counted = worker.join().map_err(|_| anyhow::anyhow!("a thread of the load panicked"))??;
            tally.add(&counted)?;
        }
        tally.measured = slice.measured;
        Ok(tally)
    })
}

fn cpu_between(start: Instant, end: Instant, pids: &[u32]) -> Option<Duration> {
    std::thread::sleep(start.saturating_duration_since(Instant::now()));
    let before = cpu::used(pids);
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    cpu::used(pids)?.checked_sub(before?)
}

fn worker(target: &Arc<Target>, share: Vec<usize>, gate: &Gate) -> anyhow::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let opened = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let lines = runtime.block_on(open(target, share))?;
        Ok((runtime, lines))
    });
    let ready = opened.map_err(|error| {
        gate.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    });
    gate.barrier.wait();
    gate.barrier.wait();
    let (Ok((runtime, lines)), Some(window)) = (ready, gate.window.get()) else { return Ok(Tally::new()) };
    let tally = Rc::new(RefCell::new(Tally::new()));
    let all = LocalSet::new();
    for line in lines {
        all.spawn_local(line.drive(*window, Rc::clone(&tally)));
    }
    let _ = runtime.block_on(async { timeout_at(window.end + GRACE, all).await });
    drop(runtime);
    let mut tally =
        Rc::try_unwrap(tally).map_err(|_| anyhow::anyhow!("a request outlived its slice"))?.into_inner();
    for _ in 0..std::mem::take(&mut tally.in_flight) {
        tally.fail(format!("no answer within {} s of the end", GRACE.as_secs()));
    }
    Ok(tally)
}

async fn open(target: &Arc<Target>, share: Vec<usize>) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::with_capacity(share.len());
    for index in share {
        let connector = &target.connectors[index % target.connectors.len()];
        let connection = connector.open().await?;
        let request = target.request.clone().context("a target without a request")?;
        lines.push(Line {
            connector: connector.clone(),
            connection,
            request,
            number: request::first_number()?,
            answers: target.answers,
        });
    }
    Ok(lines)
}

/// One connection in its loop.
struct Line {
    connector: Connector,
    connection: Connection,
    request: Prepared,
    number: u64,
    answers: bool,
}

impl Line {
    async fn drive(mut self, window: Window, tally: Rc<RefCell<Tally>>) {
        loop {
            let begun = Instant::now();
            if begun >= window.end {
                return self.connection.close().await;
            }
            tally.borrow_mut().in_flight += 1;
            self.number = self.number.wrapping_add(1);
            self.request.number(self.number);
            let (outcome, broken) = match self.connection.exchange(&self.request.bytes).await {
                Ok(answer) if self.answers => (request::check(answer), false),
                Ok(_) => (Ok(()), false),
                Err(fault) => (Err(fault.to_string()), true),
            };
            let ended = Instant::now();
            tally.borrow_mut().in_flight -= 1;
            match outcome {
                Ok(()) if begun >= window.start && ended <= window.end => {
                    tally.borrow_mut().succeed(ended - begun);
                }
                Ok(()) => {}
                Err(error) => tally.borrow_mut().fail(error),
            }
            if broken && !self.reopen(window).await {
                return;
            }
        }
    }

    /// Connects again until it succeeds or the slice is over.
    async fn reopen(&mut self, window: Window) -> bool {
        while Instant::now() < window.end {
            sleep(REOPEN_PAUSE).await;
            if let Ok(connection) = self.connector.open().await {
                self.connection = connection;
                return true;
            }
        }
        false
    }
}
