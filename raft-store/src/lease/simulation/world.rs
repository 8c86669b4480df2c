//! Time, network, faults and clients around the nodes; the checker of promises.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use model::id::{LogIndex, NodeId};

use super::Bug;
use super::node::*;
use super::rng::Rng;
use crate::lease::barrier::Outcome;
use crate::lease::cell::Lease;
use crate::lease::clock::{BootTime, last_serve};
use crate::lease::holder::{Holder, RenewalReply, RenewalRequest, Surrender};

pub const MS: Time = 1_000_000;
pub const SECOND: Time = 1_000 * MS;

/// Nodes 1–3 vote, 4 and 5 learn; 5 and 6 leave and join.
const NODES: u64 = 6;
const HEARTBEAT: Time = 60 * MS;
const KEYS: u64 = 48;
/// Longest freeze under assumption A1: M/(1 + ρ).
const FREEZE_MAX: u64 = SECOND * 100 / 101;

#[derive(Clone)]
enum Message {
    Append { term: u64, log: Log, commit: usize, round: u64 },
    Ack { term: u64, matched: usize, round: u64 },
    VoteRequest { term: u64, last: (u64, usize) },
    Vote { term: u64 },
    Renew(RenewalRequest),
    Renewed { start: u64, reply: RenewalReply },
    NotRenewed { start: u64, nonce: u64 },
    Report { boot: model::id::BootId, published: LogIndex },
    Surrendered(Surrender),
    WantBoot { start: u64 },
}

