//! The rules as a transition system.

use stateright::{Model, Property};

/// No request that begins after the acknowledgement is answered from before the withdrawal.
pub const SAFE: &str = "no answer follows the acknowledgement";

const NODES: usize = 2;
/// L, in ticks. Times are kept as ages, and an age beyond it says no more: so the model has no end of time.
const LENGTH: u8 = 2;
/// W: clocks are equal, so the wait is the length.
const WAIT: u8 = LENGTH;
/// Elections after the first leader.
const ELECTIONS: u8 = 1;

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
}

impl Bug {
    pub const ALL: [Self; 9] = [
        Self::StampedAtReply,
        Self::LeaseRead,
        Self::LookupBeforeCapture,
        Self::SecondCheckOfNewerLease,
        Self::AppliedBeforeGeneration,
        Self::UnguardedFill,
        Self::NewLeaderTrustsSilence,
        Self::GrantRecordedAtReply,
        Self::OldWithdrawalNotWaitedFor,
    ];
}

/// The model, with or without a bug.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    pub bug: Option<Bug>,
}

/// Everything there is at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Committed entries: index i is the i-th.
    log: Vec<Entry>,
    nodes: [Node; NODES],
    acknowledged: bool,
    /// A request that began after the acknowledgement was answered with the key.
    violated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    /// The first of a term.
    NoOp,
    Withdrawal,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Node {
    /// Entries told as applied, and those in the generation requests load.
    applied: usize,
    generation: usize,
    /// How long ago the lease in the cell was sent, while that is good for anything.
    lease: Option<u8>,
    renewal: Option<Renewal>,
    request: Option<Request>,
    /// The key's derivation is under way; and it lies in the cache.
    filling: bool,
    cached: bool,
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Leader {
    term: u8,
    /// Its own no-op's place, and how long ago it applied it.
    no_op: usize,
    no_op_applied: Option<u8>,
    withdrawal_applied: Option<u8>,
    /// How long ago each node's last renewal arrived, while a lease may come of it; who reported the withdrawal.
    granted: [Option<u8>; NODES],
    reported: [bool; NODES],
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Tick,
    Elect(usize),
    Withdraw(usize),
    Acknowledge(usize),
    Apply(usize),
    Swap(usize),
    Report(usize, usize),
    Send(usize),
    Arrive(usize, usize),
    Reply(usize),
    Store(usize),
    Lose(usize),
    BeginFill(usize),
    EndFill(usize),
    Begin(usize),
    Capture(usize),
    Load(usize),
    Answer(usize),
}

impl World {
    fn term(&self) -> u8 {
        self.nodes.iter().filter_map(|node| node.leads.as_ref()).map(|leader| leader.term).max().unwrap_or(0)
    }

    /// How many entries a generation with the withdrawal has; none committed: more than there are.
    fn withdrawal(&self) -> usize {
        let at = self.log.iter().position(|entry| *entry == Entry::Withdrawal);
        at.map_or(usize::MAX, |at| at + 1)
    }

    /// Time goes on, for everybody alike.
    fn tick(&mut self) {
        let older = |age: u8| (age + 1).min(LENGTH);
        let while_good = |age: Option<u8>| age.map(older).filter(|age| *age < LENGTH);
        for node in &mut self.nodes {
            node.lease = while_good(node.lease);
            if let Some(renewal) = &mut node.renewal {
                renewal.sent = older(renewal.sent);
            }
            if let Some(request) = &mut node.request {
                request.lease = request.lease.map(older);
            }
            if let Some(leader) = &mut node.leads {
                leader.no_op_applied = leader.no_op_applied.map(older);
                leader.withdrawal_applied = leader.withdrawal_applied.map(older);
                leader.granted = leader.granted.map(while_good);
            }
        }
    }
}

impl Cluster {
    fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether the barrier of the withdrawal lets leader `l` acknowledge.
    fn passes(&self, world: &World, l: usize) -> bool {
        let Some(leader) = &world.nodes[l].leads else { return false };
        let (Some(no_op), Some(applied)) = (leader.no_op_applied, leader.withdrawal_applied) else {
            return false;
        };
        let waited = match world.withdrawal() <= leader.no_op {
            true => no_op >= WAIT || self.is(Bug::OldWithdrawalNotWaitedFor),
            false => applied >= WAIT,
        };
        let knows_all = no_op >= WAIT || self.is(Bug::NewLeaderTrustsSilence);
        (0..NODES).all(|n| leader.reported[n] || waited || (knows_all && leader.granted[n].is_none()))
    }

    /// The steps of one node that may happen.
    fn of_node(&self, world: &World, n: usize, steps: &mut Vec<Step>) {
        let node = &world.nodes[n];
        if node.applied < world.log.len() && node.applied == node.generation {
            steps.push(Step::Apply(n));
        }
        if node.generation < node.applied {
            steps.push(Step::Swap(n));
        }
        let stored = |read_index| match self.is(Bug::AppliedBeforeGeneration) {
            true => node.applied >= read_index,
            false => node.generation >= read_index,
        };
        match node.renewal.map(|renewal| renewal.at) {
            None => steps.push(Step::Send(n)),
            Some(Stage::Sent) => {
                let leaders = (0..NODES).filter(|l| world.nodes[*l].leads.is_some());
                steps.extend(leaders.map(|l| Step::Arrive(n, l)));
            }
            Some(Stage::Arrived { leader }) => {
                let quorum = world.nodes[leader].leads.as_ref().is_some_and(|it| {
                    it.no_op_applied.is_some() && (it.term == world.term() || self.is(Bug::LeaseRead))
                });
                steps.extend(quorum.then_some(Step::Reply(n)));
            }
            Some(Stage::Replied { read_index }) => steps.extend(stored(read_index).then_some(Step::Store(n))),
        }
        if node.renewal.is_some() {
            steps.push(Step::Lose(n));
        }
        match (node.filling, node.cached) {
            (true, _) => steps.push(Step::EndFill(n)),
            // Only what can outlive the withdrawal is of interest, and only where it is not guarded.
            (false, false) if self.is(Bug::UnguardedFill) && node.generation < world.withdrawal() => {
                steps.push(Step::BeginFill(n));
            }
            _ => {}
        }
        let loads_first = self.is(Bug::LookupBeforeCapture);
        match node.request {
            // Requests from before the acknowledgement may be answered either way.
            None => steps.extend(world.acknowledged.then_some(Step::Begin(n))),
            Some(Request { lease: None, generation, .. }) if generation.is_some() == loads_first => {
                steps.extend(node.lease.map(|_| Step::Capture(n)));
            }
            Some(Request { generation: None, .. }) => steps.push(Step::Load(n)),
            Some(_) => steps.push(Step::Answer(n)),
        }
    }

    fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Tick => world.tick(),
            Step::Elect(n) => {
                let leader = Leader::new(world.term() + 1, world.log.len());
                world.log.push(Entry::NoOp);
                world.nodes[n].leads = Some(leader);
            }
            Step::Withdraw(_) => world.log.push(Entry::Withdrawal),
            Step::Acknowledge(_) => {
                world.acknowledged = true;
                // What leaders knew for that is of no interest any more.
                for leader in world.nodes.iter_mut().filter_map(|node| node.leads.as_mut()) {
                    (leader.granted, leader.reported) = ([None; NODES], [false; NODES]);
                    leader.withdrawal_applied = None;
                }
            }
            Step::Apply(n) => {
                world.nodes[n].applied += 1;
                if !self.is(Bug::AppliedBeforeGeneration) {
                    self.take(world, Step::Swap(n));
                }
            }
            Step::Swap(n) => {
                let withdrawal = world.withdrawal();
                let of_another_term = world.log[world.nodes[n].applied - 1] == Entry::NoOp;
                let node = &mut world.nodes[n];
                node.generation = node.applied;
                if of_another_term && node.leads.as_ref().is_some_and(|it| it.no_op + 1 != node.applied) {
                    node.leads = None; // it hears of a new leader by that leader's first entry, at the latest
                }
                if node.generation == withdrawal {
                    node.cached = false;
                }
                if let Some(leader) = &mut node.leads {
                    if node.generation > leader.no_op {
                        leader.no_op_applied.get_or_insert(0);
                    }
                    if node.generation >= withdrawal && !world.acknowledged {
                        leader.withdrawal_applied.get_or_insert(0);
                    }
                }
            }
            Step::Report(n, l) => world.nodes[l].leads.as_mut().unwrap().reported[n] = true,
            Step::Send(n) => world.nodes[n].renewal = Some(Renewal { sent: 0, at: Stage::Sent }),
            Step::Arrive(n, leader) => {
                world.nodes[n].renewal.as_mut().unwrap().at = Stage::Arrived { leader };
                if !self.is(Bug::GrantRecordedAtReply) && !world.acknowledged {
                    world.nodes[leader].leads.as_mut().unwrap().granted[n] = Some(0);
                }
            }
            Step::Reply(n) => {
                let renewal = world.nodes[n].renewal.unwrap();
                let Stage::Arrived { leader } = renewal.at else { return };
                let read_index =
                    if self.is(Bug::LeaseRead) { world.nodes[leader].generation } else { world.log.len() };
                world.nodes[n].renewal = Some(Renewal { at: Stage::Replied { read_index }, ..renewal });
            }
            Step::Store(n) => {
                let sent = world.nodes[n].renewal.take().unwrap().sent;
                let sent = if self.is(Bug::StampedAtReply) { 0 } else { sent };
                if self.is(Bug::GrantRecordedAtReply) && !world.acknowledged {
                    for leader in world.nodes.iter_mut().filter_map(|node| node.leads.as_mut()) {
                        leader.granted[n] = Some(0);
                    }
                }
                let newest = world.nodes[n].lease.map_or(sent, |age| age.min(sent));
                world.nodes[n].lease = (newest < LENGTH).then_some(newest);
            }
            Step::Lose(n) => world.nodes[n].renewal = None,
            Step::BeginFill(n) => world.nodes[n].filling = true,
            Step::EndFill(n) => (world.nodes[n].filling, world.nodes[n].cached) = (false, true),
            Step::Begin(n) => {
                world.nodes[n].request = Some(Request { lease: None, generation: None });
            }
            Step::Capture(n) => {
                let lease = world.nodes[n].lease;
                world.nodes[n].request.as_mut().unwrap().lease = lease;
            }
            Step::Load(n) => {
                let generation = world.nodes[n].generation;
                world.nodes[n].request.as_mut().unwrap().generation = Some(generation);
            }
            Step::Answer(n) => {
                let request = world.nodes[n].request.take().unwrap();
                let captured = request.lease.unwrap();
                let newest = world.nodes[n].lease.map_or(captured, |age| age.min(captured));
                let age = if self.is(Bug::SecondCheckOfNewerLease) { newest } else { captured };
                let allowed = request.generation.unwrap() < world.withdrawal() || world.nodes[n].cached;
                world.violated |= allowed && age < LENGTH;
            }
        }
    }
}

