//! The rules as a transition system.

use stateright::{Model, Property};

/// No request that begins after the acknowledgement is answered from before the withdrawal.
pub const SAFE: &str = "no answer follows the acknowledgement";

/// The first leader, the one elected after it, and one that never leads.
const NODES: usize = 3;
/// Who is elected.
const SECOND: usize = 1;
/// Who never leads, and may be removed.
const THIRD: usize = 2;

/// What a careless implementation would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The lease carries the time of the reply, not of the request.
    StampedAtReply,
    /// A leader answers renewals without a quorum round.
    LeaseRead,
    /// The generation is loaded before the lease is captured.
    LookupBeforeCapture,
    /// The check before the answer looks at the lease the node has by then.
    SecondCheckOfNewerLease,
    /// The applied index is told, and leases stored under it, before the generation is swapped.
    AppliedBeforeGeneration,
    /// A key that was derived under an older generation enters the cache after the purge.
    UnguardedFill,
    /// A new leader takes silence for "holds no lease" at once.
    NewLeaderTrustsSilence,
    /// A grant is recorded with the reply, not on arrival of the request.
    GrantRecordedAtReply,
    /// The wait for a withdrawal of an earlier term begins with the election's clock at zero.
    OldWithdrawalNotWaitedFor,
    /// A leader does not wait for a node whose removal it has applied.
    RemovedNotWaitedFor,
}

impl Bug {
    pub const ALL: [Self; 10] = [
        Self::StampedAtReply,
        Self::LeaseRead,
        Self::LookupBeforeCapture,
        Self::SecondCheckOfNewerLease,
        Self::AppliedBeforeGeneration,
        Self::UnguardedFill,
        Self::NewLeaderTrustsSilence,
        Self::GrantRecordedAtReply,
        Self::OldWithdrawalNotWaitedFor,
        Self::RemovedNotWaitedFor,
    ];
}

/// The model, with or without a bug.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    /// L, in ticks; and W, as clocks are equal. Times are kept as ages, and an age beyond it says no more: so the
    /// model has no end of time.
    pub length: u8,
    pub bug: Option<Bug>,
}

/// Everything there is at a moment. One node is watched: leases, requests and what leaders know are kept for it
/// alone. A barrier passes when it may pass for every node; here it may always pass for the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Committed entries: index i is the i-th.
    log: Vec<Entry>,
    nodes: [Node; NODES],
    watched: usize,
    /// How long ago the lease in its cell was sent; a request may capture one that has run out.
    lease: Option<u8>,
    renewal: Option<Renewal>,
    request: Option<Request>,
    /// The key's derivation is under way there; and it lies in the cache.
    filling: bool,
    cached: bool,
    acknowledged: bool,
    /// A request that began after the acknowledgement was answered with the key.
    violated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    /// The first of a term.
    NoOp,
    Withdrawal,
    /// The membership without the third node.
    Removal,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Node {
    /// Entries told as applied, and those in the generation requests load.
    applied: usize,
    generation: usize,
    leads: Option<Leader>,
}

/// A renewal under way, and how long ago it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Renewal {
    sent: u8,
    at: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Sent,
    Arrived { leader: usize },
    Replied { read_index: usize },
}

/// A request for the key under way; it began after the acknowledgement. The age of its lease, and its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Request {
    lease: Option<u8>,
    generation: Option<usize>,
}

/// What a leader knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Leader {
    /// Its own no-op's place, and how long ago it applied it.
    no_op: usize,
    no_op_applied: Option<u8>,
    withdrawal_applied: Option<u8>,
    /// How long ago the last renewal arrived, while a lease may come of it; whether the withdrawal was reported.
    granted: Option<u8>,
    reported: bool,
}

/// What may happen next; a number is a leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Tick,
    Elect,
    Withdraw,
    Remove,
    Acknowledge(usize),
    Apply(usize),
    Swap(usize),
    Report(usize),
    Send,
    Arrive(usize),
    Reply,
    Store,
    Lose,
    BeginFill,
    EndFill,
    Begin,
    Capture,
    Load,
    Answer,
}

