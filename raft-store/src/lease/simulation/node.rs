//! One simulated node: a plain Raft (whole logs travel, no snapshots) around the real holder, cell
//! and barrier, and a toy key service with one cache.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use model::id::{BootId, LogIndex, NodeId};

use crate::lease::barrier::{Barrier, Ticket, WaiterId};
use crate::lease::cell::LeaseCell;
use crate::lease::class::{LeaseLength, LengthsInUse};
use crate::lease::clock::BootTime;
use crate::lease::holder::Holder;

pub type Key = u64;
/// Real time, nanoseconds since the run began.
pub type Time = u64;

pub const VOTERS: [u64; 3] = [1, 2, 3];

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Noop,
    Withdraw(Key),
    Config(BTreeSet<NodeId>),
    Retire(NodeId),
    Retired(NodeId),
    Boot { node: NodeId, start: u64 },
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub term: u64,
    pub command: Command,
}

pub type Log = Rc<Vec<Entry>>;

/// The deterministic state, and at the same time the published generation.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub index: usize,
    pub withdrawn: BTreeMap<Key, LogIndex>,
    pub members: BTreeSet<NodeId>,
    pub retiring: BTreeSet<NodeId>,
    pub boots: BTreeMap<NodeId, (u64, BootId)>,
}

impl State {
    pub fn apply(&mut self, entry: &Entry) {
        self.index += 1;
        match &entry.command {
            Command::Noop => {}
            Command::Withdraw(key) => {
                self.withdrawn.entry(*key).or_insert(LogIndex(self.index as u64));
            }
            Command::Config(nodes) => self.members = nodes.clone(),
            Command::Retire(node) => drop(self.retiring.insert(*node)),
            Command::Retired(node) => drop(self.retiring.remove(node)),
            Command::Boot { node, start } => {
                // A retried hand-out keeps the id: a process has one boot for all it says.
                let boot = BootId(self.index as u64);
                let known = self.boots.entry(*node).or_insert((*start, boot));
                if known.0 != *start {
                    *known = (*start, boot);
                }
            }
        }
    }

    pub fn of(log: &[Entry]) -> Self {
        let mut state = Self::default();
        log.iter().for_each(|entry| state.apply(entry));
        state
    }
}

/// A boot clock with a constant rate that may stand still for a while.
pub struct Clock {
    base: (Time, u64),
    rate_ppm: u64,
    pub frozen_until: Time,
}

impl Clock {
    pub fn new(reads: u64, rate_ppm: u64) -> Self {
        Self { base: (0, reads), rate_ppm, frozen_until: 0 }
    }

    pub fn read(&self, t: Time) -> BootTime {
        let run = u128::from(t.saturating_sub(self.base.0.max(self.frozen_until)));
        BootTime::from_nanos(self.base.1 + (run * u128::from(self.rate_ppm) / 1_000_000) as u64)
    }

    pub fn freeze(&mut self, t: Time, length: u64) {
        self.base = (t, self.read(t).as_nanos());
        self.frozen_until = t + length;
    }
}

/// A renewal between its arrival and its reply.
pub struct Read {
    pub ticket: Option<Ticket>,
    pub request: crate::lease::holder::RenewalRequest,
    pub round: u64,
    pub index: LogIndex,
    pub quorum: bool,
}

/// Volatile state of a leader.
#[derive(Default)]
pub struct Leading {
    pub matched: BTreeMap<u64, usize>,
    pub acked_round: BTreeMap<u64, u64>,
    pub round: u64,
    pub noop: usize,
    pub reads: Vec<Read>,
    pub writes: Vec<(Key, usize)>,
    pub waits: BTreeMap<WaiterId, Key>,
    pub removed_at: BTreeMap<NodeId, Time>,
}

pub struct Node {
    pub id: u64,
    pub clock: Clock,
    // durable
    pub term: u64,
    pub voted: Option<u64>,
    pub log: Log,
    pub adopted: (u64, usize),
    pub applied_on_disk: usize,
    // one process
    pub start: u64,
    pub up: bool,
    pub paused_until: Time,
    pub heard: Time,
    pub commit: usize,
    pub leader: Option<u64>,
    pub votes: BTreeSet<u64>,
    pub leading: Option<Leading>,
    /// The state as applied, ahead of what is published.
    pub state: State,
    pub applying: bool,
    pub generation: Rc<State>,
    pub cache: BTreeSet<Key>,
    /// Per cached key the index of the withdrawal that closed fills from older generations.
    pub epochs: BTreeMap<Key, LogIndex>,
    pub holder: Option<Holder>,
    pub cell: Option<Arc<LeaseCell>>,
    pub barrier: Barrier,
}