impl Leader {
    fn new(term: u8, no_op: usize) -> Self {
        Self {
            term,
            no_op,
            no_op_applied: None,
            withdrawal_applied: None,
            granted: [None; NODES],
            reported: [false; NODES],
        }
    }
}

impl Model for Cluster {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut nodes = [Node::default(), Node::default()];
        nodes[0].leads = Some(Leader::new(1, 0));
        vec![World { log: vec![Entry::NoOp], nodes, acknowledged: false, violated: false }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        steps.push(Step::Tick);
        for n in 0..NODES {
            self.of_node(world, n, steps);
            let Some(leader) = &world.nodes[n].leads else {
                steps.extend((world.term() <= ELECTIONS).then_some(Step::Elect(n)));
                continue;
            };
            let leads = leader.term == world.term() && leader.no_op_applied.is_some();
            steps.extend((leads && world.withdrawal() == usize::MAX).then_some(Step::Withdraw(n)));
            if !world.acknowledged && self.passes(world, n) {
                steps.push(Step::Acknowledge(n));
            }
            let news = |of: &usize| world.nodes[*of].applied >= world.withdrawal() && !leader.reported[*of];
            steps.extend(
                (0..NODES).filter(|of| !world.acknowledged && news(of)).map(|of| Step::Report(of, n)),
            );
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
            Property::sometimes(
                "it is acknowledged past a node that knows nothing of it",
                |_, world: &World| {
                    let ignorant = |node: &Node| node.generation < world.withdrawal();
                    world.acknowledged && world.nodes.iter().any(ignorant)
                },
            ),
            Property::sometimes("a new leader acknowledges what the old one withdrew", |_, world: &World| {
                let new = |leader: &Leader| leader.term == 2 && leader.no_op >= world.withdrawal();
                let gone = world.nodes[1].leads.as_ref().is_some_and(new);
                world.acknowledged && gone
            }),
        ]
    }
}
