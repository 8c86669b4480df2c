//! What one running node consists of, and the small questions everything asks of it.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use model::id::{CommandId, LogIndex, NodeId};
use model::sealer::Sealer;
use model::time::ClusterTime;
use tokio::sync::{Notify, mpsc, watch};

use super::barriers::Barriers;
use super::clocks::Clocks;
use super::effects::Effects;
use super::read::Waiting;
use super::space::FreeSpace;
use super::{Settings, Unavailable};
use crate::env::Surroundings;
use crate::handover::Giver;
use crate::identity::Identity;
use crate::journal::Journal;
use crate::lease::cell::LeaseCell;
use crate::lease::clock::BootTime;
use crate::lease::holder::Holder;
use crate::machine::Serving;
use crate::parts::Keeper;
use crate::peer::client::{Peers, Target};
use crate::peer::gate::Gate;
use crate::raft::consensus::{Consensus, Role, View};
use crate::raft::network::target;

/// The shortest pause between two attempts at anything: a heartbeat's worth of them is not many.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// One node of the cluster.
pub(crate) struct Inner {
    /// For tasks that outlive the call that started them.
    pub this: Weak<Inner>,
    pub identity: Identity,
    pub settings: Settings,
    pub around: Surroundings,
    pub sealer: Arc<dyn Sealer>,
    pub serving: Serving,
    /// How much room there is where the data lies, and whether it is too little.
    pub free_space: FreeSpace,
    pub disk_low: AtomicBool,
    /// What is applied here, written down beside the data.
    pub journal: Option<Arc<Journal>>,
    pub gate: Arc<Gate>,
    pub peers: Arc<Peers>,
    pub barriers: Arc<Barriers>,
    pub raft: Box<dyn Consensus>,
    pub reads: mpsc::Sender<Waiting>,
    /// The cell of this process start, once Raft gave it a number.
    pub lease: OnceLock<Arc<LeaseCell>>,
    /// A cell that never holds a lease, until then.
    pub no_lease: Arc<LeaseCell>,
    pub time: TimeKeeper,
    pub clocks: Clocks,
    /// What is known to hold on every node.
    pub effects: Effects,
    /// A quorum has seen our disk and found it newer than anything it remembers of us.
    pub accepted: AtomicBool,
    /// The term in which this leader began to hand over: it proposes nothing more in it. 0: none.
    pub handed_over: AtomicU64,
    /// Why the data directory must never be used again, if a peer said so.
    pub condemned: OnceLock<String>,
    /// Who hands keys to other nodes, once there is one.
    pub giver: OnceLock<Arc<dyn Giver>>,
    /// Who answers parts of messages that other nodes pass on, once there is one.
    pub keeper: OnceLock<Arc<dyn Keeper>>,
    /// Places for parts on their way to other nodes, and for those of others.
    pub passing: tokio::sync::Semaphore,
    pub answering: tokio::sync::Semaphore,
    /// Joins under way.
    pub joins: tokio::sync::Semaphore,
    /// One inbound snapshot at a time: each needs disk and memory.
    pub receiving: tokio::sync::Mutex<()>,
    /// Ends the renewals; then says that they ended.
    pub surrender: Notify,
    pub surrendered: Notify,
    /// The peer port is closed.
    pub closed: Notify,
    pub stop: watch::Sender<bool>,
    /// Lives as long as the node: its threads, in production.
    pub _keep: Box<dyn Any + Send + Sync>,
}

impl Inner {
    pub fn me(&self) -> NodeId {
        self.identity.node
    }

    pub fn now(&self) -> BootTime {
        self.around.clock.boot()
    }

    /// What leases are stamped and checked with.
    pub fn lease_now(&self) -> BootTime {
        self.around.clock.lease()
    }

    pub fn lease(&self) -> &Arc<LeaseCell> {
        self.lease.get().unwrap_or(&self.no_lease)
    }

    /// The leader, as this node knows it, and where it is called.
    pub fn leader(&self, view: &View) -> Option<Leader> {
        let leader = view.leader?;
        if leader == self.me() {
            return (view.role == Role::Leader).then_some(Leader::Here);
        }
        Some(Leader::There(target(leader, view.member(leader)?)))
    }

    /// Waits for the next change of anything in Raft, a little at most and a little at least: a failed
    /// attempt may itself be such a change, and would otherwise wake its own next attempt.
    pub async fn look_again(&self, at_most: Duration) {
        let mut changed = self.raft.changed();
        tokio::time::sleep(PAUSE_MIN).await;
        let _ = tokio::time::timeout(at_most.saturating_sub(PAUSE_MIN), changed.changed()).await;
    }

    /// Waits until this node has published `index`.
    pub async fn published(&self, index: LogIndex, within: Duration) -> Result<(), Unavailable> {
        match tokio::time::timeout(within, self.serving.reached(index)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Unavailable { reason: "this node has stopped" }),
            Err(_) => Err(Unavailable { reason: "this node lags behind" }),
        }
    }

    pub fn command_id(&self) -> CommandId {
        let mut id = [0; 16];
        self.around.entropy.fill(&mut id);
        CommandId(id)
    }

    /// What the leader stamps on a proposal: its wall clock, never before the state's time. While that clock is
    /// doubted, the time agreed last and what has passed since.
    pub fn stamp(&self) -> ClusterTime {
        let applied = self.serving.load().state.cluster().time;
        let wall_ms = self.watch_clock();
        if self.clocks.is_doubted(self.me(), &self.raft.view().voters()) {
            return self.time.now(self.now(), applied);
        }
        ClusterTime(wall_ms).max(applied)
    }

    /// Reads the wall clock, and compares it with the boot clock beside it.
    pub fn watch_clock(&self) -> u64 {
        let wall_ms = self.around.clock.wall_ms();
        self.clocks.watch(wall_ms, self.now());
        wall_ms
    }
}

/// Where the leader is.
#[derive(Clone, Debug)]
pub(crate) enum Leader {
    Here,
    There(Target),
}

/// Cluster time as this node derives it: the latest known time, and boot time since.
pub(crate) struct TimeKeeper {
    anchor: ArcSwap<(BootTime, ClusterTime)>,
    /// What was answered last: answers never go back.
    floor: AtomicU64,
}

impl TimeKeeper {
    pub fn new(now: BootTime) -> Self {
        Self { anchor: ArcSwap::from_pointee((now, ClusterTime(0))), floor: AtomicU64::new(0) }
    }

    /// The leader said that it was `time`, which reached us at `at`: it is at least that now. 0: unknown.
    pub fn learn(&self, at: BootTime, time: ClusterTime) {
        if time != ClusterTime(0) {
            self.anchor.store(Arc::new((at, time)));
        }
    }

    pub fn now(&self, boot: BootTime, applied: ClusterTime) -> ClusterTime {
        let (at, time) = **self.anchor.load();
        let elapsed = boot.since(at).unwrap_or_default();
        let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let derived = if time == ClusterTime(0) { applied } else { applied.max(time.plus_ms(elapsed)) };
        // Read first: most answers are of one millisecond with the last, and a line that every request writes to
        // is one that all threads wait for.
        let floor = self.floor.load(Ordering::Acquire);
        if derived.0 <= floor {
            return ClusterTime(floor);
        }
        ClusterTime(self.floor.fetch_max(derived.0, Ordering::AcqRel).max(derived.0))
    }
}

/// A cell nobody ever stores a lease in.
pub(crate) fn empty_cell(node: NodeId, now: BootTime) -> Arc<LeaseCell> {
    Holder::new(node, model::id::BootId(0), crate::lease::class::LengthsInUse::default(), LogIndex(0), now)
        .cell()
}