/// The lease length of a key's tenant: strict and default alternate in pairs.
pub fn length_of(key: Key) -> LeaseLength {
    if key % 4 < 2 { LeaseLength::STRICT } else { LeaseLength::DEFAULT }
}

/// Odd keys are answered from the cache alone when it has them.
pub fn is_cached_kind(key: Key) -> bool {
    key % 2 == 1
}

pub fn lengths() -> LengthsInUse {
    LengthsInUse { shortest: LeaseLength::STRICT, longest: LeaseLength::DEFAULT }
}

impl Node {
    pub fn new(id: u64, clock: Clock, log: Log) -> Self {
        let applied = log.len();
        let mut node = Self {
            id,
            clock,
            term: 1,
            voted: None,
            adopted: (1, log.len()),
            log,
            applied_on_disk: applied,
            start: 0,
            up: false,
            paused_until: 0,
            heard: 0,
            commit: 0,
            leader: None,
            votes: BTreeSet::new(),
            leading: None,
            state: State::default(),
            applying: false,
            generation: Rc::default(),
            cache: BTreeSet::new(),
            epochs: BTreeMap::new(),
            holder: None,
            cell: None,
            barrier: Barrier::new(BTreeSet::new(), BTreeSet::new(), lengths()),
        };
        node.boot(0, true);
        node
    }

    /// Starts a process on the disk it finds. `knows_retiring` is false for a planted bug.
    pub fn boot(&mut self, t: Time, knows_retiring: bool) {
        self.start += 1;
        self.up = true;
        self.heard = t;
        self.commit = self.applied_on_disk;
        self.leader = None;
        self.votes.clear();
        self.leading = None;
        self.applying = false;
        self.state = State::of(&self.log[..self.applied_on_disk]);
        self.generation = Rc::new(self.state.clone());
        self.cache.clear();
        self.epochs.clear();
        self.holder = None;
        self.cell = None;
        let retiring = if knows_retiring { self.state.retiring.clone() } else { BTreeSet::new() };
        self.barrier = Barrier::new(self.state.members.clone(), retiring, lengths());
        for (node, (_, boot)) in &self.state.boots {
            self.barrier.booted(*node, *boot);
        }
    }

    pub fn now(&self, t: Time) -> BootTime {
        self.clock.read(t)
    }

    pub fn is_voter(&self) -> bool {
        VOTERS.contains(&self.id)
    }

    pub fn last_term(&self) -> u64 {
        self.log.last().map_or(0, |entry| entry.term)
    }

    /// A higher term ends leadership.
    pub fn meet_term(&mut self, term: u64) {
        if term > self.term {
            self.term = term;
            self.voted = None;
            self.leader = None;
            self.votes.clear();
            if self.leading.take().is_some() {
                self.barrier.step_down();
            }
        }
    }

    /// Appends as leader and returns the index.
    pub fn append(&mut self, command: Command) -> usize {
        let term = self.term;
        Rc::make_mut(&mut self.log).push(Entry { term, command });
        self.adopted = (term, self.log.len());
        self.log.len()
    }

    /// Commits what a majority of voters has, if it is of the own term.
    pub fn advance_commit(&mut self) {
        let Some(leading) = &mut self.leading else { return };
        leading.matched.insert(self.id, self.log.len());
        let mut matched: Vec<_> =
            VOTERS.iter().map(|v| leading.matched.get(v).copied().unwrap_or(0)).collect();
        matched.sort_unstable();
        let majority = matched[1];
        if majority > self.commit && self.log[majority - 1].term == self.term {
            self.commit = majority;
        }
    }

    /// Whether a majority acknowledged a round.
    pub fn quorum_acked(&self, round: u64) -> bool {
        let Some(leading) = &self.leading else { return false };
        let acked =
            |voter: &&u64| **voter == self.id || leading.acked_round.get(voter).is_some_and(|r| *r >= round);
        VOTERS.iter().filter(acked).count() >= 2
    }

    pub fn node_id(&self) -> NodeId {
        NodeId(self.id)
    }
}
