//! The `Store`: one handle to the replicated state, the same on every node.
//!
//! Reading is local: a generation and a lease that says how long it may be believed. Writing goes to the
//! leader, wherever that is, and returns when it is readable here. Nothing in this interface knows Raft.

mod barriers;
mod clocks;
mod effects;
mod format;
mod handover;
mod inner;
mod lead;
mod leave;
mod members;
mod parts;
mod plan;
mod propose;
mod read;
mod removal;
mod renew;
mod serve;
mod settle;
mod space;
mod start;
mod status;
mod succession;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::command::{Action, IdempotencyKey};
use model::id::{BootId, LogIndex, NodeId, TenantHandle};
use model::time::ClusterTime;
use tokio::sync::watch;

pub use lead::Holds;
pub use leave::StepDownError;
pub use members::TokenError;
pub use propose::{ProposeError, Proposed};
pub use removal::Unsafe;
pub use space::FreeSpace;
pub use start::{Env, StartError};
pub use status::{ClusterStatus, HandedOver, MemberStatus, NodeStatus, Role};

use crate::handover::{Giver, Handed, NotHanded, Wish};
use crate::identity::Identity;
use crate::journal;
use crate::lease::cell::LeaseCell;
use crate::lease::clock::BootTime;
use crate::machine::{Exported, Gen};
use crate::parts::{Keeper, NotAnswered, Part};
use crate::raft::config::{ENTRIES_PER_MESSAGE, LOG_KEPT, SNAPSHOT_EVERY};
use crate::token::JoinToken;
use inner::Inner;

/// Proposals wait this long for a leader and a quorum, unless told otherwise: several fail-overs.
const PROPOSE_DEADLINE: Duration = Duration::from_secs(5);
/// A learner must be caught up and healthy this long before it may vote, unless told otherwise.
const STABILISATION: Duration = Duration::from_secs(10);
/// A learner that is silent for this long is removed: whoever scales down does not come back to tidy up.
const DEAD_LEARNER_AFTER: Duration = Duration::from_secs(10 * 60);
/// A voter that is silent for this long is replaced where a learner stands ready: longer than any repair
/// that brings a disk back.
const DEAD_VOTER_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// A newer format version is activated when every member has known it for this long: time to go back.
const FORMAT_AFTER: Duration = Duration::from_secs(10 * 60);
/// Voters, unless told otherwise.
const VOTERS: usize = 3;

/// Free bytes below which a node proposes nothing, unless told otherwise: room for a snapshot beside the one
/// that is there, and for RocksDB to compact.
const LOW_WATER_BYTES: u64 = 256 << 20;

/// Where a node is reached, each as `host:port`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// By other nodes.
    pub peer: String,
    /// By KMIP clients.
    pub kmip: String,
    /// By administrators.
    pub admin: String,
}

/// How a node takes part.
#[derive(Clone)]
pub struct Settings {
    /// Where others reach it.
    pub addresses: Addresses,
    /// The region of a new cluster; an existing one has its own.
    pub region: String,
    /// This node makes the cluster: allowed on the first start of node 1, ignored later.
    pub bootstrap: bool,
    /// What new nodes are given to unseal with: the sealed barrier keyring, opaque here.
    pub keyring: Arc<dyn Fn() -> Vec<u8> + Send + Sync>,
    /// How long a proposal may wait for a leader and a quorum.
    pub propose_deadline: Duration,
    /// How many voters the cluster wants: 3 or 5.
    pub voters: usize,
    /// How long a learner must be healthy before it may vote.
    pub stabilisation: Duration,
    /// How long a learner may be silent before it is removed; `None`: for ever.
    pub dead_learner_after: Option<Duration>,
    /// How long a voter may be silent before a learner that stands ready takes its place; `None`: for ever.
    pub dead_voter_after: Option<Duration>,
    /// The highest replicated format version this binary knows.
    pub format: u32,
    /// For how long every member must have known a newer format version before it is activated.
    pub format_after: Duration,
    /// When the first of this node's certificates expires, in seconds since the Unix epoch; for status.
    pub certificates_expire: Arc<dyn Fn() -> Option<u64> + Send + Sync>,
    /// What other nodes seal keys to which they hand over to this process; none: it is handed none.
    pub inbox: Option<[u8; 32]>,
    /// How many keys this process gave to and took over from others; for status.
    pub handed_over: Arc<dyn Fn() -> HandedOver + Send + Sync>,
    /// Log entries between two snapshots.
    pub snapshot_every: u64,
    /// Log entries kept behind a snapshot, for nodes that were away for a while.
    pub log_kept: u64,
    /// Most log entries in one message to a follower.
    pub entries_per_message: u64,
    /// With fewer bytes free where the data lies, this node proposes nothing and lets another lead.
    pub low_water_bytes: u64,
    /// Version of this binary, for status.
    pub version: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            addresses: Addresses::default(),
            region: String::new(),
            bootstrap: false,
            keyring: Arc::new(Vec::new),
            propose_deadline: PROPOSE_DEADLINE,
            voters: VOTERS,
            stabilisation: STABILISATION,
            dead_learner_after: Some(DEAD_LEARNER_AFTER),
            dead_voter_after: Some(DEAD_VOTER_AFTER),
            format: model::state::FORMAT,
            format_after: FORMAT_AFTER,
            certificates_expire: Arc::new(|| None),
            inbox: None,
            handed_over: Arc::new(HandedOver::default),
            snapshot_every: SNAPSHOT_EVERY,
            log_kept: LOG_KEPT,
            entries_per_message: ENTRIES_PER_MESSAGE,
            low_water_bytes: LOW_WATER_BYTES,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// This node cannot answer now; the same request may be tried again, here or elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; try again, or another node")]
pub struct Unavailable {
    /// Why.
    pub reason: &'static str,
}

/// Why there is no snapshot of the state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Not now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// It could not be written.
    #[error("the snapshot cannot be written: {0}")]
    NotWritten(String),
}

