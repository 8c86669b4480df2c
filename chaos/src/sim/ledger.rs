//! What the clients of a run know: what was acknowledged, what was seen, what broke.
//!
//! One thread runs everything, so a counter of events orders them as they happened: finer than the clock,
//! which stands still while events happen.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::invariants;
use super::invariants::lineage::HandedOut;
use super::realm::REGISTERS;
use super::trace::Trace;
use crate::linearizable::Operation;
use crate::outcome::Outcome;
use crate::promise::Promise;

/// Time since the run began, simulated.
pub type Time = Duration;
/// A place in the order of events.
pub type Moment = u64;

/// Broken promises written down in full.
const BROKEN_MAX: usize = 20;

/// A key that was given to a client.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Which key.
    pub key: usize,
    /// By which node.
    pub node: usize,
    /// Whether a stranger had asked.
    pub foreign: bool,
    /// Before the request was sent.
    pub begun: Moment,
    /// When it was answered.
    pub ended: Time,
    /// When its lease was captured, and how long such a lease may be used at most.
    pub captured: Time,
    /// See `captured`.
    pub usable: Duration,
    /// Stands for the bytes.
    pub fingerprint: u64,
    /// The audit record it rests on.
    pub record: u64,
}

/// One test of one promise.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which.
    pub promise: Promise,
    /// Or how it was broken.
    pub held: Result<(), String>,
}

/// What is known of one key.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyFacts {
    /// Stands for its bytes, once seen.
    pub fingerprint: Option<u64>,
    /// When its destruction was acknowledged.
    pub destroyed: Option<Moment>,
    /// How the attempt to destroy it ended.
    pub destruction: Option<Outcome>,
}

/// Everything known.
#[derive(Default)]
pub struct Book {
    /// How many there were.
    pub events: Moment,
    /// By index of the key.
    pub keys: Vec<KeyFacts>,
    /// Services (tenant, service) whose suspension is acknowledged and whose resumption is not asked for.
    pub suspended: BTreeMap<(usize, usize), Moment>,
    /// Services registered during the run.
    pub registered: BTreeMap<u32, Outcome>,
    /// Histories of the registers.
    pub registers: [Vec<Operation>; REGISTERS],
    /// Node and record of every answer.
    pub answers: Vec<(usize, u64)>,
    /// Since when a node is cut off from all others.
    pub cut_off: BTreeMap<usize, Time>,
    /// How long a node went on serving at most after it was cut off.
    pub worst_after_cut: Duration,
    /// How often a node that is cut off was asked for a key whose withdrawal was acknowledged.
    pub withdrawn_asked: u64,
    /// What the cluster gave numbers to.
    pub handed_out: HandedOut,
    /// The fault of the moment.
    pub fault: &'static str,
    /// Operations by fault of the moment, name and outcome.
    pub counts: BTreeMap<(&'static str, &'static str, Outcome), u64>,
    /// How often each promise was put to the test.
    pub tests: BTreeMap<Promise, u64>,
    /// Promises broken.
    pub broken: Vec<String>,
}

/// Shared by everyone in a run.
pub struct Ledger {
    begun: Instant,
    trace: Trace,
    book: Mutex<Book>,
}

impl Ledger {
    /// An empty one, for this many keys.
    pub fn new(keys: usize, trace: Trace) -> Self {
        let book = Book { keys: vec![KeyFacts::default(); keys], fault: "none", ..Book::default() };
        Self { begun: Instant::now(), trace, book: Mutex::new(book) }
    }

    /// The book, for as long as no await happens.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the run began.
    pub fn now(&self) -> Time {
        self.begun.elapsed()
    }

    /// The next place in the order of events.
    pub fn moment(&self) -> Moment {
        let mut book = self.book();
        book.events += 1;
        self.trace.tell("moment", "", book.events);
        book.events
    }

    /// Counts an operation.
    pub fn count(&self, operation: &'static str, outcome: Outcome) {
        let mut book = self.book();
        let fault = book.fault;
        self.trace.tell(operation, fault, outcome as u64);
        *book.counts.entry((fault, operation, outcome)).or_default() += 1;
    }

    /// A node is about to be asked for a key of a service.
    pub fn asked(&self, node: usize, key: usize, service: (usize, usize)) {
        let mut book = self.book();
        let withdrawn = book.keys[key].destroyed.is_some() || book.suspended.contains_key(&service);
        book.withdrawn_asked += u64::from(withdrawn && book.cut_off.contains_key(&node));
    }

    /// Holds an answer against what is known, and learns from it.
    pub fn answered(&self, answer: &Answer, service: (usize, usize)) {
        let mut book = self.book();
        for verdict in invariants::judge(&book, answer, service) {
            book.note(verdict, self.now());
        }
        if let Some(since) = book.cut_off.get(&answer.node) {
            book.worst_after_cut = book.worst_after_cut.max(answer.ended.saturating_sub(*since));
        }
        book.keys[answer.key].fingerprint.get_or_insert(answer.fingerprint);
        book.answers.push((answer.node, answer.record));
    }

    /// Writes down whether a promise held.
    pub fn note(&self, verdict: Verdict) {
        let now = self.now();
        self.book().note(verdict, now);
    }
}

impl Book {
    fn note(&mut self, verdict: Verdict, now: Time) {
        *self.tests.entry(verdict.promise).or_default() += 1;
        if let Err(what) = verdict.held
            && self.broken.len() < BROKEN_MAX
        {
            self.broken.push(format!("{} at {:.3} s: {what}", verdict.promise.name(), now.as_secs_f64()));
        }
    }
}
