//! A cluster in memory, on one thread, under tokio's paused clock: hours pass in seconds, and a seed decides
//! all randomness, openraft's election jitter included.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::id::{ClusterId, LogIndex, NodeId, Realm};
use model::sealer::Sealer;
use model::state::Effect;
use raft_store::env::{Clock, Entropy, Surroundings, Transport};
use raft_store::join::{JoinRequest, ask};
use raft_store::lease::clock::BootTime;
use raft_store::storage::{Fatal, Options, RamDisk, Storage, StoreError};
use raft_store::{Addresses, CacheGuard, Env, Identity, Settings, StartError, Store};
use tokio::time::{Instant, sleep};

use crate::commands::REGION;
use crate::net::Net;
use crate::sealer::InsecureSealer;

pub const NAMES: [&str; 3] = ["node-a", "node-b", "node-c"];
/// Nodes that join later.
pub const MORE: [&str; 3] = ["node-d", "node-e", "node-f"];
/// Tokens last this long: longer than any scenario.
pub const TOKEN_LASTS: Duration = Duration::from_secs(24 * 60 * 60);
/// Small, so that snapshots and purges happen in every longer run.
pub const SNAPSHOT_EVERY: u64 = 30;
pub const LOG_KEPT: u64 = 10;
/// Few, so that a log arrives in many messages and a crash falls between any two.
pub const ENTRIES_PER_MESSAGE: u64 = 2;
/// Silence after which a node is given up, if the scenario lasts that long.
pub const DEAD_AFTER: Duration = Duration::from_secs(300);
/// How long all must know a newer format version.
pub const FORMAT_AFTER: Duration = Duration::from_secs(5);
const WALL_START_MS: u64 = 1_800_000_000_000;

/// Runs a simulation; a failure says how to see it again.
pub fn simulate<F: Future<Output = ()>>(name: &str, scenario: impl FnOnce(Dice) -> F) {
    let seed = std::env::var("CLUSTER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) ^ 0x5eed_0000);
    println!("replay: CLUSTER_SEED={seed} cargo test --release -p raft-store --test cluster {name}");
    // CLUSTER_LOG=raft_store=debug,openraft=info shows what happens.
    if let Ok(filter) = std::env::var("CLUSTER_LOG") {
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_be_bytes()))
        .build()
        .unwrap();
    runtime.block_on(scenario(Dice::new(seed)));
}

/// Random numbers from the seed (splitmix64).
#[derive(Clone)]
pub struct Dice(Arc<Mutex<u64>>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    pub fn roll(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }
}

impl Entropy for Dice {
    fn fill(&self, out: &mut [u8]) {
        for eight in out.chunks_mut(8) {
            eight.copy_from_slice(&self.roll().to_be_bytes()[..eight.len()]);
        }
    }
}

/// Both clocks follow the paused one, each node's boot clock from its own beginning and at its own rate,
/// up to a hundredth slow or fast: what the lease is built to bear.
struct SimClock {
    born: Instant,
    offset: Duration,
    rate_permille: u32,
    /// How far the wall clock is ahead, in milliseconds.
    ahead_ms: Arc<AtomicU64>,
}

impl Clock for SimClock {
    fn boot(&self) -> BootTime {
        let elapsed = self.born.elapsed() * self.rate_permille / 1_000;
        BootTime::from_nanos(u64::try_from((self.offset + elapsed).as_nanos()).unwrap())
    }

    fn wall_ms(&self) -> u64 {
        let ahead_ms = self.ahead_ms.load(Ordering::Relaxed);
        WALL_START_MS + ahead_ms + u64::try_from(self.born.elapsed().as_millis()).unwrap()
    }
}

/// Nothing is cached here.
pub struct NoCache;

impl CacheGuard for NoCache {
    fn close_epochs(&self, _: LogIndex, _: &[Effect]) {}
    fn purge(&self, _: LogIndex, _: &[Effect]) {}
}

struct SimEnv {
    disk: RamDisk,
    surroundings: Surroundings,
}

