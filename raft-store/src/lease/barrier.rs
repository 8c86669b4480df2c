//! The leader's side: grants leases, and says when a withdrawal holds on every node.
//!
//! One barrier per process start, fed with applied facts on every node so that a new leader starts
//! with them; only a leader grants and completes waits. See the [module documentation](super) for the
//! rules and the proof.
//!
//! The decision is one number per lease length, the *effective index*: every withdrawal up to it is
//! answered by nobody. It is the larger of what was waited out ([`History`]) and what every node of
//! the barrier set has published or cannot serve ([`Grants::mark`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::id::{BootId, LogIndex, NodeId};

pub use super::answers::{CannotWait, Outcome, Refused};
use super::applied::History;
use super::class::{LeaseLength, LengthsInUse};
use super::clock::BootTime;
use super::grants::{Grants, Mark};
use super::holder::{RenewalReply, RenewalRequest, Surrender};
use super::members::Members;

/// Withdrawals waiting at once. Healthy they wait 50 ms at most, so this is 300,000 per second; a
/// flood during a partition is refused with the time at which it will be effective anyway.
pub const WAITERS_MAX: usize = 16_384;

/// Grants leases and holds withdrawals back until they are effective everywhere.
#[derive(Debug)]
pub struct Barrier {
    members: Members,
    grants: Grants,
    lengths: LengthsInUse,
    applied: LogIndex,
    leading: Option<Leading>,
    waiters: BTreeMap<WaiterId, Waiter>,
    next_waiter: u64,
    lost: Vec<(WaiterId, Outcome)>,
}

/// What a leader knows of its own term.
#[derive(Debug)]
struct Leading {
    term: u64,
    noop: Option<(LogIndex, BootTime)>,
    history: History,
}

/// Names one wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(u64);

#[derive(Debug)]
struct Waiter {
    index: LogIndex,
    length: LeaseLength,
    begun: BootTime,
    give_up_at: BootTime,
}

/// A renewal that arrived and is recorded. It becomes a reply after a ReadIndex round.
#[derive(Debug)]
#[must_use = "run a ReadIndex round, then call `Barrier::grant`"]
pub struct Ticket {
    request: RenewalRequest,
    term: u64,
    arrived: BootTime,
}

impl Barrier {
    /// A barrier that knows the applied state at start: members (voters and learners, joint
    /// configurations united) and nodes that are retiring.
    #[must_use]
    pub fn new(members: BTreeSet<NodeId>, retiring: BTreeSet<NodeId>, lengths: LengthsInUse) -> Self {
        Self {
            members: Members::new(members, retiring),
            grants: Grants::default(),
            lengths,
            applied: LogIndex(0),
            leading: None,
            waiters: BTreeMap::new(),
            next_waiter: 0,
            lost: Vec::new(),
        }
    }

    // -- facts from apply, on every node, in index order ------------------------------------------

    /// Everything up to `index` is applied. `now` is read after the apply.
    pub fn applied(&mut self, index: LogIndex, now: BootTime) {
        self.applied = self.applied.max(index);
        if let Some(Leading { noop: Some(_), history, .. }) = &mut self.leading {
            history.push(index, now);
        }
    }

    /// A configuration was applied (not merely appended): voters and learners, joint ones united.
    pub fn membership(&mut self, nodes: BTreeSet<NodeId>, now: BootTime) {
        self.members.replace(nodes, now);
    }

    /// `retire(node)` was applied: it stays in every barrier until [`Self::retired`].
    pub fn retiring(&mut self, node: NodeId) {
        self.members.retiring(node);
    }

    /// `retired(node)` was applied, W_max after the configuration without it.
    pub fn retired(&mut self, node: NodeId) {
        self.members.retired(node);
    }

    /// Raft handed out `boot` to a process start of `node`. Also call it at start, once for every
    /// node, with the newest of the applied state.
    pub fn booted(&mut self, node: NodeId, boot: BootId) {
        self.grants.booted(node, boot);
    }

    /// The lease lengths in use changed.
    pub fn lengths(&mut self, lengths: LengthsInUse) {
        self.lengths = lengths;
    }

    /// Whether a node is in the applied configuration.
    #[must_use]
    pub fn is_member(&self, node: NodeId) -> bool {
        self.members.contains(node)
    }

    // -- leadership -------------------------------------------------------------------------------

