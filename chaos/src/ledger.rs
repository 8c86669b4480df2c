//! What the clients know: every object, what was acknowledged about it, what was seen, what broke.
//!
//! The oracle of the run. An operation ends in one of three ways, and "unknown" is never taken for
//! "failed": its effect may appear, now or later, and is then held to.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use chaos::outcome::Outcome;
use client::{Error, KeyBytes};
use kmip::ResultReason;

use crate::invariants::{self, Promise, Violation};

/// Time since the run began.
pub type Time = Duration;

/// Two keys are the same if these are: a keyed 64-bit hash, so that the ledger holds no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub u64);

/// What an error says about a write.
pub const fn outcome_of(error: &Error) -> Outcome {
    match error {
        Error::OutcomeUnknown { .. } | Error::Protocol { .. } => Outcome::Unknown,
        Error::Refused { .. } | Error::Unavailable { .. } | Error::Tls { .. } | Error::Settings(_) => {
            Outcome::Failed
        }
    }
}

/// A write, from before its first byte left to its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Before the request was sent.
    pub begun: Time,
    /// After the answer came; `None` while it runs.
    pub ended: Option<(Time, Outcome)>,
}

impl Write {
    /// When it was acknowledged.
    pub fn acknowledged(&self) -> Option<Time> {
        self.ended.and_then(|(at, outcome)| (outcome == Outcome::Ok).then_some(at))
    }

    /// Whether it surely had no effect.
    pub fn failed(&self) -> bool {
        matches!(self.ended, Some((_, Outcome::Failed)))
    }
}

/// One object, or the attempt to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name; ephemeral keys have none.
    pub name: Option<String>,
    /// Its identifier, once known.
    pub identifier: Option<String>,
    /// Its making.
    pub made: Write,
    /// The bytes it has, once seen.
    pub fingerprint: Option<Fingerprint>,
    /// How often its bytes reached us, in an answer.
    pub received: u64,
    /// Its activation, if tried.
    pub activated: Option<Write>,
    /// Its destruction, if tried.
    pub destroyed: Option<Write>,
}

/// What a Get brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The key.
    Key(Fingerprint),
    /// A definite no, with its reason.
    Refused(ResultReason),
    /// Nothing to rely on.
    Unavailable,
}

/// One Get.
#[derive(Clone, Debug)]
pub struct Read {
    /// Whom it asked.
    pub node: usize,
    /// Before the request was sent.
    pub begun: Time,
    /// After the answer came.
    pub ended: Time,
    /// What it was.
    pub answer: Answer,
}

/// Shared by all clients of a run.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

struct Shared {
    begun: Instant,
    hasher: RandomState,
    book: Mutex<Book>,
}

/// What is written down.
#[derive(Default)]
pub struct Book {
    objects: Vec<Object>,
    /// The fault of the moment.
    fault: &'static str,
    /// The node that is cut off from its peers.
    cut_off: Option<CutOff>,
    /// How often a node that was cut off was asked for what had been withdrawn meanwhile.
    pub withdrawn_asked: u64,
    /// Operations by fault of the moment, name and outcome.
    pub counts: BTreeMap<(&'static str, &'static str, Outcome), u64>,
    /// How often each promise was put to the test.
    pub tests: BTreeMap<Promise, u64>,
    /// Promises broken.
    pub violations: Vec<Violation>,
}

/// A node that hears nothing of its peers.
struct CutOff {
    node: usize,
    since: Time,
    /// Objects whose destruction began since then and was acknowledged.
    withdrawn: Vec<usize>,
}

/// Under this, operations are counted in peace.
pub const NO_FAULT: &str = "none";
/// Violations kept in full: the first ones say what happened, thousands more say nothing new.
const VIOLATIONS_MAX: usize = 100;

impl Ledger {
    /// An empty one; time begins now.
    pub fn new() -> Self {
        let book = Mutex::new(Book { fault: NO_FAULT, ..Book::default() });
        Self(Arc::new(Shared { begun: Instant::now(), hasher: RandomState::new(), book }))
    }

    /// Time since the run began.
    pub fn now(&self) -> Time {
        self.0.begun.elapsed()
    }

    /// What stands for a key.
    pub fn fingerprint(&self, key: &KeyBytes) -> Fingerprint {
        self.fingerprint_of(key.expose())
    }

    /// What stands for these bytes.
    pub fn fingerprint_of(&self, bytes: &[u8]) -> Fingerprint {
        Fingerprint(self.0.hasher.hash_one(bytes))
    }

