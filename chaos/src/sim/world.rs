//! Four machines and their cluster: three voters and a learner, each the real store on a simulated disk,
//! clock and network.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use crypto::L3Cache;
use engine::Held;
use model::command::{Action, Answer};
use model::commands::RetireNode;
use model::id::{ClusterId, NodeId};
use raft_store::env::{Clock, Entropy as _, Surroundings};
use raft_store::join::{JoinRequest, ask};
use raft_store::offline::{Contents, found_on};
use raft_store::snapshot::SnapshotData;
use raft_store::storage::{Storage, StoreError};
use raft_store::types::Member;
use raft_store::{Addresses, Env, Identity, Role, Settings, StartError, Store};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::audit::AuditLog;
use super::bugs::Bug;
use super::clock::SimClock;
use super::dice::Dice;
use super::disk::SimDisk;
use super::invariants::lineage::HandedOut;
use super::ledger::Ledger;
use super::net::Net;
use super::realm::{REALM, REGION, Realm};
use super::trace::Trace;

/// The machines; the last one does not vote.
pub const NAMES: [&str; 4] = ["node-a", "node-b", "node-c", "node-d"];
/// How many of them vote.
pub const VOTERS: usize = 3;
/// The cluster of a run, and the one that a restore makes of it.
const CLUSTER: ClusterId = ClusterId([0x22; 16]);
const NEXT_CLUSTER: ClusterId = ClusterId([0x33; 16]);
/// Small, so that snapshots and purges happen in every run.
const SNAPSHOT_EVERY: u64 = 40;
const LOG_KEPT: u64 = 15;
/// Few, so that a log arrives in many messages and a crash falls between any two.
const ENTRIES_PER_MESSAGE: u64 = 2;
/// Keys a node keeps hot: more than there are.
const CACHE: usize = 64;
/// Longer than any run.
const TOKEN_LASTS: Duration = Duration::from_secs(24 * 60 * 60);
/// Until a cluster that nothing happens to must be in order.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const POLL: Duration = Duration::from_millis(10);

/// Everything of one run.
pub struct World {
    /// The network.
    pub net: Arc<Net>,
    /// All chance.
    pub dice: Dice,
    /// Tenants, services, keys.
    pub realm: Realm,
    /// What is known and what was seen.
    pub ledger: Ledger,
    /// The planted mistake, if any.
    pub bug: Option<Bug>,
    /// Whoever destroys keys is to do so at once.
    pub urged: Notify,
    nodes: Vec<Node>,
}

/// A machine.
pub struct Node {
    /// Its clocks.
    pub clock: Arc<SimClock>,
    /// Its audit log.
    pub audit: AuditLog,
    inner: Mutex<Inner>,
}

struct Inner {
    identity: Identity,
    disk: SimDisk,
    process: Option<Process>,
    lives: u64,
}

/// A running process.
#[derive(Clone)]
pub struct Process {
    /// The store.
    pub store: Store,
    /// Its hot keys.
    pub cache: Arc<L3Cache>,
    /// Which start of its machine's it is.
    pub life: u64,
}

struct SimEnv {
    disk: SimDisk,
    surroundings: Surroundings,
}

impl Env for SimEnv {
    type Disk = SimDisk;

    fn surroundings(&self) -> Surroundings {
        self.surroundings.clone()
    }

    fn open(&self) -> Result<Arc<Storage<SimDisk>>, StoreError> {
        self.disk.open()
    }
}

impl World {
    /// A new cluster, whole and in order, that knows the realm.
    pub async fn new(seed: u64, bug: Option<Bug>, trace: &Trace) -> anyhow::Result<Self> {
        let dice = Dice::new(seed, 0);
        let realm = Realm::new(&dice)?;
        let ledger = Ledger::new(realm.keys.len(), trace.clone());
        let net = Net::new(Dice::new(seed, 1), trace.clone());
        let mut world = Self { net, dice, realm, ledger, bug, urged: Notify::new(), nodes: Vec::new() };
        world.add(Identity { realm: REALM, cluster: CLUSTER, node: NodeId(1), name: NAMES[0].into() });
        world.start(0).await?;
        world.process(0)?.store.wait_ready(PATIENCE).await?;
        for (at, name) in NAMES.into_iter().enumerate().skip(1) {
            let identity = world.admit(name, at < VOTERS).await?;
            let at = world.add(identity);
            world.start(at).await?;
        }
        world.until_in_order().await?;
        for command in world.realm.founding() {
            world.process(0)?.store.propose(command, None).await?;
        }
        Ok(world)
    }

    /// Lets a new node in.
    async fn admit(&self, name: &'static str, voter: bool) -> anyhow::Result<Identity> {
        let sponsor = *self.up().first().context("nobody runs who could let a node in")?;
        let token = self.process(sponsor)?.store.join_token(TOKEN_LASTS).await?;
        let request = JoinRequest {
            name: name.into(),
            addresses: Addresses { peer: name.into(), ..Addresses::default() },
            peers: self.up().into_iter().map(|at| NAMES[at].into()).collect(),
            token: token.expose().into(),
            voter,
            within: PATIENCE,
        };
        Ok(ask(self.attempt(), &request, &self.net.of(name)).await?.identity)
    }

