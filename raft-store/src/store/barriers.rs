//! The barrier, driven: facts go in as they are applied, waits come out as futures.
//!
//! The decisions are `lease::barrier`'s. This file owns the lock around it, reads the clock, and keeps
//! one rule of order: a fact is told before anybody can have concluded anything from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::id::{BootId, LogIndex, NodeId, TenantHandle};
use model::state::State;
use tokio::sync::{Notify, oneshot, watch};

use crate::danger::{self, Bug};
use crate::env::Clock;
use crate::lease::barrier::{Barrier, CannotWait, Outcome, Refused, Ticket, WaiterId};
use crate::lease::class::{LeaseLength, LengthsInUse};
use crate::lease::clock::BootTime;
use crate::lease::holder::{RenewalReply, RenewalRequest, Surrender};
use crate::machine::Serving;
use crate::peer::gate::Gate;
use crate::raft::watched::Listener;
use crate::types::EntryId;

/// Beyond W, how long a wait goes on before it is told as timed out: room for the deadline itself.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_millis(500);

pub(crate) struct Barriers {
    me: NodeId,
    clock: Arc<dyn Clock>,
    serving: Serving,
    gate: Arc<Gate>,
    core: Mutex<Core>,
    told: watch::Sender<LogIndex>,
    kicked: Notify,
}

struct Core {
    barrier: Barrier,
    waiting: BTreeMap<WaiterId, oneshot::Sender<Outcome>>,
    /// Boot ids already told.
    boots: BTreeMap<NodeId, BootId>,
    /// Retiring nodes already told.
    retiring: BTreeSet<NodeId>,
    /// The term this node leads.
    term: Option<u64>,
    /// Its no-op is not applied yet.
    noop_due: bool,
    last: Option<EntryId>,
    /// The highest index waited for, and which nodes are being asked for it.
    wanted: LogIndex,
    asking: BTreeSet<NodeId>,
}

impl Barriers {
    pub fn new(
        me: NodeId,
        clock: Arc<dyn Clock>,
        serving: Serving,
        gate: Arc<Gate>,
        members: BTreeSet<NodeId>,
    ) -> Self {
        let state = &serving.load().state;
        let retiring: BTreeSet<_> = state.retiring().collect();
        let barrier = Barrier::new(members, retiring.clone(), lengths(state));
        let core = Core {
            barrier,
            waiting: BTreeMap::new(),
            boots: BTreeMap::new(),
            retiring,
            term: None,
            noop_due: false,
            last: None,
            wanted: LogIndex(0),
            asking: BTreeSet::new(),
        };
        let told = watch::Sender::new(LogIndex(0));
        let barriers = Self {
            me,
            clock,
            serving: serving.clone(),
            gate,
            core: Mutex::new(core),
            told,
            kicked: Notify::new(),
        };
        barriers.lock().tell_boots(state);
        barriers
    }

    /// Raft says who leads. Idempotent.
    pub fn leadership(&self, term: Option<u64>) {
        let now = self.clock.boot();
        let mut core = self.lock();
        if core.term == term {
            return;
        }
        (core.term, core.noop_due) = (term, term.is_some());
        match term {
            Some(term) => core.barrier.elected(term),
            None => core.barrier.step_down(),
        }
        if let Some(last) = core.last {
            core.noop(self.me, last, now); // it may have been applied before we heard of the election
        }
        drop(core);
        self.kicked.notify_one();
    }

    /// A renewal arrived: recorded before its quorum round begins.
    pub fn request(&self, request: &RenewalRequest) -> Result<Ticket, Refused> {
        let now = self.clock.boot();
        self.lock().barrier.request(request, now)
    }

    /// Its quorum round is over.
    pub async fn grant(&self, ticket: Ticket, read_index: LogIndex) -> Result<RenewalReply, Refused> {
        let mut told = self.told.subscribe();
        if told.wait_for(|told| *told >= read_index).await.is_err() {
            return Err(Refused::NotApplied { read_index });
        }
        self.lock().barrier.grant(ticket, read_index, self.clock.boot())
    }

    /// A node has published.
    pub fn report(&self, node: NodeId, boot: BootId, published: LogIndex) {
        self.lock().barrier.report(node, boot, published);
        self.kicked.notify_one();
    }

    /// A process gave its leases up.
    pub fn surrendered(&self, surrender: Surrender) {
        self.lock().barrier.surrendered(surrender);
        self.kicked.notify_one();
    }

    /// Waits until a withdrawal is effective everywhere, for as long as the lease of its tenant (or the longest
    /// of all) may last, and no longer than `patience`. Also says which nodes nobody asks yet.
    pub fn wait(
        &self,
        index: LogIndex,
        tenant: Option<TenantHandle>,
        patience: Duration,
    ) -> Result<(oneshot::Receiver<Outcome>, BTreeSet<NodeId>), CannotWait> {
        let generation = self.serving.load();
        let length = length_of(&generation.state, tenant);
        let now = self.clock.boot();
        let mut core = self.lock();
        core.barrier.lengths(lengths(&generation.state));
        let give_up_at = now + patience.min(length.wait() + GIVE_UP_AFTER);
        let id = core.barrier.wait(index, length, give_up_at, now)?;
        let (done, outcome) = oneshot::channel();
        core.waiting.insert(id, done);
        core.wanted = core.wanted.max(index);
        let to_ask: BTreeSet<_> = core
            .barrier
            .blocking(index, length, now)
            .into_iter()
            .filter(|node| *node != self.me && !core.asking.contains(node))
            .collect();
        core.asking.extend(&to_ask);
        drop(core);
        self.kicked.notify_one();
        Ok((outcome, to_ask))
    }