    /// This node was elected. It grants and completes nothing before its no-op is applied. Saying it
    /// twice changes nothing.
    pub fn elected(&mut self, term: u64) {
        if self.leading.as_ref().is_some_and(|leading| leading.term == term) {
            return;
        }
        self.step_down();
        self.leading = Some(Leading { term, noop: None, history: History::default() });
    }

    /// The no-op of the own term, at `index`, is applied. `now` is read after the apply.
    pub fn noop_applied(&mut self, index: LogIndex, now: BootTime) {
        self.applied = self.applied.max(index);
        if let Some(leading) = &mut self.leading {
            leading.noop = Some((index, now));
            leading.history.push(index, now);
            leading.history.push(self.applied, now); // what was applied before anybody told us of the no-op
        }
    }

    /// This node leads no more. Waits end as [`Outcome::LeadershipLost`]; facts stay.
    pub fn step_down(&mut self) {
        for (id, waiter) in std::mem::take(&mut self.waiters) {
            let effective_everywhere_at = self.effective_at(&waiter);
            self.lost.push((id, Outcome::LeadershipLost { effective_everywhere_at }));
        }
        self.leading = None;
    }

    // -- leases -----------------------------------------------------------------------------------

    /// A renewal arrived. It is recorded as a grant *now*, before its quorum round begins: a barrier
    /// decided in the meantime must not overlook it.
    ///
    /// # Errors
    /// Says why this node gets no lease here.
    pub fn request(&mut self, request: &RenewalRequest, now: BootTime) -> Result<Ticket, Refused> {
        let term = self.leading.as_ref().ok_or(Refused::NotLeader)?.term;
        self.admit(request)?;
        self.grants.report(request.node, request.boot, request.published);
        self.grants.request(request.node, request.boot, now);
        Ok(Ticket { request: *request, term, arrived: now })
    }

    /// The ReadIndex round that began after the request arrived returned `read_index`, and that is
    /// applied here. Send the reply at once.
    ///
    /// # Errors
    /// Says why the lease is refused after all.
    pub fn grant(
        &self,
        ticket: Ticket,
        read_index: LogIndex,
        now: BootTime,
    ) -> Result<RenewalReply, Refused> {
        let leading = self.leading.as_ref().filter(|leading| leading.term == ticket.term);
        let leading = leading.ok_or(Refused::NotLeader)?;
        if leading.noop.is_none_or(|(noop, _)| read_index < noop) {
            return Err(Refused::StaleReadIndex { read_index });
        }
        if read_index > self.applied {
            return Err(Refused::NotApplied { read_index });
        }
        if now >= ticket.arrived + LeaseLength::RELAXED_MAX.wait() {
            return Err(Refused::TooLate);
        }
        self.admit(&ticket.request)?;
        Ok(RenewalReply { nonce: ticket.request.nonce, read_index, term: leading.term })
    }

    /// A node says that this process of it has published a generation. Strangers are ignored.
    pub fn report(&mut self, node: NodeId, boot: BootId, published: LogIndex) {
        if self.members.knows(node) {
            self.grants.report(node, boot, published);
        }
    }

    /// A process gave its leases up for ever.
    pub fn surrendered(&mut self, surrender: Surrender) {
        self.grants.surrender(surrender.node, surrender.boot);
    }

    fn admit(&self, request: &RenewalRequest) -> Result<(), Refused> {
        let (node, boot) = (request.node, request.boot);
        if !self.members.contains(node) {
            return Err(Refused::NotMember { node });
        }
        if self.grants.is_surrendered(node, boot) {
            return Err(Refused::Surrendered { node, boot });
        }
        Ok(())
    }

    // -- waits ------------------------------------------------------------------------------------

    /// Waits until the withdrawal committed at `index` is effective everywhere, for a fresh one and
    /// for every replay of its answer alike. `length` is the longest that a node may still apply for its
    /// tenant, or [`LengthsInUse::longest`] across tenants.
    ///
    /// # Errors
    /// Not here, or not now; neither is a success.
    pub fn wait(
        &mut self,
        index: LogIndex,
        length: LeaseLength,
        give_up_at: BootTime,
        now: BootTime,
    ) -> Result<WaiterId, CannotWait> {
        if self.leading.is_none() {
            return Err(CannotWait::NotLeader);
        }
        let waiter = Waiter { index, length, begun: now, give_up_at };
        if self.waiters.len() == WAITERS_MAX {
            return Err(CannotWait::TooMany { effective_everywhere_at: self.effective_at(&waiter) });
        }
        let id = WaiterId(self.next_waiter);
        self.next_waiter += 1;
        self.waiters.insert(id, waiter);
        Ok(id)
    }

