//! The clients of a run: on every node somebody writes, reads, probes, and insists on what was withdrawn; a
//! stranger tries doors.

mod insister;
mod line;
mod probe;
mod reader;
mod stranger;
pub mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use client::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, NODES};
use crate::environment::{Environment, Tenant};
use crate::ledger::{Ledger, Time};
use crate::timeline::Probed;
use chaos::random::Random;

/// Longest call of a client that writes: a withdrawal while a node is away ends within L + 2 s = 5 s.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest call of a client that reads.
pub const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// How long clients may take to end: one call.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// Readers of each node.
const READERS: usize = 2;

/// The clients at work.
pub struct Load {
    clients: JoinSet<anyhow::Result<()>>,
    stop: watch::Sender<bool>,
    probes: Probes,
    ledger: Ledger,
    writers: Vec<Client>,
}

/// What the probes saw, by node.
#[derive(Clone, Default)]
pub struct Probes(Arc<Mutex<[Probed; NODES]>>);

impl Probes {
    /// Changes what is known of a node.
    pub fn with<T>(&self, node: usize, change: impl FnOnce(&mut Probed) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[node])
    }

    /// A copy of everything.
    pub fn all(&self) -> [Probed; NODES] {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What every client holds.
#[derive(Clone)]
pub struct Desk {
    ledger: Ledger,
    random: Random,
    stop: watch::Receiver<bool>,
}

impl Desk {
    fn is_open(&self) -> bool {
        !*self.stop.borrow()
    }
}

impl Load {
    /// Starts every client.
    pub async fn start(cluster: &Cluster, ledger: &Ledger, seed: u64) -> anyhow::Result<Self> {
        let environment = cluster.environment();
        let (stop, stopped) = watch::channel(false);
        let mut part = 100; // parts below are the plan's
        let mut desk = || {
            part += 1;
            Desk { ledger: ledger.clone(), random: Random::new(seed, part), stop: stopped.clone() }
        };
        let every_node: Vec<usize> = (0..NODES).collect();
        let writers = pinned(environment, Tenant::A, WRITE_TIMEOUT)?;
        let readers = pinned(environment, Tenant::A, READ_TIMEOUT)?;
        let strangers = pinned(environment, Tenant::B, READ_TIMEOUT)?;
        let roaming = Client::new(&environment.settings(Tenant::A, &every_node, WRITE_TIMEOUT)?)?;

        let probes = Probes::default();
        let mut clients = JoinSet::new();
        for client in writers.iter().chain([&roaming]) {
            clients.spawn(writer::write(client.clone(), desk()));
        }
        for _ in 0..READERS * NODES {
            clients.spawn(reader::read(readers.clone(), desk()));
        }
        clients.spawn(stranger::try_doors(strangers, desk()));
        for node in 0..NODES {
            let probe = probe::Probe::new(environment, node).await?;
            clients.spawn(probe.run(probes.clone(), desk()));
            clients.spawn(insister::Insister::new(environment, node)?.run(desk()));
        }
        Ok(Self { clients, stop, probes, ledger: ledger.clone(), writers })
    }

    /// The ledger they share.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A client that writes to one node only.
    pub fn writer(&self, node: usize) -> Client {
        self.writers[node].clone()
    }

    /// Whether a derivation of a node failed since then.
    pub fn missed_since(&self, node: usize, time: Time) -> bool {
        self.probes.with(node, |probed| probed.missed.iter().any(|miss| miss.ended >= time))
    }

    /// When a node gave its last key.
    pub fn last_answer(&self, node: usize) -> Option<Time> {
        self.probes.with(node, |probed| probed.last_success.map(|(_, ended)| ended))
    }

    /// When a derivation ended that began after `time` and came back; the last one, so ask often.
    pub fn answered_since(&self, node: usize, time: Time) -> Option<Time> {
        self.probes.with(node, |probed| {
            probed.last_success.filter(|(begun, _)| *begun > time).map(|(_, ended)| ended)
        })
    }

    /// Ends every client; each finishes its call.
    pub async fn stop(mut self) -> anyhow::Result<[Probed; NODES]> {
        let _ = self.stop.send(true);
        let all_ended = async {
            while let Some(ended) = self.clients.join_next().await {
                ended.context("a client panicked")??;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(STOP_TIMEOUT, all_ended).await.context("a client did not end")??;
        Ok(self.probes.all())
    }
}

/// One client for each node, that knows no other.
pub fn pinned(environment: &Environment, tenant: Tenant, call: Duration) -> anyhow::Result<Vec<Client>> {
    (0..NODES).map(|node| Ok(Client::new(&environment.settings(tenant, &[node], call)?)?)).collect()
}