impl Env for SimEnv {
    type Disk = RamDisk;

    fn surroundings(&self) -> Surroundings {
        self.surroundings.clone()
    }

    fn open(&self) -> Result<Arc<Storage<RamDisk>>, StoreError> {
        let on_fatal = Fatal::new(|why| eprintln!("a node stopped: {why}"));
        Storage::<RamDisk>::open_ram(self.disk.clone(), Options { on_fatal, ..Options::default() })
    }
}

pub struct SimNode {
    pub name: &'static str,
    pub identity: Identity,
    pub disk: RamDisk,
    pub ahead_ms: Arc<AtomicU64>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    store: Option<Store>,
}

pub struct Sim {
    pub net: Arc<Net>,
    pub dice: Dice,
    pub nodes: Vec<SimNode>,
    /// The format version that each node's binary knows.
    pub formats: Vec<u32>,
    /// After so many entries a process that starts from now on makes a snapshot.
    pub snapshot_every: u64,
    sealer: Arc<dyn Sealer>,
}

impl Sim {
    /// One bootstrapped node.
    pub async fn single(dice: Dice) -> Self {
        let net = Arc::<Net>::default();
        let identity = Identity {
            realm: Realm([0x11; 16]),
            cluster: ClusterId([0x22; 16]),
            node: NodeId(1),
            name: NAMES[0].into(),
        };
        let (formats, snapshot_every) = (Vec::new(), SNAPSHOT_EVERY);
        let mut sim = Self {
            net,
            dice,
            nodes: Vec::new(),
            formats,
            snapshot_every,
            sealer: Arc::new(InsecureSealer::default()),
        };
        sim.add(NAMES[0], identity);
        sim.start(0).await;
        sim
    }

    /// Three voters, all fresh.
    pub async fn three(dice: Dice) -> Self {
        let mut sim = Self::single(dice).await;
        sim.store(0).wait_ready(Duration::from_secs(5)).await.unwrap();
        for (number, name) in NAMES.into_iter().enumerate().skip(1) {
            sim.join(name, u8::try_from(number).unwrap()).await;
        }
        for at in 0..3 {
            sim.store(at).wait_ready(Duration::from_secs(5)).await.unwrap();
        }
        sim.until("three voters", || async {
            sim.store(0).cluster_status().await.nodes.iter().filter(|node| node.voter).count() == 3
        })
        .await;
        sim
    }

    /// A node joins through a member, and starts; returns its place in `nodes`.
    pub async fn join(&mut self, name: &'static str, attempt: u8) -> usize {
        self.join_through(0, name, attempt, true).await
    }

    /// The same, through any member, as a voter to be or not.
    pub async fn join_through(
        &mut self,
        member: usize,
        name: &'static str,
        attempt: u8,
        voter: bool,
    ) -> usize {
        let token = self.store(member).join_token(TOKEN_LASTS).await.unwrap();
        let request = JoinRequest { voter, ..self.join_request(member, name, token.expose()) };
        let transport = self.net.of(name);
        let joined = ask([attempt; 16], &request, &transport).await.unwrap();
        let again = ask([attempt; 16], &request, &transport).await.unwrap();
        assert_eq!(joined, again, "a retried join gets the same node id");
        assert_eq!((&joined.region[..], &joined.keyring[..]), (REGION, &b"keyring"[..]));
        let at = self.add(name, joined.identity);
        self.start(at).await;
        at
    }

    /// What a new node asks a member.
    pub fn join_request(&self, member: usize, name: &str, token: &str) -> JoinRequest {
        JoinRequest {
            name: name.into(),
            addresses: Addresses { peer: name.into(), ..Addresses::default() },
            peers: vec![self.nodes[member].name.into()],
            token: token.into(),
            voter: true,
            within: Duration::from_secs(5),
        }
    }

