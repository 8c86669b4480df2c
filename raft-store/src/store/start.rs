//! Starting a node: open the disk, show it to the others, then take part.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::join_all;
use futures::stream::BoxStream;
use model::id::NodeId;
use model::sealer::Sealer;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep};

use super::barriers::Barriers;
use super::clocks::Clocks;
use super::effects::Effects;
use super::inner::{Inner, TimeKeeper, empty_cell};
use super::members::JOINS_MAX;
use super::parts::PARTS_MAX;
use super::read::READERS_MAX;
use super::space::FreeSpace;
use super::{Settings, Store, Unavailable};
use crate::env::{Link, Surroundings};
use crate::identity::Identity;
use crate::journal::{Journal, JournalError};
use crate::machine::{CacheGuard, Machine, MachineOptions};
use crate::peer::client::{CallError, Lane, Peers};
use crate::peer::gate::{Gate, Marks, decode_mark, encode_mark, says_wipe};
use crate::peer::server;
use crate::raft::config::config;
use crate::raft::consensus::{Node, Role};
use crate::raft::network::{Network, target};
use crate::raft::watched::{Watched, nodes};
use crate::storage::disk::Disk;
use crate::storage::{Storage, StoreError};
use crate::types::{Member, TypeConfig};
use crate::wire::method::Hello;
use crate::wire::{Mark, Nothing};

/// Pause between two rounds of showing the disk.
const SHOW_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// A peer that does not answer a hello in this time is asked again in the next round.
const HELLO_MAX: Duration = Duration::from_millis(500);

/// Calls under way when the node stops have this long.
pub(super) const CLOSE_MAX: Duration = Duration::from_millis(500);