impl World {
    /// Whether a quorum follows this leader: nobody was elected after it.
    fn has_quorum(&self, leader: usize) -> bool {
        leader == SECOND || self.nodes[SECOND].leads.is_none()
    }

    /// How many entries a generation with the withdrawal has; none committed: more than there are.
    fn withdrawal(&self) -> usize {
        self.place(Entry::Withdrawal)
    }

    fn place(&self, what: Entry) -> usize {
        let at = self.log.iter().position(|entry| *entry == what);
        at.map_or(usize::MAX, |at| at + 1)
    }

    /// Whether the watched node is no member any more, as far as this node knows.
    fn knows_removal(&self, n: usize) -> bool {
        self.nodes[n].generation >= self.place(Entry::Removal)
    }

    fn leaders(&self) -> impl Iterator<Item = (usize, &Leader)> {
        self.nodes.iter().enumerate().filter_map(|(n, node)| Some((n, node.leads.as_ref()?)))
    }

    fn leaders_mut(&mut self) -> impl Iterator<Item = &mut Leader> {
        self.nodes.iter_mut().filter_map(|node| node.leads.as_mut())
    }

    /// Time goes on, for everybody alike.
    fn tick(&mut self, length: u8) {
        let older = |age: u8| (age + 1).min(length);
        let while_good = |age: Option<u8>| age.map(older).filter(|age| *age < length);
        self.lease = self.lease.map(older);
        if let Some(renewal) = &mut self.renewal {
            renewal.sent = older(renewal.sent);
        }
        if let Some(request) = &mut self.request {
            request.lease = request.lease.map(older);
        }
        for leader in self.leaders_mut() {
            leader.no_op_applied = leader.no_op_applied.map(older);
            leader.withdrawal_applied = leader.withdrawal_applied.map(older);
            leader.granted = while_good(leader.granted);
        }
    }

    /// What node `n` was told it applied is what its requests load from now on.
    fn swap(&mut self, n: usize, wait: u8) {
        let (withdrawal, acknowledged) = (self.withdrawal(), self.acknowledged);
        let node = &mut self.nodes[n];
        let first_of_a_term = self.log[node.applied - 1] == Entry::NoOp;
        node.generation = node.applied;
        if first_of_a_term && node.leads.as_ref().is_some_and(|it| it.no_op + 1 < node.applied) {
            node.leads = None; // it hears of a new leader by that leader's first entry, at the latest
        }
        if let Some(leader) = &mut node.leads {
            if node.generation > leader.no_op {
                leader.no_op_applied.get_or_insert(if acknowledged { wait } else { 0 });
            }
            if node.generation >= withdrawal && !acknowledged {
                leader.withdrawal_applied.get_or_insert(0);
            }
        }
        if n == self.watched && self.nodes[n].generation == withdrawal {
            self.cached = false;
        }
    }
}

impl Cluster {
    fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether the barrier of the withdrawal lets leader `n` acknowledge.
    fn passes(&self, world: &World, n: usize, leader: &Leader) -> bool {
        let (Some(no_op), Some(applied)) = (leader.no_op_applied, leader.withdrawal_applied) else {
            return false;
        };
        let waited = match world.withdrawal() <= leader.no_op {
            true => no_op >= self.length || self.is(Bug::OldWithdrawalNotWaitedFor),
            false => applied >= self.length,
        };
        let knows_all = no_op >= self.length || self.is(Bug::NewLeaderTrustsSilence);
        let left_out = self.is(Bug::RemovedNotWaitedFor) && world.knows_removal(n);
        leader.reported || waited || (knows_all && leader.granted.is_none()) || left_out
    }

