//! Time, messages and events around the nodes, and what must be true when a run ends.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use model::id::{BootId, LogIndex, NodeId};

use super::Bug;
use super::node::*;
use super::rng::Rng;
use crate::lease::cell::Lease;
use crate::lease::holder::{RenewalReply, RenewalRequest, Surrender};

pub const MS: Time = 1_000_000;
pub const SECOND: Time = 1_000 * MS;

/// Nodes 1–3 vote, 4 and 5 learn; 5 and 6 leave and join.
pub const NODES: u64 = 6;
pub const HEARTBEAT: Time = 60 * MS;
pub const KEYS: u64 = 48;
/// Longest freeze under assumption A1: M/(1 + ρ).
pub const FREEZE_MAX: u64 = SECOND * 100 / 101;

#[derive(Clone)]
pub enum Message {
    Append { term: u64, log: Log, commit: usize, round: u64 },
    Ack { term: u64, matched: usize, round: u64 },
    VoteRequest { term: u64, last: (u64, usize) },
    Vote { term: u64 },
    Renew(RenewalRequest),
    Renewed { start: u64, reply: RenewalReply },
    NotRenewed { start: u64, nonce: u64 },
    Report { boot: BootId, published: LogIndex },
    Surrendered(Surrender),
    WantBoot { start: u64 },
}

pub enum Event {
    Tick(u64),
    Deliver {
        from: u64,
        to: u64,
        message: Message,
    },
    Apply {
        node: u64,
        start: u64,
        step: usize,
    },
    Request(Request),
    Restart(u64),
    Admin,
    Client,
    Nemesis,
    /// Nemesis: once the voters applied that the node left, isolate it and restart them all.
    Ambush {
        node: NodeId,
        until: Time,
    },
}

/// What a request has done so far; every step is an event of its own.
#[derive(Clone)]
pub struct Request {
    pub node: u64,
    pub start: u64,
    pub key: Key,
    pub begun: Time,
    pub step: u8,
    pub lease: Option<Lease>,
    pub generation: Option<Rc<State>>,
}

#[derive(Default)]
pub struct Oracle {
    pub submitted: BTreeSet<Key>,
    pub committed_at: BTreeMap<Key, Time>,
    pub acknowledged_at: BTreeMap<Key, Time>,
    pub answers: u64,
    pub timed_out: u64,
    pub lost: u64,
    pub violation: Option<String>,
}

/// What runs did, to see that they did something.
#[derive(Debug, Default)]
pub struct Summary {
    pub answers: u64,
    pub acknowledged: u64,
    pub timed_out: u64,
    pub lost: u64,
}

impl Summary {
    pub fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.acknowledged += other.acknowledged;
        self.timed_out += other.timed_out;
        self.lost += other.lost;
    }
}

pub struct World {
    pub t: Time,
    pub rng: Rng,
    pub bug: Option<Bug>,
    pub faults: bool,
    pub queue: BTreeMap<(Time, u64), Event>,
    pub sequence: u64,
    pub nodes: Vec<Node>,
    pub group: Vec<u8>,
    pub oracle: Oracle,
}

