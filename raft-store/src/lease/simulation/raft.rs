//! Elections, replication and commit: a plain Raft without log compaction.

use model::id::NodeId;

use super::node::*;
use super::world::*;

impl World {
    pub fn tick(&mut self, id: u64) {
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

    pub fn stand(&mut self, id: u64) {
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

    pub fn lead(&mut self, id: u64) {
        let node = self.node(id);
        node.leader = Some(id);
        let noop = node.append(Command::Noop);
        node.leading = Some(Leading { noop, ..Leading::default() });
        node.barrier.elected(node.term);
        self.broadcast(id);
    }

    pub fn broadcast(&mut self, id: u64) -> u64 {
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

    pub fn deliver(&mut self, from: u64, to: u64, message: Message) {
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

    pub fn on_append(&mut self, from: u64, to: u64, (term, log, commit, round): (u64, Log, usize, u64)) {
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

    pub fn commit(&mut self, id: u64) {
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
}