    /// What may become of the watched node's renewal.
    fn of_renewal(&self, world: &World, steps: &mut Vec<Step>) {
        let Some(renewal) = world.renewal else { return steps.push(Step::Send) };
        let node = &world.nodes[world.watched];
        steps.push(Step::Lose);
        match renewal.at {
            Stage::Sent => {
                let admits = |n: &usize| !world.knows_removal(*n);
                steps.extend(world.leaders().map(|(n, _)| n).filter(admits).map(Step::Arrive));
            }
            Stage::Arrived { leader } => {
                let led = world.nodes[leader].leads.as_ref().is_some_and(|it| it.no_op_applied.is_some());
                let confirmed = world.has_quorum(leader) || self.is(Bug::LeaseRead);
                steps.extend((led && confirmed).then_some(Step::Reply));
            }
            Stage::Replied { read_index } => {
                let told = if self.is(Bug::AppliedBeforeGeneration) { node.applied } else { node.generation };
                steps.extend((told >= read_index).then_some(Step::Store));
            }
        }
    }

    /// What may become of the watched node's request, and of its cache.
    fn of_request(&self, world: &World, steps: &mut Vec<Step>) {
        let loads_first = self.is(Bug::LookupBeforeCapture);
        match world.request {
            // Requests from before the acknowledgement may be answered either way.
            None => steps.extend(world.acknowledged.then_some(Step::Begin)),
            Some(Request { lease: None, generation }) if generation.is_some() == loads_first => {
                steps.extend(world.lease.map(|_| Step::Capture));
            }
            Some(Request { generation: None, .. }) => steps.push(Step::Load),
            Some(_) => steps.push(Step::Answer),
        }
        let before = world.nodes[world.watched].generation < world.withdrawal();
        if world.filling {
            steps.push(Step::EndFill);
        } else if self.is(Bug::UnguardedFill) && before && !world.cached {
            steps.push(Step::BeginFill); // guarded fills change nothing here: the generation refuses
        }
    }

    fn take(&self, world: &mut World, step: Step) {
        let watched = world.watched;
        match step {
            Step::Tick => world.tick(self.length),
            Step::Elect => {
                world.nodes[SECOND].leads = Some(Leader { no_op: world.log.len(), ..Leader::default() });
                world.log.push(Entry::NoOp);
            }
            Step::Withdraw => world.log.push(Entry::Withdrawal),
            Step::Remove => world.log.push(Entry::Removal),
            Step::Acknowledge(_) => {
                world.acknowledged = true;
                // What leaders knew for that is of no interest any more.
                for leader in world.leaders_mut() {
                    (leader.granted, leader.reported, leader.withdrawal_applied) = (None, false, None);
                    leader.no_op_applied = leader.no_op_applied.map(|_| self.length);
                }
            }
            Step::Apply(n) => {
                world.nodes[n].applied += 1;
                if !self.is(Bug::AppliedBeforeGeneration) {
                    world.swap(n, self.length);
                }
            }
            Step::Swap(n) => world.swap(n, self.length),
            Step::Report(l) => world.nodes[l].leads.as_mut().unwrap().reported = true,
            Step::Send => world.renewal = Some(Renewal { sent: 0, at: Stage::Sent }),
            Step::Arrive(leader) => {
                world.renewal.as_mut().unwrap().at = Stage::Arrived { leader };
                if !self.is(Bug::GrantRecordedAtReply) && !world.acknowledged {
                    world.nodes[leader].leads.as_mut().unwrap().granted = Some(0);
                }
            }
            Step::Reply => {
                let renewal = world.renewal.unwrap();
                let Stage::Arrived { leader } = renewal.at else { return };
                let read_index =
                    if self.is(Bug::LeaseRead) { world.nodes[leader].generation } else { world.log.len() };
                world.renewal = Some(Renewal { at: Stage::Replied { read_index }, ..renewal });
            }
            Step::Store => {
                let sent = world.renewal.take().unwrap().sent;
                let sent = if self.is(Bug::StampedAtReply) { 0 } else { sent };
                if self.is(Bug::GrantRecordedAtReply) && !world.acknowledged {
                    world.leaders_mut().for_each(|leader| leader.granted = Some(0));
                }
                let newest = world.lease.map_or(sent, |age| age.min(sent));
                world.lease = Some(newest);
            }
            Step::Lose => world.renewal = None,
            Step::BeginFill => world.filling = true,
            Step::EndFill => (world.filling, world.cached) = (false, true),
            Step::Begin => world.request = Some(Request { lease: None, generation: None }),
            Step::Capture => world.request.as_mut().unwrap().lease = world.lease,
            Step::Load => world.request.as_mut().unwrap().generation = Some(world.nodes[watched].generation),
            Step::Answer => {
                let request = world.request.take().unwrap();
                let captured = request.lease.unwrap();
                let newest = world.lease.map_or(captured, |age| age.min(captured));
                let age = if self.is(Bug::SecondCheckOfNewerLease) { newest } else { captured };
                let allowed = request.generation.unwrap() < world.withdrawal() || world.cached;
                world.violated |= allowed && age < self.length;
            }
        }
    }
}