enum Event {
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
struct Request {
    node: u64,
    start: u64,
    key: Key,
    begun: Time,
    step: u8,
    lease: Option<Lease>,
    generation: Option<Rc<State>>,
}

#[derive(Default)]
struct Oracle {
    submitted: BTreeSet<Key>,
    committed_at: BTreeMap<Key, Time>,
    acknowledged_at: BTreeMap<Key, Time>,
    answers: u64,
    timed_out: u64,
    lost: u64,
    violation: Option<String>,
}

/// What a run did, to see that it did something.
#[derive(Debug, Default, Clone, Copy)]
pub struct Summary {
    pub answers: u64,
    pub acknowledged: usize,
    pub timed_out: u64,
    pub leaderships_lost: u64,
}

pub struct World {
    t: Time,
    rng: Rng,
    bug: Option<Bug>,
    faults: bool,
    queue: BTreeMap<(Time, u64), Event>,
    sequence: u64,
    nodes: Vec<Node>,
    group: Vec<u8>,
    oracle: Oracle,
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
            acknowledged: self.oracle.acknowledged_at.len(),
            timed_out: self.oracle.timed_out,
            leaderships_lost: self.oracle.lost,
        })
    }

    fn run_until(&mut self, end: Time) -> Result<(), String> {
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

    fn heal(&mut self) {
        self.faults = false;
        self.group.fill(0);
        for id in 1..=NODES {
            self.node(id).paused_until = 0;
            if !self.node(id).up {
                self.restart(id);
            }
        }
    }

    fn check_well(&mut self, fresh: Key, asked: Time) -> Result<(), String> {
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

    fn node(&mut self, id: u64) -> &mut Node {
        &mut self.nodes[id as usize - 1]
    }

    fn after(&mut self, delay: Time, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.t + delay, self.sequence), event);
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn send(&mut self, from: u64, to: u64, message: Message) {
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

    fn handle(&mut self, event: Event) {
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

    // -- Raft -------------------------------------------------------------------------------------

    fn tick(&mut self, id: u64) {
        self.after(10 * MS, Event::Tick(id));
        if !self.node(id).up {
            return;
        }
        let patience = self.rng.range(250, 400) * MS;
        let t = self.t;
        let node = self.node(id);
        if node.leading.is_some() {
            if t >= node.heard + HEARTBEAT {
                self.broadcast(id);
            }
            self.operate(id);
        } else if node.is_voter() && t >= node.heard + patience {
            self.stand(id);
        }
        self.renew(id);
        self.finish_waits(id);
    }

    fn stand(&mut self, id: u64) {
        let t = self.t;
        let node = self.node(id);
        node.meet_term(node.term + 1);
        node.heard = t;
        node.voted = Some(id);
        node.votes.insert(id);
        let message = Message::VoteRequest { term: node.term, last: (node.last_term(), node.log.len()) };
        VOTERS
            .into_iter()
            .filter(|voter| *voter != id)
            .for_each(|voter| self.send(id, voter, message.clone()));
    }

    fn lead(&mut self, id: u64) {
        let node = self.node(id);
        node.leader = Some(id);
        let noop = node.append(Command::Noop);
        node.leading = Some(Leading { noop, ..Leading::default() });
        node.barrier.elected(node.term);
        self.broadcast(id);
    }

    fn broadcast(&mut self, id: u64) -> u64 {
        let t = self.t;
        let node = self.node(id);
        node.heard = t;
        let (term, log, commit) = (node.term, node.log.clone(), node.commit);
        let Some(leading) = &mut node.leading else { return 0 };
        leading.round += 1;
        let round = leading.round;
        let config = log.iter().rev().find_map(|entry| match &entry.command {
            Command::Config(nodes) => Some(nodes.clone()),
            _ => None,
        });
        for to in config.unwrap_or_default().into_iter().filter(|to| to.0 != id) {
            self.send(id, to.0, Message::Append { term, log: log.clone(), commit, round });
        }
        round
    }

    fn deliver(&mut self, from: u64, to: u64, message: Message) {
        let t = self.t;
        match message {
            Message::Append { term, log, commit, round } => {
                self.on_append(from, to, (term, log, commit, round))
            }
            Message::Ack { term, matched, round } => {
                let node = self.node(to);
                node.meet_term(term);
                if node.term != term || node.leading.is_none() {
                    return;
                }
                if let Some(leading) = &mut node.leading {
                    let known = leading.matched.entry(from).or_default();
                    *known = matched.max(*known);
                    let known = leading.acked_round.entry(from).or_default();
                    *known = round.max(*known);
                }
                self.commit(to);
            }
            Message::VoteRequest { term, last } => {
                let node = self.node(to);
                node.meet_term(term);
                let current = last >= (node.last_term(), node.log.len());
                if node.term == term && current && node.voted.is_none_or(|voted| voted == from) {
                    node.voted = Some(from);
                    node.heard = t;
                    self.send(to, from, Message::Vote { term });
                }
            }
            Message::Vote { term } => {
                let node = self.node(to);
                if node.term == term && node.leading.is_none() && node.voted == Some(to) {
                    node.votes.insert(from);
                    if node.votes.len() >= 2 {
                        self.lead(to);
                    }
                }
            }
            Message::Renew(request) => self.on_renew(to, request),
            Message::Renewed { start, reply } => self.on_renewed(to, start, reply),
            Message::NotRenewed { start, nonce } => {
                let node = self.node(to);
                let now = node.now(t);
                if let Some(holder) = node.holder.as_mut().filter(|_| node.start == start) {
                    holder.on_failure(nonce, now);
                }
            }
            Message::Report { boot, published } => {
                self.node(to).barrier.report(NodeId(from), boot, published);
                self.finish_waits(to);
            }
            Message::Surrendered(surrender) => {
                self.node(to).barrier.surrendered(surrender);
                self.finish_waits(to);
            }
            Message::WantBoot { start } => {
                let node = self.node(to);
                let wanted = Command::Boot { node: NodeId(from), start };
                if node.leading.is_some() && !node.log.iter().rev().any(|entry| entry.command == wanted) {
                    node.append(wanted);
                    self.broadcast(to);
                }
            }
        }
    }

    fn on_append(&mut self, from: u64, to: u64, (term, log, commit, round): (u64, Log, usize, u64)) {
        let t = self.t;
        let node = self.node(to);
        node.meet_term(term);
        if term < node.term {
            let ack = Message::Ack { term: node.term, matched: 0, round: 0 };
            return self.send(to, from, ack);
        }
        node.heard = t;
        if node.leader != Some(from) {
            node.leader = Some(from);
            let now = node.now(t);
            if let Some(holder) = &mut node.holder {
                holder.leader_changed(now);
            }
        }
        if term > node.adopted.0 || log.len() >= node.adopted.1 {
            assert!(log.len() >= node.commit, "raft: a committed entry would be lost");
            node.adopted = (term, log.len());
            node.log = log;
        }
        node.commit = node.commit.max(commit.min(node.log.len()));
        let ack = Message::Ack { term, matched: node.adopted.1, round };
        self.send(to, from, ack);
        self.apply(to);
    }

    fn commit(&mut self, id: u64) {
        let t = self.t;
        let node = self.node(id);
        let before = node.commit;
        node.advance_commit();
        let committed = node.log[before..node.commit].to_vec();
        if !committed.is_empty() {
            self.broadcast(id); // tell it at once: waiting for the next heartbeat costs 60 ms
        }
        for entry in committed {
            if let Command::Withdraw(key) = entry.command {
                self.oracle.committed_at.entry(key).or_insert(t);
            }
        }
        self.apply(id);
        self.answer_reads(id);
    }

    // -- apply: close epochs, publish the generation, purge, report -------------------------------

    fn apply(&mut self, id: u64) {
        let skips_wait = self.has(Bug::NewLeaderSkipsWait);
        let ignores_retiring = self.has(Bug::BarrierSetWithoutRetiring);
        let t = self.t;
        let node = self.node(id);
        if node.applying || node.commit <= node.state.index {
            return;
        }
        node.applying = true;
        let now = node.now(t);
        while node.state.index < node.commit {
            let entry = node.log[node.state.index].clone();
            node.state.apply(&entry);
            let index = LogIndex(node.state.index as u64);
            match &entry.command {
                Command::Config(nodes) => node.barrier.membership(nodes.clone(), now),
                Command::Retire(_) if ignores_retiring => {}
                Command::Retire(gone) => node.barrier.retiring(*gone),
                Command::Retired(gone) => node.barrier.retired(*gone),
                Command::Boot { node: booted, .. } => {
                    node.barrier.booted(*booted, node.state.boots[booted].1)
                }
                Command::Noop | Command::Withdraw(_) => {}
            }
            if node.leading.as_ref().is_some_and(|leading| leading.noop == node.state.index) {
                let early = BootTime::from_nanos(now.as_nanos() - 70 * SECOND);
                node.barrier.noop_applied(index, if skips_wait { early } else { now });
            }
            node.barrier.applied(index, now);
        }
        node.applied_on_disk = node.state.index;
        self.begin_waits(id);
        self.next_apply_step(id, 0);
        self.answer_reads(id);
    }

    fn next_apply_step(&mut self, id: u64, step: usize) {
        let slow = self.faults && self.rng.one_in(20);
        let delay = if slow { self.rng.range(MS, 800 * MS) } else { self.rng.range(1_000, MS) };
        let start = self.node(id).start;
        self.after(delay, Event::Apply { node: id, start, step });
    }

    fn apply_step(&mut self, id: u64, step: usize) {
        let order = if self.has(Bug::AppliedBeforeGeneration) { [3, 0, 1, 2] } else { [0, 1, 2, 3] };
        let node = self.node(id);
        match order[step] {
            0 => {
                let fresh =
                    node.state.withdrawn.iter().filter(|(_, index)| index.0 > node.generation.index as u64);
                node.epochs.extend(fresh);
            }
            1 => node.generation = Rc::new(node.state.clone()),
            2 => {
                let generation = node.generation.clone();
                node.cache.retain(|key| !generation.withdrawn.contains_key(key));
            }
            _ => self.published(id),
        }
        if step < 3 {
            return self.next_apply_step(id, step + 1);
        }
        self.node(id).applying = false;
        self.apply(id);
    }

    fn published(&mut self, id: u64) {
        let t = self.t;
        let node = self.node(id);
        let (now, start, node_id) = (node.now(t), node.start, node.node_id());
        let published = LogIndex(node.state.index as u64);
        let boot = node.state.boots.get(&node_id).filter(|(begun, _)| *begun == start).map(|(_, boot)| *boot);
        if node.holder.is_none()
            && let Some(boot) = boot
        {
            let holder = Holder::new(node_id, boot, lengths(), published, now);
            node.cell = Some(holder.cell());
            node.holder = Some(holder);
        }
        if let Some(holder) = &mut node.holder {
            holder.on_published(published);
        }
        if let (Some(boot), Some(leader)) = (boot, node.leader) {
            self.send(id, leader, Message::Report { boot, published });
        }
    }

    // -- leases -----------------------------------------------------------------------------------

    fn renew(&mut self, id: u64) {
        let t = self.t;
        let wants_boot = self.rng.one_in(20);
        let node = self.node(id);
        let now = node.now(t);
        let Some(leader) = node.leader else { return };
        if let Some(holder) = &mut node.holder {
            if let Some(request) = holder.begin_renewal(now) {
                self.send(id, leader, Message::Renew(request));
            }
        } else if wants_boot {
            let start = node.start;
            self.send(id, leader, Message::WantBoot { start });
        }
    }

    fn on_renew(&mut self, id: u64, request: RenewalRequest) {
        let lease_read = self.has(Bug::LeaseRead);
        let t = self.t;
        let node = self.node(id);
        let now = node.now(t);
        let ticket = node.barrier.request(&request, now);
        let ready = node.leading.as_ref().is_some_and(|leading| node.commit >= leading.noop);
        let (Ok(ticket), true) = (ticket, ready) else {
            return self.refuse(id, request);
        };
        let index = LogIndex(node.commit as u64);
        let round = if lease_read { 0 } else { self.broadcast(id) };
        let read = Read { ticket: Some(ticket), request, round, index, quorum: lease_read };
        if let Some(leading) = &mut self.node(id).leading {
            leading.reads.push(read);
        }
        self.answer_reads(id);
        self.finish_waits(id);
    }

    fn refuse(&mut self, id: u64, request: RenewalRequest) {
        let (to, nonce) = (request.node.0, request.nonce);
        let start = self.node(to).start;
        self.send(id, to, Message::NotRenewed { start, nonce });
    }

    /// Answers renewals whose round a quorum acknowledged and whose index is applied here.
    fn answer_reads(&mut self, id: u64) {
        let t = self.t;
        let Some(mut reads) =
            self.node(id).leading.as_mut().map(|leading| std::mem::take(&mut leading.reads))
        else {
            return;
        };
        for read in &mut reads {
            let node = self.node(id);
            read.quorum |= node.quorum_acked(read.round);
            if !read.quorum || read.index.0 > node.state.index as u64 {
                continue;
            }
            let now = node.now(t);
            let Some(ticket) = read.ticket.take() else { continue };
            match node.barrier.grant(ticket, read.index, now) {
                Ok(reply) => {
                    let to = read.request.node.0;
                    let start = self.node(to).start;
                    self.send(id, to, Message::Renewed { start, reply });
                }
                Err(_) => self.refuse(id, read.request),
            }
        }
        reads.retain(|read| read.ticket.is_some());
        if let Some(leading) = &mut self.node(id).leading {
            leading.reads = reads;
        }
    }

    fn on_renewed(&mut self, id: u64, start: u64, reply: RenewalReply) {
        let stamped_at_reply = self.has(Bug::StampedAtReply);
        let t = self.t;
        let node = self.node(id);
        let now = node.now(t);
        let Some(holder) = node.holder.as_mut().filter(|_| node.start == start) else { return };
        if stamped_at_reply {
            holder.leader_changed(now);
            if let Some(request) = holder.begin_renewal(now) {
                holder.on_reply(RenewalReply { nonce: request.nonce, ..reply }, now);
            }
        } else {
            holder.on_reply(reply, now);
        }
    }

    // -- withdrawals ------------------------------------------------------------------------------

    fn submit(&mut self, key: Key) {
        let leaders: Vec<u64> =
            self.nodes.iter().filter(|node| node.up && node.leading.is_some()).map(|node| node.id).collect();
        if leaders.is_empty() {
            return;
        }
        let id = self.rng.pick(&leaders);
        let node = self.node(id);
        if t_before_pause(node) > self.t {
            return;
        }
        let node = self.node(id);
        let index = if node.state.withdrawn.contains_key(&key) {
            node.state.index
        } else {
            node.append(Command::Withdraw(key))
        };
        if let Some(leading) = &mut node.leading {
            leading.writes.push((key, index));
        }
        self.broadcast(id);
        self.begin_waits(id);
    }

    /// Every answer waits for the original withdrawal, replays too.
    fn begin_waits(&mut self, id: u64) {
        let patience = Duration::from_nanos(self.rng.range(200 * MS, 6 * SECOND));
        let t = self.t;
        let node = self.node(id);
        let now = node.now(t);
        let Some(leading) = &mut node.leading else { return };
        let applied = node.state.index;
        for (key, _) in leading.writes.extract_if(.., |(_, index)| *index <= applied) {
            let original = node.state.withdrawn[&key];
            if let Ok(waiter) = node.barrier.wait(original, length_of(key), now + patience, now) {
                leading.waits.insert(waiter, key);
            }
        }
        self.finish_waits(id);
    }

    fn finish_waits(&mut self, id: u64) {
        let t = self.t;
        let node = self.node(id);
        let now = node.now(t);
        for (waiter, outcome) in node.barrier.completed(now) {
            let node = self.node(id);
            let key = node.leading.as_mut().and_then(|leading| leading.waits.remove(&waiter));
            match outcome {
                Outcome::Effective => self.acknowledge(key.expect("a leader's own waiter")),
                Outcome::TimedOut { .. } => self.oracle.timed_out += 1,
                Outcome::LeadershipLost { .. } => self.oracle.lost += 1,
            }
        }
    }

    /// From now on nobody may be answered; ask everybody.
    fn acknowledge(&mut self, key: Key) {
        if self.oracle.acknowledged_at.contains_key(&key) {
            return;
        }
        self.oracle.acknowledged_at.insert(key, self.t);
        for node in 1..=NODES {
            for _ in 0..8 {
                let delay = self.rng.range(1, 6 * SECOND);
                self.ask(delay, node, key);
            }
        }
    }

    fn admin(&mut self) {
        let delay = self.rng.range(100 * MS, 700 * MS);
        self.after(delay, Event::Admin);
        if self.faults && self.rng.one_in(2) {
            let key = self.rng.range(0, KEYS);
            self.oracle.submitted.insert(key);
        }
        let open: Vec<Key> = self
            .oracle
            .submitted
            .iter()
            .filter(|key| !self.oracle.acknowledged_at.contains_key(key))
            .copied()
            .collect();
        open.into_iter().for_each(|key| self.submit(key));
    }

    // -- requests ---------------------------------------------------------------------------------

    fn client(&mut self) {
        self.after(3 * MS, Event::Client);
        let (node, key) = (self.rng.range(1, NODES + 1), self.rng.range(0, KEYS));
        self.ask(0, node, key);
    }

    fn ask(&mut self, delay: Time, node: u64, key: Key) {
        let start = 0;
        let request = Request { node, start, key, begun: 0, step: 0, lease: None, generation: None };
        self.after(delay, Event::Request(request));
    }

    fn request_step(&mut self, mut request: Request) {
        let begun = self.t;
        let node = self.node(request.node);
        if request.step == 0 {
            (request.begun, request.start) = (begun, node.start);
        }
        if !node.up || node.start != request.start || node.cell.is_none() {
            return;
        }
        let order = if self.has(Bug::LookupBeforeCapture) { [1, 0, 2, 3] } else { [0, 1, 2, 3] };
        let goes_on = match order[request.step as usize] {
            0 => self.capture(&mut request),
            1 => self.look_up(&mut request),
            2 => self.derive(&request),
            _ => self.answer(&request),
        };
        if !goes_on {
            return;
        }
        request.step += 1;
        let delay = match (self.faults, self.rng.range(0, 40)) {
            (true, 0) => self.rng.range(100 * MS, 6 * SECOND),
            (true, 1..8) => self.rng.range(MS, 60 * MS),
            _ => self.rng.range(10_000, MS / 5),
        };
        self.after(delay, Event::Request(request));
    }

    fn capture(&mut self, request: &mut Request) -> bool {
        let node = self.node(request.node);
        request.lease = node.cell.as_ref().and_then(|cell| cell.capture().ok());
        request.lease.is_some()
    }

    fn look_up(&mut self, request: &mut Request) -> bool {
        let node = self.node(request.node);
        let generation = node.generation.clone();
        if let Some(lease) = request.lease
            && generation.index < lease.read_index().0 as usize
        {
            self.oracle.violation =
                Some(format!("node {} stored a lease before its generation", request.node));
            return false;
        }
        let hit = is_cached_kind(request.key) && node.cache.contains(&request.key);
        let allowed = hit || !generation.withdrawn.contains_key(&request.key);
        request.generation = Some(generation);
        allowed
    }

    /// Fills the cache if no withdrawal closed the epoch since the generation, then checks.
    fn derive(&mut self, request: &Request) -> bool {
        let unguarded = self.has(Bug::UnguardedFill);
        let key = request.key;
        let node = self.node(request.node);
        let loaded = request.generation.as_ref().map_or(0, |generation| generation.index as u64);
        let open = node.epochs.get(&key).is_none_or(|closed| closed.0 <= loaded);
        let known =
            request.generation.as_ref().is_some_and(|generation| generation.withdrawn.contains_key(&key));
        if !known && (open || unguarded) {
            node.cache.insert(key);
        }
        self.is_fresh(request)
    }

    fn is_fresh(&mut self, request: &Request) -> bool {
        let t = self.t;
        let node = self.node(request.node);
        let now = node.now(t);
        let (Some(cell), Some(lease)) = (&node.cell, request.lease) else { return false };
        cell.check(lease, length_of(request.key), now).is_ok()
    }

    fn answer(&mut self, request: &Request) -> bool {
        let mut checked = request.clone();
        if self.has(Bug::SecondCheckAgainstNewer) {
            self.capture(&mut checked);
        }
        if self.is_fresh(&checked) {
            self.oracle.answers += 1;
            self.check_promises(request);
        }
        false
    }

    fn check_promises(&mut self, request: &Request) {
        let (t, key, node) = (self.t, request.key, request.node);
        if self.oracle.acknowledged_at.get(&key).is_some_and(|acknowledged| request.begun > *acknowledged) {
            let text =
                format!("I2: at {t} node {node} answered key {key}, withdrawn and acknowledged before");
            self.oracle.violation = Some(text);
        }
        let late = last_serve(length_of(key).duration()).as_nanos() as u64;
        if self.oracle.committed_at.get(&key).is_some_and(|committed| t > committed + late) {
            let text =
                format!("last serve: at {t} node {node} answered key {key} under a lease that ran out");
            self.oracle.violation = Some(text);
        }
    }

    // -- faults -----------------------------------------------------------------------------------

    fn nemesis(&mut self) {
        if !self.faults {
            return;
        }
        let delay = self.rng.range(200 * MS, 1_500 * MS);
        self.after(delay, Event::Nemesis);
        let (node, t) = (self.rng.range(1, NODES + 1), self.t);
        match self.rng.range(0, 12) {
            0 => self.isolate(&[node]),
            1 | 2 => self.isolate_leader_with_learner(),
            3 => self.group.fill(0),
            4 => self.group.fill(0),
            5 => {
                let length = self.rng.range(50 * MS, 3 * SECOND);
                self.node(node).paused_until = t + length;
            }
            6 => self.kill(node),
            7 => self.terminate(node),
            8 => {
                let length = self.rng.range(FREEZE_MAX / 2, FREEZE_MAX + 1);
                let clock = &mut self.node(node).clock;
                if t > clock.frozen_until + 10 * SECOND {
                    clock.freeze(t, length);
                }
            }
            9 => self.isolate(&[4, node]),
            10 => drop(self.come_or_go()),
            _ => {
                if let Some(node) = self.come_or_go() {
                    self.after(5 * MS, Event::Ambush { node, until: t + 2 * SECOND });
                }
            }
        }
    }

    fn isolate(&mut self, nodes: &[u64]) {
        self.group.fill(0);
        nodes.iter().for_each(|node| self.group[*node as usize] = 1);
    }

    fn isolate_leader_with_learner(&mut self) {
        if let Some(leader) = self.nodes.iter().find(|node| node.leading.is_some()).map(|node| node.id) {
            let learner = self.rng.pick(&[4, 5]);
            self.isolate(&[leader, learner]);
        }
    }

    fn kill(&mut self, id: u64) {
        let (lost, down) = (self.rng.range(0, 3) as usize, self.rng.range(50 * MS, 2 * SECOND));
        let node = self.node(id);
        if node.up {
            node.up = false;
            node.applied_on_disk = node.applied_on_disk.saturating_sub(lost).max(1);
            self.after(down, Event::Restart(id));
        }
    }

    fn restart(&mut self, id: u64) {
        let knows_retiring = !self.has(Bug::BarrierSetWithoutRetiring);
        let t = self.t;
        self.node(id).paused_until = 0;
        self.node(id).boot(t, knows_retiring);
    }

    /// SIGTERM: the lease is surrendered to the leader, then the process ends.
    fn terminate(&mut self, id: u64) {
        let node = self.node(id);
        let surrender = node.holder.as_mut().map(Holder::surrender);
        if let (true, Some(surrender), Some(leader)) = (node.up, surrender, node.leader) {
            self.send(id, leader, Message::Surrendered(surrender));
        }
        self.kill(id);
    }

    /// A learner begins to leave, or joins. Returns the one that leaves.
    fn come_or_go(&mut self) -> Option<NodeId> {
        let node = NodeId(self.rng.pick(&[5, 6]));
        let leader = self.nodes.iter().find(|n| n.up && n.leading.is_some()).map(|n| n.id)?;
        let state = self.node(leader).state.clone();
        let leader = self.node(leader);
        if state.retiring.contains(&node) || config_pending(leader) {
            return None;
        }
        if state.members.contains(&node) {
            leader.append(Command::Retire(node));
            return Some(node);
        }
        let mut members = state.members;
        members.insert(node);
        leader.append(Command::Config(members));
        None
    }

    /// The leader's removal job: retire, then a configuration without the node, then after W_max
    /// retired.
    fn operate(&mut self, id: u64) {
        let t = self.t;
        let node = self.node(id);
        let pending = config_pending(node);
        let wait = lengths().longest.wait();
        let (now, applied) = (node.now(t), node.state.index);
        let Some(leading) = &mut node.leading else { return };
        if applied < leading.noop || pending {
            return;
        }
        let Some(gone) = node.state.retiring.first().copied() else { return };
        if node.state.members.contains(&gone) {
            let mut members = node.state.members.clone();
            members.remove(&gone);
            node.append(Command::Config(members));
        } else if now
            >= BootTime::from_nanos(*leading.removed_at.entry(gone).or_insert(now.as_nanos())) + wait
        {
            leading.removed_at.remove(&gone);
            node.append(Command::Retired(gone));
        }
    }

    fn ambush(&mut self, gone: NodeId, until: Time) {
        let left = |node: &Node| !node.is_voter() || !node.state.members.contains(&gone);
        if self.nodes.iter().all(left) {
            self.isolate(&[gone.0]);
            VOTERS.into_iter().for_each(|voter| self.kill(voter));
        } else if self.t < until {
            self.after(5 * MS, Event::Ambush { node: gone, until });
        }
    }
}

fn t_before_pause(node: &Node) -> Time {
    node.paused_until
}

/// One configuration or removal step at a time.
fn config_pending(leader: &Node) -> bool {
    leader.log[leader.state.index..]
        .iter()
        .any(|entry| matches!(entry.command, Command::Config(_) | Command::Retire(_) | Command::Retired(_)))
}