    /// The book, for as long as no await happens.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.book().objects.len()
    }

    /// Writes down that an object is about to be made.
    pub fn begin_object(&self, name: Option<String>) -> usize {
        let made = Write { begun: self.now(), ended: None };
        let mut book = self.book();
        let (identifier, fingerprint, activated, destroyed) = (None, None, None, None);
        book.objects.push(Object { name, identifier, made, fingerprint, received: 0, activated, destroyed });
        book.objects.len() - 1
    }

    /// Writes down how its making ended.
    pub fn end_object(&self, index: usize, outcome: Outcome, made: Option<(String, Option<Fingerprint>)>) {
        let now = self.now();
        let mut book = self.book();
        let object = &mut book.objects[index];
        object.made.ended = Some((now, outcome));
        if let Some((identifier, fingerprint)) = made {
            object.identifier = Some(identifier);
            object.fingerprint = fingerprint;
        }
    }

    /// Writes down that an object is about to be changed.
    pub fn begin_write(&self, index: usize, which: fn(&mut Object) -> &mut Option<Write>) {
        let begun = self.now();
        *which(&mut self.book().objects[index]) = Some(Write { begun, ended: None });
    }

    /// Writes down how that ended.
    pub fn end_write(&self, index: usize, which: fn(&mut Object) -> &mut Option<Write>, outcome: Outcome) {
        let now = self.now();
        let mut book = self.book();
        if let Some(write) = which(&mut book.objects[index]) {
            write.ended = Some((now, outcome));
        }
        let destroyed = book.objects[index].destroyed.filter(|write| write.acknowledged() == Some(now));
        if let (Some(destroyed), Some(cut_off)) = (destroyed, &mut book.cut_off)
            && destroyed.begun > cut_off.since
        {
            cut_off.withdrawn.push(index);
        }
    }

    /// From now on operations are counted under this fault.
    pub fn set_fault(&self, fault: &'static str) {
        self.book().fault = fault;
    }

    /// From now on this node is cut off from its peers, or none is.
    pub fn set_cut_off(&self, node: Option<usize>) {
        let now = self.now();
        self.book().cut_off = node.map(|node| CutOff { node, since: now, withdrawn: Vec::new() });
    }

    /// The objects whose destruction was acknowledged since this node was cut off: it has not heard of it.
    pub fn withdrawn_unheard(&self, node: usize) -> Vec<usize> {
        let book = self.book();
        let cut_off = book.cut_off.as_ref().filter(|cut_off| cut_off.node == node);
        cut_off.map(|cut_off| cut_off.withdrawn.clone()).unwrap_or_default()
    }

    /// Writes down what a node that is cut off said of a withdrawn object.
    pub fn insisted(&self, verdict: invariants::Verdict, index: usize) {
        self.book().withdrawn_asked += 1;
        self.note(verdict, index);
    }

    /// Counts an operation.
    pub fn count(&self, operation: &'static str, outcome: Outcome) {
        let mut book = self.book();
        let fault = book.fault;
        *book.counts.entry((fault, operation, outcome)).or_default() += 1;
    }

    /// A copy of an object.
    pub fn object(&self, index: usize) -> Object {
        self.book().objects[index].clone()
    }

    /// Holds a Get against what is known, and learns from it.
    pub fn judge_read(&self, index: usize, read: &Read) {
        let mut book = self.book();
        let object = book.objects[index].clone();
        for verdict in invariants::judge_read(&object, read) {
            book.note(verdict, Some(&object));
        }
        if let Answer::Key(seen) = read.answer {
            let object = &mut book.objects[index];
            object.fingerprint.get_or_insert(seen);
            object.received += 1;
        }
    }

    /// Writes down what an object of unknown outcome turned out to be called.
    pub fn adopt(&self, index: usize, identifier: &str) {
        self.book().objects[index].identifier.get_or_insert_with(|| identifier.to_owned());
    }

    /// Writes down that the bytes of an object came with the answer that made it.
    pub fn receive(&self, index: usize) {
        self.book().objects[index].received += 1;
    }

    /// Writes down whether a promise held that is about no single object.
    pub fn note_general(&self, verdict: invariants::Verdict) {
        self.book().note(verdict, None);
    }

    /// Writes down whether a promise held.
    pub fn note(&self, verdict: invariants::Verdict, index: usize) {
        let mut book = self.book();
        let object = book.objects[index].clone();
        book.note(verdict, Some(&object));
    }
}

impl Book {
    fn note(&mut self, verdict: invariants::Verdict, object: Option<&Object>) {
        *self.tests.entry(verdict.promise).or_default() += 1;
        if let Err(what) = verdict.held
            && self.violations.len() < VIOLATIONS_MAX
        {
            self.violations.push(Violation { promise: verdict.promise, what, object: object.cloned() });
        }
    }
}