    /// Every withdrawal of tenants with this length up to here is effective everywhere, as far as this node
    /// knows; nothing unless it leads.
    pub fn effective_index(&self, length: LeaseLength) -> LogIndex {
        let now = self.clock.boot();
        self.lock().barrier.effective_index(length, now)
    }

    /// Whether a node is in the applied configuration.
    pub fn is_member(&self, node: NodeId) -> bool {
        self.lock().barrier.is_member(node)
    }

    /// What `node` is still to be asked for; `None` ends the asking.
    pub fn still_wanted(&self, node: NodeId) -> Option<LogIndex> {
        let now = self.clock.boot();
        let mut core = self.lock();
        let wanted = core.wanted;
        let length = lengths(&self.serving.load().state).longest;
        let needed = core.term.is_some()
            && !core.waiting.is_empty()
            && core.barrier.blocking(wanted, length, now).contains(&node);
        if !needed {
            core.asking.remove(&node);
        }
        needed.then_some(wanted)
    }

    /// Ends waits as events and deadlines allow. Runs as long as the node.
    pub async fn drive(&self) {
        loop {
            let next = self.complete();
            let now = self.clock.boot();
            match next.map(|at| at.since(now).unwrap_or_default()) {
                Some(pause) => tokio::select! {
                    () = self.kicked.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                },
                None => self.kicked.notified().await,
            }
        }
    }

    fn complete(&self) -> Option<BootTime> {
        let now = self.clock.boot();
        let mut core = self.lock();
        for (id, outcome) in core.barrier.completed(now) {
            if let Some(done) = core.waiting.remove(&id) {
                let _ = done.send(outcome); // nobody listens: the caller's time was up
            }
        }
        core.barrier.next_deadline(now)
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Barriers {
    fn applied(&self, last: EntryId, configurations: Vec<BTreeSet<NodeId>>) {
        let generation = self.serving.load();
        let now = self.clock.boot();
        let mut core = self.lock();
        if core.term.is_some_and(|term| last.leader_id.term > term) {
            // Another leads, and Raft has not said so here yet: what it granted is not known here.
            core.barrier.step_down();
        }
        for nodes in configurations {
            core.barrier.membership(nodes, now);
        }
        core.tell_boots(&generation.state);
        core.tell_retiring(&generation.state);
        core.last = Some(last);
        core.noop(self.me, last, now);
        core.barrier.applied(LogIndex(last.index), now);
        if let Some(boot) = self.gate.boot() {
            core.barrier.report(self.me, boot, generation.index);
        }
        drop(core);
        self.told.send_replace(LogIndex(last.index));
        self.kicked.notify_one();
    }
}

impl Core {
    /// Tells the barrier of new process starts. The map has one entry per node that ever started.
    fn tell_boots(&mut self, state: &State) {
        for (node, boot) in state.boots() {
            if self.boots.insert(node, boot) != Some(boot) {
                self.barrier.booted(node, boot);
            }
        }
    }

    /// Tells the barrier who is leaving and who has left. Hardly ever is anybody.
    fn tell_retiring(&mut self, state: &State) {
        let now: BTreeSet<_> = state.retiring().collect();
        for node in now.difference(&self.retiring) {
            self.barrier.retiring(*node);
        }
        for node in self.retiring.difference(&now) {
            self.barrier.retired(*node);
        }
        self.retiring = now;
    }

    /// The first entry of the own term that is seen applied stands for the no-op: not before it.
    fn noop(&mut self, me: NodeId, applied: EntryId, now: BootTime) {
        let leader = applied.leader_id;
        if self.noop_due && self.term == Some(leader.term) && leader.node_id == me.0 {
            let now = if danger::has(Bug::NewLeaderSkipsWait) { danger::long_before(now) } else { now };
            self.barrier.noop_applied(LogIndex(applied.index), now);
            self.noop_due = false;
        }
    }
}

/// The lease lengths in use.
pub(crate) fn lengths(state: &State) -> LengthsInUse {
    let (shortest, longest) = state.lease_ms_bounds();
    LengthsInUse { shortest: length(shortest), longest: length(longest) }
}

/// What a barrier waits for: the longest lease that a node may still apply for the tenant; across tenants, and
/// for one that is not known here, the longest of all.
pub(crate) fn length_of(state: &State, tenant: Option<TenantHandle>) -> LeaseLength {
    match tenant.and_then(|tenant| state.tenant(tenant)) {
        Some(tenant) => length(tenant.barrier_lease_ms()),
        None => lengths(state).longest,
    }
}

/// The state admits no other length; one that is none counts as the longest, which only delays.
fn length(ms: u32) -> LeaseLength {
    LeaseLength::from_millis(ms).unwrap_or(LeaseLength::RELAXED_MAX)
}
