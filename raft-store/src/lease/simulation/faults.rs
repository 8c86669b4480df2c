//! Partitions, pauses, kills, frozen clocks, and learners that come and go.

use model::id::NodeId;

use super::Bug;
use super::node::*;
use super::world::*;
use crate::lease::clock::BootTime;
use crate::lease::holder::Holder;

impl World {
    pub fn nemesis(&mut self) {
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

    pub fn isolate(&mut self, nodes: &[u64]) {
        self.group.fill(0);
        nodes.iter().for_each(|node| self.group[*node as usize] = 1);
    }

    pub fn isolate_leader_with_learner(&mut self) {
        if let Some(leader) = self.nodes.iter().find(|node| node.leading.is_some()).map(|node| node.id) {
            let learner = self.rng.pick(&[4, 5]);
            self.isolate(&[leader, learner]);
        }
    }

    pub fn kill(&mut self, id: u64) {
        let (lost, down) = (self.rng.range(0, 3) as usize, self.rng.range(50 * MS, 2 * SECOND));
        let node = self.node(id);
        if node.up {
            node.up = false;
            node.applied_on_disk = node.applied_on_disk.saturating_sub(lost).max(1);
            self.after(down, Event::Restart(id));
        }
    }

    pub fn restart(&mut self, id: u64) {
        let knows_retiring = !self.has(Bug::BarrierSetWithoutRetiring);
        let t = self.t;
        self.node(id).paused_until = 0;
        self.node(id).boot(t, knows_retiring);
    }

    /// SIGTERM: the lease is surrendered to the leader, then the process ends.
    pub fn terminate(&mut self, id: u64) {
        let node = self.node(id);
        let surrender = node.holder.as_mut().map(Holder::surrender);
        if let (true, Some(surrender), Some(leader)) = (node.up, surrender, node.leader) {
            self.send(id, leader, Message::Surrendered(surrender));
        }
        self.kill(id);
    }

    /// A learner begins to leave, or joins. Returns the one that leaves.
    pub fn come_or_go(&mut self) -> Option<NodeId> {
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
    pub fn operate(&mut self, id: u64) {
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

    pub fn ambush(&mut self, gone: NodeId, until: Time) {
        let left = |node: &Node| !node.is_voter() || !node.state.members.contains(&gone);
        if self.nodes.iter().all(left) {
            self.isolate(&[gone.0]);
            VOTERS.into_iter().for_each(|voter| self.kill(voter));
        } else if self.t < until {
            self.after(5 * MS, Event::Ambush { node: gone, until });
        }
    }
}

/// One configuration or removal step at a time.
fn config_pending(leader: &Node) -> bool {
    leader.log[leader.state.index..]
        .iter()
        .any(|entry| matches!(entry.command, Command::Config(_) | Command::Retire(_) | Command::Retired(_)))
}