    fn add(&mut self, name: &'static str, identity: Identity) -> usize {
        let offset = Duration::from_secs(1_000 + self.dice.roll() % 100_000);
        let rate_permille = 990 + u32::try_from(self.dice.below(21)).unwrap();
        let ahead_ms = Arc::<AtomicU64>::default();
        let clock = SimClock { born: Instant::now(), offset, rate_permille, ahead_ms: Arc::clone(&ahead_ms) };
        self.nodes.push(SimNode {
            name,
            identity,
            disk: RamDisk::default(),
            transport: self.net.of(name),
            ahead_ms,
            clock: Arc::new(clock),
            store: None,
        });
        self.formats.push(model::state::FORMAT);
        self.nodes.len() - 1
    }

    /// Starts the process of a node on the disk it has.
    pub async fn start(&mut self, at: usize) {
        let started = self.try_start(at).await;
        self.nodes[at].store = Some(started.unwrap());
    }

    async fn try_start(&mut self, at: usize) -> Result<Store, StartError> {
        let settings = Settings {
            addresses: Addresses { peer: self.nodes[at].name.into(), ..Addresses::default() },
            region: REGION.into(),
            bootstrap: at == 0,
            keyring: Arc::new(|| b"keyring".to_vec()),
            stabilisation: Duration::from_millis(200),
            format: self.formats[at],
            format_after: FORMAT_AFTER,
            dead_learner_after: Some(DEAD_AFTER),
            dead_voter_after: Some(DEAD_AFTER),
            snapshot_every: self.snapshot_every,
            log_kept: LOG_KEPT,
            entries_per_message: ENTRIES_PER_MESSAGE,
            ..Settings::default()
        };
        let node = &self.nodes[at];
        let surroundings = Surroundings {
            clock: Arc::clone(&node.clock),
            transport: Arc::clone(&node.transport),
            entropy: Arc::new(self.dice.clone()),
            runtime: tokio::runtime::Handle::current(),
        };
        let env = SimEnv { disk: node.disk.clone(), surroundings };
        let sealer = Arc::clone(&self.sealer);
        Store::start(env, settings, node.identity.clone(), sealer, Arc::new(NoCache)).await
    }

    /// Starts a node that must not start; returns what it says.
    pub async fn refuses_to_start(&mut self, at: usize) -> String {
        let started = self.try_start(at).await;
        let error = started.expect_err("it must not start");
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ")
    }

    /// The process is gone; of what was not synced, a random part is lost.
    pub async fn crash(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        self.net.kill(node.name);
        let kept = self.dice.below(node.disk.unsynced() + 1);
        node.disk = node.disk.after_crash(kept);
        if let Some(store) = node.store.take() {
            store.danger_crash().await;
        }
    }

    pub fn store(&self, at: usize) -> &Store {
        self.nodes[at].store.as_ref().expect("the node runs")
    }

    pub fn is_up(&self, at: usize) -> bool {
        self.nodes[at].store.is_some()
    }

    pub fn up(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|at| self.is_up(*at)).collect()
    }

    pub fn isolate(&self, at: usize) {
        let others: Vec<&str> = self.nodes.iter().map(|node| node.name).collect();
        self.net.isolate(self.nodes[at].name, &others);
    }

    /// Who leads, as most of those running see it.
    pub async fn leader(&self) -> usize {
        self.leader_among(&self.up()).await
    }

    /// Waits until all of these agree on a leader among them, and it knows.
    pub async fn leader_among(&self, among: &[usize]) -> usize {
        let begun = Instant::now();
        loop {
            let believed: Vec<_> = among.iter().map(|at| self.store(*at).status().leader).collect();
            if let Some(leader) = believed[0].filter(|_| believed.iter().all(|b| *b == believed[0])) {
                let at = self.nodes.iter().position(|node| node.identity.node == leader).unwrap();
                if among.contains(&at) {
                    return at;
                }
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "no leader among {among:?}: {believed:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a condition holds, at most twenty seconds of simulated time.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut holds: impl FnMut() -> F) {
        let begun = Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < Duration::from_secs(20), "not in time: {what}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}