    fn attempt(&self) -> [u8; 16] {
        let mut attempt = [0; 16];
        self.dice.fill(&mut attempt);
        attempt
    }

    fn add(&mut self, identity: Identity) -> usize {
        let inner = Inner { identity, disk: SimDisk::new(&self.dice, self.bug), process: None, lives: 0 };
        let (clock, audit) = (Arc::new(SimClock::new(&self.dice)), AuditLog::default());
        self.nodes.push(Node { clock, audit, inner: Mutex::new(inner) });
        self.nodes.len() - 1
    }

    // -- processes ------------------------------------------------------------------------------------

    /// Starts a machine's process on the disk it has.
    pub async fn start(&self, at: usize) -> Result<(), StartError> {
        let node = &self.nodes[at];
        let (identity, disk, lives) = {
            let inner = node.lock();
            (inner.identity.clone(), inner.disk.clone(), inner.lives)
        };
        let settings = Settings {
            addresses: Addresses { peer: NAMES[at].into(), ..Addresses::default() },
            region: REGION.into(),
            bootstrap: at == 0 && lives == 0,
            dead_learner_after: None, // a run's faults are not an operator's neglect
            keyring: Arc::new(|| b"keyring".to_vec()),
            stabilisation: Duration::from_millis(200),
            snapshot_every: SNAPSHOT_EVERY,
            log_kept: LOG_KEPT,
            entries_per_message: ENTRIES_PER_MESSAGE,
            ..Settings::default()
        };
        let surroundings = Surroundings {
            clock: Arc::clone(&node.clock) as Arc<dyn Clock>,
            transport: self.net.of(NAMES[at]),
            entropy: Arc::new(self.dice.clone()),
            runtime: tokio::runtime::Handle::current(),
        };
        let cache = Arc::new(L3Cache::new(CACHE));
        let guard = Arc::new(Held::new(Arc::clone(&self.realm.keyring), Arc::clone(&cache)));
        let sealer = Arc::clone(&self.realm.keyring) as Arc<_>;
        let env = SimEnv { disk, surroundings };
        let store = Store::start(env, settings, identity, sealer, guard).await?;
        let mut inner = node.lock();
        inner.lives += 1;
        let life = inner.lives;
        inner.process = Some(Process { store, cache, life });
        Ok(())
    }

    /// The machine loses power: of what was not synced, a random part is lost. Returns how many writes
    /// were, or nothing if it was down.
    pub async fn crash(&self, at: usize) -> Option<usize> {
        self.net.kill(NAMES[at]);
        let (process, lost) = {
            let mut inner = self.nodes[at].lock();
            let process = inner.process.take()?;
            let (disk, lost) = inner.disk.after_crash();
            inner.disk = disk;
            (process, lost)
        };
        self.nodes[at].audit.crash();
        process.store.danger_crash().await;
        Some(lost)
    }

    /// The process is asked to end, does so in order, and nothing is lost.
    pub async fn terminate(&self, at: usize) -> bool {
        let process = self.nodes[at].lock().process.take();
        let Some(process) = process else { return false };
        process.store.shutdown().await;
        self.net.kill(NAMES[at]);
        let mut inner = self.nodes[at].lock();
        inner.disk = inner.disk.image(); // its last sync has happened: nobody else has this disk open
        true
    }

    // -- members --------------------------------------------------------------------------------------

    /// Has a machine's node removed by the others; false if none of them says it is.
    pub async fn retire(&self, at: usize) -> bool {
        let node = self.nodes[at].lock().identity.node;
        let Some(other) = self.up().into_iter().find(|other| *other != at) else { return false };
        let Some(other) = self.running(other) else { return false };
        let retired = other.store.propose(Action::from(RetireNode { node }), None).await;
        retired.is_ok_and(|retired| retired.answer == Answer::Done)
    }

    /// Has the leader hand over, if there is one.
    pub async fn step_down(&self) {
        if let Some(leader) = self.leader().and_then(|at| self.running(at)) {
            // Whoever leads after this: the run goes on.
            let _ = leader.store.step_down().await;
        }
    }

    /// The machine, which is down, joins with an empty disk as a new node.
    pub async fn join_again(&self, at: usize) -> anyhow::Result<()> {
        let identity = self.admit(NAMES[at], at < VOTERS).await?;
        self.is_now(at, identity, SimDisk::new(&self.dice, self.bug));
        Ok(self.start(at).await?)
    }

    /// The machine, which is down like all others, begins a new lineage with a backup.
    pub async fn restore(&self, at: usize, backup: &SnapshotData) -> anyhow::Result<()> {
        let (keyring, name) = (&*self.realm.keyring, NAMES[at]);
        let mut head = Contents::read(backup, keyring)?.head;
        let member = Member { name: name.into(), raft: name.into(), ..Member::default() };
        let node = head.begin_lineage(self.attempt(), member, false)?;
        let disk = SimDisk::new(&self.dice, self.bug);
        found_on(&*disk.open()?, &head, keyring).await?;
        let identity = Identity { realm: REALM, cluster: NEXT_CLUSTER, node, name: name.into() };
        self.is_now(at, identity, disk.image());
        self.ledger.book().handed_out = HandedOut::default();
        self.start(at).await?;
        self.process(at)?.store.wait_ready(PATIENCE).await?;
        self.note_handed_out();
        Ok(())
    }

