//! Administrators who withdraw keys, services that ask for them, and the promises checked on every answer.

use std::time::Duration;

use super::Bug;
use super::node::*;
use super::world::*;
use crate::lease::barrier::Outcome;
use crate::lease::clock::last_serve;

impl World {
    pub fn submit(&mut self, key: Key) {
        let leaders: Vec<u64> =
            self.nodes.iter().filter(|node| node.up && node.leading.is_some()).map(|node| node.id).collect();
        if leaders.is_empty() {
            return;
        }
        let id = self.rng.pick(&leaders);
        let t = self.t;
        let node = self.node(id);
        if node.paused_until > t {
            return;
        }
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
    pub fn begin_waits(&mut self, id: u64) {
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

    pub fn finish_waits(&mut self, id: u64) {
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
    pub fn acknowledge(&mut self, key: Key) {
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

    pub fn admin(&mut self) {
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

    pub fn client(&mut self) {
        self.after(3 * MS, Event::Client);
        let (node, key) = (self.rng.range(1, NODES + 1), self.rng.range(0, KEYS));
        self.ask(0, node, key);
    }

    pub fn ask(&mut self, delay: Time, node: u64, key: Key) {
        let start = 0;
        let request = Request { node, start, key, begun: 0, step: 0, lease: None, generation: None };
        self.after(delay, Event::Request(request));
    }

    pub fn request_step(&mut self, mut request: Request) {
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

    pub fn capture(&mut self, request: &mut Request) -> bool {
        let node = self.node(request.node);
        request.lease = node.cell.as_ref().and_then(|cell| cell.capture().ok());
        request.lease.is_some()
    }

    pub fn look_up(&mut self, request: &mut Request) -> bool {
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
    pub fn derive(&mut self, request: &Request) -> bool {
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

    pub fn is_fresh(&mut self, request: &Request) -> bool {
        let t = self.t;
        let node = self.node(request.node);
        let now = node.now(t);
        let (Some(cell), Some(lease)) = (&node.cell, request.lease) else { return false };
        cell.check(lease, length_of(request.key), now).is_ok()
    }

    pub fn answer(&mut self, request: &Request) -> bool {
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

    pub fn check_promises(&mut self, request: &Request) {
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
}