impl Model for Cluster {
    type State = World;
    type Action = Step;

    /// The watched node leads first, or later, or never.
    fn init_states(&self) -> Vec<World> {
        let world = |watched| {
            let mut nodes = [Node::default(), Node::default(), Node::default()];
            nodes[0].leads = Some(Leader::default());
            World {
                log: vec![Entry::NoOp],
                nodes,
                watched,
                lease: None,
                renewal: None,
                request: None,
                filling: false,
                cached: false,
                acknowledged: false,
                violated: false,
            }
        };
        (0..NODES).map(world).collect()
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        steps.push(Step::Tick);
        steps.extend(world.nodes[SECOND].leads.is_none().then_some(Step::Elect));
        self.of_renewal(world, steps);
        self.of_request(world, steps);
        for (n, node) in world.nodes.iter().enumerate() {
            let matters = n == world.watched || node.leads.is_some();
            if matters && node.applied < world.log.len() && node.applied == node.generation {
                steps.push(Step::Apply(n));
            }
            steps.extend((node.generation < node.applied).then_some(Step::Swap(n)));
        }
        let published = world.nodes[world.watched].applied >= world.withdrawal();
        for (n, leader) in world.leaders() {
            let leads = world.has_quorum(n) && leader.no_op_applied.is_some();
            steps.extend((leads && world.withdrawal() == usize::MAX).then_some(Step::Withdraw));
            let removable = world.watched == THIRD && world.place(Entry::Removal) == usize::MAX;
            steps.extend((leads && removable).then_some(Step::Remove));
            if world.acknowledged {
                continue;
            }
            steps.extend(self.passes(world, n, leader).then_some(Step::Acknowledge(n)));
            steps.extend((published && !leader.reported).then_some(Step::Report(n)));
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        self.take(&mut next, step);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let safe = Property::always(SAFE, |_, world: &World| !world.violated);
        if self.bug.is_some() {
            return vec![safe]; // the search ends when it is broken
        }
        vec![
            safe,
            Property::sometimes("a withdrawal is acknowledged", |_, world: &World| world.acknowledged),
            Property::sometimes("past a node that knows nothing of it", |_, world: &World| {
                world.acknowledged && world.nodes[world.watched].generation < world.withdrawal()
            }),
            Property::sometimes("by a new leader, what the old one withdrew", |_, world: &World| {
                let old = |it: &Leader| world.withdrawal() <= it.no_op && it.no_op_applied.is_some();
                world.acknowledged && world.nodes[SECOND].leads.as_ref().is_some_and(old)
            }),
            Property::sometimes("past a node that was removed", |_, world: &World| {
                world.acknowledged && world.leaders().any(|(n, _)| world.knows_removal(n))
            }),
            Property::sometimes(
                "and the key's node answers others meanwhile",
                |model: &Self, world: &World| {
                    world.acknowledged
                        && world.lease.is_some_and(|age| age < model.length)
                        && world.request.is_some()
                },
            ),
        ]
    }
}