    /// The waits that ended. Call it after every event, and at [`Self::next_deadline`].
    pub fn completed(&mut self, now: BootTime) -> Vec<(WaiterId, Outcome)> {
        let mut ended = std::mem::take(&mut self.lost);
        let effective: BTreeMap<_, _> = self
            .lengths_awaited()
            .into_iter()
            .map(|length| (length, self.effective_index(length, now)))
            .collect();
        for (id, waiter) in &self.waiters {
            if waiter.index <= effective[&waiter.length] {
                ended.push((*id, Outcome::Effective));
            } else if now >= waiter.give_up_at {
                let effective_everywhere_at = self.effective_at(waiter);
                ended.push((*id, Outcome::TimedOut { effective_everywhere_at }));
            }
        }
        for (id, _) in &ended {
            self.waiters.remove(id);
        }
        ended
    }

    /// The next time at which [`Self::completed`] may end a wait without another event.
    #[must_use]
    pub fn next_deadline(&self, now: BootTime) -> Option<BootTime> {
        let of_waiters = self.waiters.values().flat_map(|waiter| {
            let waited_out = self.began(waiter.index).map(|began| began + waiter.length.wait());
            [Some(waiter.give_up_at), waited_out]
        });
        let of_nodes = self.lengths_awaited().into_iter().flat_map(|length| {
            let wait = length.wait();
            let expiries =
                self.barrier_set(wait, now).map(move |node| self.grants.next_expiry(node, wait, now));
            expiries.chain([self.knows_all_at(wait)])
        });
        of_waiters.chain(of_nodes).flatten().filter(|at| *at > now).min()
    }

    /// Waits under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.waiters.len()
    }

    /// Every withdrawal up to here is answered by nobody, as far as this leader knows.
    #[must_use]
    pub fn effective_index(&self, length: LeaseLength, now: BootTime) -> LogIndex {
        let Some(Leading { noop: Some(_), history, .. }) = &self.leading else {
            return LogIndex(0);
        };
        let wait = length.wait();
        let waited_out = history.waited_out(wait, now).unwrap_or_default();
        let published = self
            .barrier_set(wait, now)
            .filter_map(|node| match self.mark(node, wait, now) {
                Mark::Clear => None,
                Mark::UpTo(index) => Some(index),
            })
            .min()
            .unwrap_or(self.applied);
        waited_out.max(published).min(self.applied)
    }

    /// The nodes that stand in the way of a withdrawal, for `status` and logs.
    #[must_use]
    pub fn blocking(&self, index: LogIndex, length: LeaseLength, now: BootTime) -> BTreeSet<NodeId> {
        let wait = length.wait();
        self.barrier_set(wait, now)
            .filter(|node| matches!(self.mark(*node, wait, now), Mark::UpTo(mark) if mark < index))
            .collect()
    }

    fn barrier_set(&self, wait: Duration, now: BootTime) -> impl Iterator<Item = NodeId> {
        self.members.barrier_set(now).chain(self.grants.nodes(wait, now))
    }

    fn mark(&self, node: NodeId, wait: Duration, now: BootTime) -> Mark {
        let knows_all = self.knows_all_at(wait).is_some_and(|at| now >= at);
        self.grants.mark(node, wait, knows_all, now)
    }

    /// When every lease that a predecessor granted has surely run out.
    fn knows_all_at(&self, wait: Duration) -> Option<BootTime> {
        let (_, since) = self.leading.as_ref()?.noop?;
        Some(since + wait.max(self.lengths.longest.wait()))
    }

    fn began(&self, index: LogIndex) -> Option<BootTime> {
        self.leading.as_ref()?.history.began(index)
    }

    /// When a withdrawal is effective everywhere, whatever happens. What is waited for is committed,
    /// so a wait from its registration is long enough even where the apply was not seen here.
    fn effective_at(&self, waiter: &Waiter) -> BootTime {
        self.began(waiter.index).unwrap_or(waiter.begun) + waiter.length.wait()
    }

    fn lengths_awaited(&self) -> BTreeSet<LeaseLength> {
        self.waiters.values().map(|waiter| waiter.length).collect()
    }
}