/// Everything a node stands on: its surroundings and its disk.
pub trait Env: Send + Sync + 'static {
    /// What the storage runs on.
    type Disk: Disk;

    /// Clocks, network, randomness, threads.
    fn surroundings(&self) -> Surroundings;

    /// Opens the storage.
    ///
    /// # Errors
    /// The disk cannot be used, or must not be.
    fn open(&self) -> Result<Arc<Storage<Self::Disk>>, StoreError>;

    /// Opens the journal of everything applied here; `None` keeps none.
    ///
    /// # Errors
    /// The journal belongs to somebody else, or does not read.
    fn journal(
        &self,
        identity: &Identity,
        sealer: &Arc<dyn Sealer>,
    ) -> Result<Option<Journal>, JournalError> {
        let _ = (identity, sealer);
        Ok(None)
    }

    /// Says how much room there is where the data lies.
    fn free_space(&self) -> FreeSpace {
        Arc::new(|| None)
    }

    /// Anything that must live as long as the node.
    fn keep(&self) -> Box<dyn Any + Send + Sync> {
        Box::new(())
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The storage cannot be opened, or must not be.
    #[error("the storage cannot be opened")]
    Storage(#[from] StoreError),
    /// The journal cannot be opened, or is another node's.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The peer port cannot be opened.
    #[error("the peer port cannot be opened")]
    Listen(#[source] std::io::Error),
    /// Raft does not start.
    #[error("raft does not start: {0}")]
    Raft(String),
    /// Bootstrap was asked of a node that joined.
    #[error("node {node} cannot bootstrap: only node 1 can")]
    NotTheFirst {
        /// Who was asked.
        node: NodeId,
    },
    /// The threads ended while starting.
    #[error("the node stopped while it started")]
    Stopped,
}

impl Store {
    /// Starts a node. Returns as soon as it takes part; it may have neither leader nor lease yet, see
    /// [`Store::wait_ready`].
    ///
    /// # Errors
    /// [`StartError`] says what stands in the way.
    pub async fn start<E: Env>(
        env: E,
        settings: Settings,
        identity: Identity,
        sealer: Arc<dyn Sealer>,
        guard: Arc<dyn CacheGuard>,
    ) -> Result<Self, StartError> {
        let runtime = env.surroundings().runtime;
        let starting = runtime.spawn(start(env, settings, identity, sealer, guard));
        let inner = starting.await.map_err(|_| StartError::Stopped)??;
        Ok(Self { inner })
    }
}

/// openraft's runtime, as `types` configures it.
type Rng = openraft::alias::AsyncRuntimeOf<TypeConfig>;

async fn start<E: Env>(
    env: E,
    settings: Settings,
    identity: Identity,
    sealer: Arc<dyn Sealer>,
    guard: Arc<dyn CacheGuard>,
) -> Result<Arc<Inner>, StartError> {
    if settings.bootstrap && identity.node != NodeId(1) {
        return Err(StartError::NotTheFirst { node: identity.node });
    }
    let around = env.surroundings();
    let storage = env.open()?;
    let options = MachineOptions {
        sealer: Arc::clone(&sealer),
        guard,
        region: settings.region.clone(),
        format: settings.format,
    };
    let (mut machine, serving) = Machine::open(&storage, options)?;
    let applied = applied_members(&mut machine).await?;
    let journal = env.journal(&identity, &sealer)?.map(Arc::new);
    if let Some(journal) = &journal {
        machine.journal_to(Arc::clone(journal)).await?;
    }

    let marks = Box::new(StoredMarks(Arc::clone(&storage)));
    let gate = Arc::new(Gate::new(&identity, around.entropy.number(), Arc::clone(&sealer), marks));
    let peers = Arc::new(Peers::new(Arc::clone(&around.transport), Arc::clone(&gate)));
    let barriers = Arc::new(Barriers::new(
        identity.node,
        Arc::clone(&around.clock),
        serving.clone(),
        Arc::clone(&gate),
        applied,
    ));
    // All of openraft's randomness comes from here: in a simulation, from the seed.
    let seed = around.entropy.number();
    let building = build(&identity, &settings, &peers, &barriers, &storage, machine);
    let raft = Rng::scope(seed, building).await?;
    // Before anything can be lost: the port is ours, or we do not start.
    let links = around.transport.listen().await.map_err(StartError::Listen)?;

    let (reads, readers) = mpsc::channel(READERS_MAX);
    let now = around.clock.boot();
    let node = identity.node;
    let inner = Arc::new_cyclic(|this| Inner {
        this: this.clone(),
        identity,
        settings,
        sealer,
        serving,
        free_space: env.free_space(),
        disk_low: AtomicBool::new(false),
        journal,
        gate,
        peers,
        barriers,
        raft: Box::new(Node { id: node.0, raft: raft.clone(), storage }),
        reads,
        lease: OnceLock::new(),
        no_lease: empty_cell(node, now),
        time: TimeKeeper::new(now),
        clocks: Clocks::default(),
        effects: Effects::default(),
        accepted: AtomicBool::new(false),
        handed_over: AtomicU64::new(0),
        condemned: OnceLock::new(),
        giver: OnceLock::new(),
        keeper: OnceLock::new(),
        passing: tokio::sync::Semaphore::new(PARTS_MAX),
        answering: tokio::sync::Semaphore::new(PARTS_MAX),
        joins: tokio::sync::Semaphore::new(JOINS_MAX),
        receiving: tokio::sync::Mutex::new(()),
        surrender: Notify::new(),
        surrendered: Notify::new(),
        closed: Notify::new(),
        stop: watch::Sender::new(false),
        around,
        _keep: env.keep(),
    });
    inner.raft.may_elect(false);
    Rng::scope(!seed, async { raft.run() }).await;
    if inner.settings.bootstrap && !raft.is_initialized().await.map_err(raft_error)? {
        inner.bootstrap().await?;
    }
    inner.spawn_all(links, readers);
    Ok(inner)
}

fn raft_error(error: impl std::fmt::Display) -> StartError {
    StartError::Raft(error.to_string())
}

async fn applied_members<D: Disk>(machine: &mut Machine<D>) -> Result<BTreeSet<NodeId>, StartError> {
    use openraft::storage::RaftStateMachine;
    let (_, members) = machine.applied_state().await.map_err(raft_error)?;
    Ok(nodes(members.membership()))
}

async fn build<D: Disk>(
    identity: &Identity,
    settings: &Settings,
    peers: &Arc<Peers>,
    barriers: &Arc<Barriers>,
    storage: &Arc<Storage<D>>,
    machine: Machine<D>,
) -> Result<openraft::Raft<TypeConfig, Watched<Machine<D>>>, StartError> {
    let config = Arc::new(config(settings).map_err(raft_error)?);
    let network = Network { me: identity.node, peers: Arc::clone(peers) };
    let machine = Watched { machine, listener: Arc::clone(barriers) as Arc<_> };
    openraft::Raft::build(identity.node.0, config, network, storage.log_store(), machine)
        .await
        .map_err(raft_error)
}

impl Inner {
    async fn bootstrap(&self) -> Result<(), StartError> {
        let addresses = &self.settings.addresses;
        let member = Member {
            name: self.identity.name.clone(),
            raft: addresses.peer.clone(),
            kmip: addresses.kmip.clone(),
            admin: addresses.admin.clone(),
        };
        let first = BTreeMap::from([(self.me().0, member)]);
        self.raft.initialize(first).await.map_err(StartError::Raft)
    }

    /// Every long-lived task of a node, in one place. All end when the node stops.
    fn spawn_all(
        self: &Arc<Self>,
        links: BoxStream<'static, Link>,
        readers: mpsc::Receiver<super::read::Waiting>,
    ) {
        let this = || Arc::clone(self);
        tokio::spawn(this().serve_peers(links));
        self.spawn({
            let this = this();
            async move { this.show_disk().await }
        });
        self.spawn({
            let this = this();
            async move {
                let how = this.gate.other_lineage().await;
                this.condemn(&how).await;
            }
        });
        self.spawn({
            let this = this();
            async move { this.watch_space().await }
        });
        self.spawn({
            let this = this();
            async move { this.follow_leadership().await }
        });
        self.spawn({
            let this = this();
            async move { this.barriers.drive().await }
        });
        self.spawn(this().run_reads(readers));
        self.spawn(this().run_membership());
        self.spawn(this().watch_leader());
        self.spawn(this().run_settling());
        self.spawn({
            let this = this();
            async move {
                if let Some(surrender) = Arc::clone(&this).run_lease().await {
                    this.barriers.surrendered(surrender);
                }
                this.surrendered.notify_one();
            }
        });
    }

    /// Runs a task until the node stops.
    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let mut stop = self.stop.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// Serves the peer port until the node stops, and then until the calls under way are answered.
    async fn serve_peers(self: Arc<Self>, links: BoxStream<'static, Link>) {
        let (mut stop, mut ended) = (self.stop.subscribe(), self.stop.subscribe());
        let closing = async move { drop(stop.wait_for(|stop| *stop).await) };
        let too_long = async move {
            drop(ended.wait_for(|stop| *stop).await);
            sleep(CLOSE_MAX).await;
        };
        tokio::select! {
            served = server::serve(Arc::clone(&self), links, closing) => {
                if let Err(error) = served {
                    tracing::error!(%error, "the peer port failed");
                }
            }
            () = too_long => {}
        }
        self.closed.notify_one();
    }

    /// Tells the barrier when this node begins and ceases to lead.
    async fn follow_leadership(&self) {
        let mut changed = self.raft.changed();
        loop {
            let view = self.raft.view();
            self.barriers.leadership((view.role == Role::Leader).then_some(view.term));
            if !changed.changed().await {
                return;
            }
        }
    }

    /// Shows our durable mark to the voters; takes part in votes only once a quorum of them has accepted
    /// it (CONSISTENCY 10). A single voter has nobody to ask and says so.
    async fn show_disk(&self) {
        let view = self.raft.view();
        let voters = view.voters();
        let others: Vec<_> = voters.iter().copied().filter(|node| *node != self.me()).collect();
        if others.is_empty() {
            tracing::info!("no other voter yet: a rewound disk would not be noticed");
            return self.take_part();
        }
        let needed = voters.len() / 2 + 1 - usize::from(voters.contains(&self.me()));
        let mut accepted_by = BTreeSet::new();
        while accepted_by.len() < needed {
            let asking = others.iter().filter(|node| !accepted_by.contains(*node)).filter_map(|node| {
                let to = target(*node, view.member(*node)?);
                Some(async move {
                    (*node, self.peers.call::<Hello>(&to, Lane::Requests, Nothing {}, HELLO_MAX).await)
                })
            });
            for (node, reply) in join_all(asking).await {
                match reply {
                    Ok(_) => drop(accepted_by.insert(node)),
                    Err(CallError::NotDone(status)) if says_wipe(&status) => {
                        return self.condemn(status.message()).await;
                    }
                    Err(error) => tracing::debug!(%node, %error, "our disk is not accepted yet"),
                }
            }
            if accepted_by.len() < needed {
                sleep(SHOW_AGAIN_AFTER).await;
            }
        }
        self.take_part();
    }

    fn take_part(&self) {
        self.accepted.store(true, Ordering::Release);
        self.raft.may_elect(true);
    }

    /// This data directory must not be used again: serve nothing, vote for nobody.
    pub(super) async fn condemn(&self, why: &str) {
        tracing::error!(why, "this node stops for good");
        let _ = self.condemned.set(why.to_owned()); // the first reason stands
        self.lease().close();
        self.raft.shutdown().await;
        self.stop.send_replace(true);
    }

    /// See [`Store::wait_ready`].
    pub async fn wait_ready(&self, within: Duration) -> Result<(), Unavailable> {
        /// How often to look; a lease has no event of its own.
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let deadline = Instant::now() + within;
        loop {
            if self.status().ready {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let reason = match (self.raft.view().leader, self.gate.boot()) {
                    (None, _) => "no leader is known",
                    (Some(_), None) => "this process has no boot id yet",
                    (Some(_), Some(_)) => "no lease was granted yet",
                };
                return Err(Unavailable { reason });
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Marks of peers, kept among the node's own records.
struct StoredMarks<D: Disk>(Arc<Storage<D>>);

impl<D: Disk> Marks for StoredMarks<D> {
    fn own(&self) -> Mark {
        let durable = self.0.durable_mark();
        crate::raft::consensus::mark(durable)
    }

    fn load(&self, node: NodeId) -> Option<Mark> {
        match self.0.meta(&mark_name(node)) {
            Ok(bytes) => decode_mark(&bytes?),
            Err(error) => {
                tracing::error!(%error, %node, "the mark of a peer cannot be read");
                None
            }
        }
    }

    fn keep(&self, node: NodeId, mark: Mark) {
        self.0.stage_meta(&mark_name(node), encode_mark(&mark));
    }
}

fn mark_name(node: NodeId) -> String {
    format!("mark/{node}")
}