    fn is_now(&self, at: usize, identity: Identity, disk: SimDisk) {
        let mut inner = self.nodes[at].lock();
        (inner.identity, inner.disk) = (identity, disk);
    }

    /// Makes another version of the first tenant's key.
    pub async fn rotate(&self, at: usize) -> anyhow::Result<()> {
        let store = self.process(at)?.store;
        let rotation = self.realm.rotation(&store.read_index().await?.state);
        let answer = store.propose(rotation.context("no version is left")?, None).await?.answer;
        let Answer::L2Version(version) = answer else { bail!("no new version of the key: {answer:?}") };
        self.ledger.book().handed_out.versions.insert(version);
        Ok(())
    }

    /// What the cluster of the moment gave numbers to.
    pub fn handed_out(&self) -> HandedOut {
        self.ledger.book().handed_out.clone()
    }

    fn note_handed_out(&self) {
        let running: Vec<_> = self.up().into_iter().filter_map(|at| self.running(at)).collect();
        let mut book = self.ledger.book();
        book.handed_out.nodes.extend(running.iter().map(|process| process.store.identity().node));
        book.handed_out.boots.extend(running.iter().filter_map(|process| process.store.boot()));
    }

    // -- disks ----------------------------------------------------------------------------------------

    /// Takes a machine's disk out and puts another in; it must be down.
    pub fn swap_disk(&self, at: usize, disk: SimDisk) -> SimDisk {
        std::mem::replace(&mut self.nodes[at].lock().disk, disk)
    }

    /// A machine's disk.
    pub fn disk(&self, at: usize) -> SimDisk {
        self.nodes[at].lock().disk.clone()
    }

    /// A machine.
    pub fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    /// A machine's process, if it runs.
    pub fn running(&self, at: usize) -> Option<Process> {
        self.nodes[at].lock().process.clone()
    }

    fn process(&self, at: usize) -> anyhow::Result<Process> {
        self.running(at).with_context(|| format!("{} does not run", NAMES[at]))
    }

    /// The machines with a process.
    pub fn up(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|at| self.running(*at).is_some()).collect()
    }

    /// A random one of them.
    pub fn any_up(&self) -> Option<usize> {
        let up = self.up();
        (!up.is_empty()).then(|| up[self.dice.below(up.len())])
    }

    /// Who leads and knows it; the one of the highest term, should two think so.
    pub fn leader(&self) -> Option<usize> {
        let leads = |at: &usize| {
            let status = self.running(*at)?.store.status();
            (status.role == Role::Leader).then_some((status.term, *at))
        };
        (0..self.nodes.len()).filter_map(|at| leads(&at)).max().map(|(_, at)| at)
    }

    /// Has the next key destroyed now.
    pub fn urge(&self) {
        self.urged.notify_one();
    }

    /// The others.
    pub fn others(at: usize) -> Vec<&'static str> {
        NAMES.into_iter().filter(|name| *name != NAMES[at]).collect()
    }

    // -- waiting --------------------------------------------------------------------------------------

    /// Ends every fault that lasts: links, clocks and disks are well, every process runs.
    pub async fn heal(&self) -> anyhow::Result<()> {
        self.net.heal();
        for (at, name) in NAMES.iter().enumerate() {
            self.nodes[at].clock.set_wall_ahead_ms(0);
            self.disk(at).slow_ms(0);
            if self.disk(at).has_failed() {
                self.crash(at).await;
            }
            if self.running(at).is_none() {
                self.start(at).await.with_context(|| format!("{name} does not start again"))?;
            }
        }
        Ok(())
    }

    /// Waits until every machine holds a lease and there are as many voters as there should be.
    pub async fn until_in_order(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while let Some(missing) = self.missing().await {
            if begun.elapsed() > PATIENCE {
                bail!("not in order {} s after the last fault: {missing}", PATIENCE.as_secs());
            }
            sleep(POLL).await;
        }
        self.note_handed_out();
        Ok(begun.elapsed())
    }

    async fn missing(&self) -> Option<String> {
        let unready = (0..self.nodes.len()).find_map(|at| {
            let status = self.running(at)?.store.status();
            let condemned = self.running(at)?.store.condemned().map(str::to_owned);
            (!status.ready).then(|| format!("{} is not ready: {condemned:?} {status:?}", NAMES[at]))
        });
        if unready.is_some() {
            return unready;
        }
        let Some(leader) = self.leader().and_then(|at| self.running(at)) else {
            return Some("nobody leads".to_owned());
        };
        let voters = leader.store.cluster_status().await.nodes.iter().filter(|node| node.voter).count();
        (voters != VOTERS).then(|| format!("{voters} voters"))
    }
}

impl Node {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