/// The replicated state, as this node has it. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// The generation of this moment. A request captures the lease first, then loads this once.
    #[must_use]
    pub fn generation(&self) -> Arc<Gen> {
        self.inner.serving.load()
    }

    /// The lease of this process: capture, then check before deriving and before answering.
    #[must_use]
    pub fn lease(&self) -> &LeaseCell {
        self.inner.lease()
    }

    /// The clock leases are checked against: boot time, and what a hypervisor is known to have taken from it.
    #[must_use]
    pub fn boot_now(&self) -> BootTime {
        self.inner.lease_now()
    }

    /// Cluster time: what is applied or heard from the leader, and the time since. Never goes back.
    #[must_use]
    pub fn now(&self) -> ClusterTime {
        self.now_in(&self.generation())
    }

    /// As [`Store::now`], for who has taken the generation of this moment already.
    #[must_use]
    pub fn now_in(&self, generation: &Gen) -> ClusterTime {
        self.inner.time.now(self.inner.now(), generation.state.cluster().time)
    }

    /// The number of this process start, once Raft handed it out.
    #[must_use]
    pub fn boot(&self) -> Option<BootId> {
        self.inner.gate.boot()
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// Follows the published index.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<LogIndex> {
        self.inner.serving.applied()
    }

    /// Proposes a command, from any node. Returns once it is applied, published on *this* node and, if the
    /// answer lets a caller conclude a withdrawal, effective on every node.
    ///
    /// # Errors
    /// [`ProposeError`] says whether anything may have happened. A refusal is no error but an answer.
    pub async fn propose(
        &self,
        action: impl Into<Action>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Proposed, ProposeError> {
        let (inner, action) = (Arc::clone(&self.inner), action.into());
        let done = self.on_own_threads(async move { inner.propose(action, idempotency).await }).await;
        done.unwrap_or(Err(ProposeError::OutcomeUnknown))
    }

    /// Whether a withdrawal that this node knows of is effective on every node, waiting for that no longer than
    /// `patience`: what every answer needs from which a caller may conclude that the withdrawal holds
    /// (CONSISTENCY 3). `tenant` is whom it concerns; none across tenants. What is known already costs nothing.
    ///
    /// # Errors
    /// No leader said so in time.
    pub async fn holds(
        &self,
        withdrawal: LogIndex,
        tenant: Option<TenantHandle>,
        patience: Duration,
    ) -> Result<Holds, Unavailable> {
        if self.inner.known_effective(withdrawal, tenant) {
            return Ok(Holds::Since(self.now()));
        }
        let inner = Arc::clone(&self.inner);
        let told =
            self.on_own_threads(async move { inner.effective(withdrawal, tenant, patience).await }).await;
        told.unwrap_or(Err(Unavailable { reason: "this node stops" }))
    }

    /// A generation that holds everything acknowledged before this call: by one quorum round, shared with
    /// all callers that wait for the next.
    ///
    /// # Errors
    /// No quorum confirmed it in time.
    pub async fn read_index(&self) -> Result<Arc<Gen>, Unavailable> {
        let inner = Arc::clone(&self.inner);
        let read = self.on_own_threads(async move { inner.read_index().await }).await;
        read.unwrap_or(Err(Unavailable { reason: "this node stops" }))
    }

    /// Returns once this node has a number and a lease.
    ///
    /// # Errors
    /// Not within `within`; the reason is what is missing.
    pub async fn wait_ready(&self, within: Duration) -> Result<(), Unavailable> {
        let inner = Arc::clone(&self.inner);
        let waited = self.on_own_threads(async move { inner.wait_ready(within).await }).await;
        waited.unwrap_or(Err(Unavailable { reason: "this node stops" }))
    }

    /// This node, as it sees itself.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        self.inner.status()
    }

    /// All nodes, as they see themselves; takes at most half a second.
    pub async fn cluster_status(&self) -> ClusterStatus {
        let inner = Arc::clone(&self.inner);
        match self.on_own_threads(async move { inner.cluster_status().await }).await {
            Some(status) => status,
            None => self.inner.cluster_status().await,
        }
    }

    /// How many more voters may fail while a quorum remains, as the leader sees it; negative without one.
    /// `None` where this node does not lead.
    #[must_use]
    pub fn failure_tolerance(&self) -> Option<i32> {
        self.inner.failure_tolerance()
    }

    /// Why this data directory must never be used again, if a peer has said so: it was rewound or cloned.
    #[must_use]
    pub fn condemned(&self) -> Option<&str> {
        self.inner.condemned.get().map(String::as_str)
    }

    /// A snapshot of this node's state that holds everything acknowledged before this call. It lies in a file
    /// of its own, which goes with it.
    ///
    /// # Errors
    /// No quorum confirmed that nothing is missing, or this node has stopped, or its disk is full.
    pub async fn export(&self) -> Result<Exported, ExportError> {
        self.read_index().await?;
        let inner = Arc::clone(&self.inner);
        let exported = self.on_own_threads(async move { inner.raft.export().await }).await;
        let exported = exported.ok_or(Unavailable { reason: "this node stops" })?;
        exported.map_err(|stopped| ExportError::NotWritten(stopped.to_string()))
    }

    /// Whether the disk has so little room that this node proposes nothing.
    #[must_use]
    pub fn disk_low(&self) -> bool {
        self.inner.disk_low()
    }

    /// From now on other nodes are handed keys by this giver. The first one stays.
    pub fn hand_over_by(&self, giver: Arc<dyn Giver>) {
        let _ = self.inner.giver.set(giver);
    }

    /// The other members, beginning with the one after this node: whom to ask, each node in its own order.
    #[must_use]
    pub fn others(&self) -> Vec<NodeId> {
        self.inner.others()
    }

    /// Asks another node for keys of a tenant.
    ///
    /// # Errors
    /// [`NotHanded`]: it is not reached in time, or it gives nothing, and why.
    pub async fn ask_for_keys(&self, node: NodeId, wish: Wish) -> Result<Handed, NotHanded> {
        let inner = Arc::clone(&self.inner);
        let handed = self.on_own_threads(async move { inner.ask_for_keys(node, wish).await }).await;
        handed.unwrap_or_else(|| Err(NotHanded("this node stops".to_owned())))
    }

    /// From now on parts of messages that other nodes pass on are answered by this keeper. The first one stays.
    pub fn answer_parts_by(&self, keeper: Arc<dyn Keeper>) {
        let _ = self.inner.keeper.set(keeper);
    }

    /// Passes a part of a message on to the node that began it, and brings back the answer.
    ///
    /// # Errors
    /// [`NotAnswered`]: that node is not reached in time, or it does not answer, and why.
    pub async fn pass_part(&self, node: NodeId, part: Part) -> Result<Vec<u8>, NotAnswered> {
        let inner = Arc::clone(&self.inner);
        let answered = self.on_own_threads(async move { inner.pass_part(node, part).await }).await;
        answered.unwrap_or_else(|| Err(NotAnswered("this node stops".to_owned())))
    }

    /// How far the journal of this node is; `None` if it keeps none.
    #[must_use]
    pub fn journal(&self) -> Option<journal::Status> {
        self.inner.journal.as_ref().map(|journal| journal.status())
    }

    /// A token that lets one node in, once, for so long; from any node.
    ///
    /// # Errors
    /// [`TokenError`]; a token nobody was told of is worth nothing to anybody.
    pub async fn join_token(&self, lasts: Duration) -> Result<JoinToken, TokenError> {
        let inner = Arc::clone(&self.inner);
        let made = self.on_own_threads(async move { inner.join_token(lasts).await }).await;
        made.unwrap_or(Err(ProposeError::OutcomeUnknown.into()))
    }

    /// Makes whoever leads hand leadership over; returns who leads now.
    ///
    /// # Errors
    /// [`StepDownError`]; writes go on in every case, after an election at worst.
    pub async fn step_down(&self) -> Result<NodeId, StepDownError> {
        let inner = Arc::clone(&self.inner);
        let left = self.on_own_threads(async move { inner.make_leader_step_down().await }).await;
        left.unwrap_or(Err(StepDownError::NotLeader))
    }

    /// The way out: call it after the last response was written. Surrenders the leases, hands leadership
    /// over, stops Raft and the peer port. Afterwards this handle and its clones answer nothing.
    pub async fn shutdown(&self) {
        let inner = Arc::clone(&self.inner);
        self.on_own_threads(async move { inner.leave().await }).await;
    }

    /// Stops at once, telling nobody: what a crash looks like to the others. For tests.
    pub async fn danger_crash(&self) {
        let inner = Arc::clone(&self.inner);
        self.on_own_threads(async move {
            inner.stop.send_replace(true);
            inner.raft.shutdown().await;
        })
        .await;
    }

    /// Raft's threads carry everything that waits for Raft; `None` if they are gone.
    async fn on_own_threads<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.inner.around.runtime.spawn(work).await.ok()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({} {})", self.inner.identity.name, self.inner.identity.node)
    }
}