impl World {
    pub fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = Rng::new(seed);
        let config = Command::Config((1..NODES).map(NodeId).collect());
        let log: Log = Rc::new(vec![Entry { term: 1, command: config }]);
        let nodes = (1..=NODES)
            .map(|id| {
                let reads = rng.range(1_000, 9_000) * SECOND;
                Node::new(
                    id,
                    Clock::new(reads, rng.pick(&[990_000, 995_000, 1_000_000, 1_010_000])),
                    log.clone(),
                )
            })
            .collect();
        let mut world = Self {
            t: 0,
            rng,
            bug,
            faults: true,
            queue: BTreeMap::new(),
            sequence: 0,
            nodes,
            group: vec![0; NODES as usize + 1],
            oracle: Oracle::default(),
        };
        (1..=NODES).for_each(|id| world.after(id * MS, Event::Tick(id)));
        world.after(SECOND, Event::Admin);
        world.after(SECOND, Event::Client);
        world.after(2 * SECOND, Event::Nemesis);
        world
    }

    /// Thirty seconds of faults, then quiet, then the cluster must be well again.
    pub fn run(mut self) -> Result<Summary, String> {
        self.run_until(30 * SECOND)?;
        self.heal();
        self.run_until(40 * SECOND)?;
        let fresh = KEYS;
        self.oracle.submitted.insert(fresh);
        self.submit(fresh);
        let asked = self.t;
        self.run_until(asked + SECOND)?;
        self.check_well(fresh, asked)?;
        Ok(Summary {
            answers: self.oracle.answers,
            acknowledged: self.oracle.acknowledged_at.len() as u64,
            timed_out: self.oracle.timed_out,
            lost: self.oracle.lost,
        })
    }

    pub fn run_until(&mut self, end: Time) -> Result<(), String> {
        while let Some(((t, _), event)) = self.queue.pop_first() {
            self.t = self.t.max(t);
            self.handle(event);
            if let Some(violation) = self.oracle.violation.take() {
                return Err(violation);
            }
            if self.t >= end {
                return Ok(());
            }
        }
        Ok(())
    }

    pub fn heal(&mut self) {
        self.faults = false;
        self.group.fill(0);
        for id in 1..=NODES {
            self.node(id).paused_until = 0;
            if !self.node(id).up {
                self.restart(id);
            }
        }
    }

    pub fn check_well(&mut self, fresh: Key, asked: Time) -> Result<(), String> {
        let unacknowledged: Vec<_> = self
            .oracle
            .submitted
            .iter()
            .filter(|key| !self.oracle.acknowledged_at.contains_key(key))
            .collect();
        if !unacknowledged.is_empty() {
            return Err(format!("liveness: keys {unacknowledged:?} never acknowledged"));
        }
        let took = self.oracle.acknowledged_at[&fresh] - asked;
        if took > 50 * MS {
            return Err(format!("liveness: a healthy withdrawal took {} ms", took / MS));
        }
        let members =
            self.nodes.iter().max_by_key(|node| node.state.index).map(|node| node.state.members.clone());
        for node in members.unwrap_or_default() {
            let t = self.t;
            let node = self.node(node.0);
            let left = node.cell.as_ref().map(|cell| cell.remaining(length_of(0), node.now(t)));
            if left.is_none_or(|left| left < Duration::from_secs(1)) {
                return Err(format!("liveness: node {} has a lease of {left:?}", node.id));
            }
        }
        Ok(())
    }

    // -- plumbing ---------------------------------------------------------------------------------

    pub fn node(&mut self, id: u64) -> &mut Node {
        &mut self.nodes[id as usize - 1]
    }

    pub fn after(&mut self, delay: Time, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.t + delay, self.sequence), event);
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub fn send(&mut self, from: u64, to: u64, message: Message) {
        if self.group[from as usize] != self.group[to as usize] {
            return;
        }
        let renewal = matches!(message, Message::Renew(_) | Message::Renewed { .. });
        let delay = match (self.faults, self.rng.range(0, 60)) {
            (true, 0..6) if renewal => self.rng.range(SECOND, 4 * SECOND),
            (true, 0) => self.rng.range(200 * MS, 3 * SECOND),
            (true, 1..8) => self.rng.range(MS, 60 * MS),
            _ => self.rng.range(MS / 10, 2 * MS),
        };
        self.after(delay, Event::Deliver { from, to, message });
    }

    pub fn handle(&mut self, event: Event) {
        let home = match &event {
            Event::Tick(node) | Event::Deliver { to: node, .. } | Event::Apply { node, .. } => Some(*node),
            Event::Request(request) => Some(request.node),
            _ => None,
        };
        if let Some(home) = home {
            let t = self.t;
            let paused = self.node(home).paused_until;
            if t < paused {
                return self.after(paused - t, event);
            }
        }
        match event {
            Event::Tick(node) => self.tick(node),
            Event::Deliver { from, to, message } => {
                if self.node(to).up {
                    self.deliver(from, to, message);
                }
            }
            Event::Apply { node, start, step } => {
                if self.node(node).up && self.node(node).start == start {
                    self.apply_step(node, step);
                }
            }
            Event::Request(request) => self.request_step(request),
            Event::Restart(node) => {
                if !self.node(node).up {
                    self.restart(node);
                }
            }
            Event::Admin => self.admin(),
            Event::Client => self.client(),
            Event::Nemesis => self.nemesis(),
            Event::Ambush { node, until } => self.ambush(node, until),
        }
    }
}
