//! What a node does with committed entries and leases: apply, publish, renew, grant.

use std::rc::Rc;

use model::id::LogIndex;

use super::Bug;
use super::node::*;
use super::world::*;
use crate::lease::clock::BootTime;
use crate::lease::holder::{Holder, RenewalReply, RenewalRequest};

impl World {
    pub fn apply(&mut self, id: u64) {
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

    pub fn next_apply_step(&mut self, id: u64, step: usize) {
        let slow = self.faults && self.rng.one_in(20);
        let delay = if slow { self.rng.range(MS, 800 * MS) } else { self.rng.range(1_000, MS) };
        let start = self.node(id).start;
        self.after(delay, Event::Apply { node: id, start, step });
    }

    pub fn apply_step(&mut self, id: u64, step: usize) {
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

    pub fn published(&mut self, id: u64) {
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
        if let (Some(boot), Some(leader)) = (node.holder.as_ref().map(Holder::boot), node.leader) {
            self.send(id, leader, Message::Report { boot, published });
        }
    }

    pub fn renew(&mut self, id: u64) {
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

    pub fn on_renew(&mut self, id: u64, request: RenewalRequest) {
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

    pub fn refuse(&mut self, id: u64, request: RenewalRequest) {
        let (to, nonce) = (request.node.0, request.nonce);
        let start = self.node(to).start;
        self.send(id, to, Message::NotRenewed { start, nonce });
    }

    /// Answers renewals whose round a quorum acknowledged and whose index is applied here.
    pub fn answer_reads(&mut self, id: u64) {
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

    pub fn on_renewed(&mut self, id: u64, start: u64, reply: RenewalReply) {
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
}
