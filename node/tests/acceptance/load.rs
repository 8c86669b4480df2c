//! Clients of a tenant that make new keys and read an old one; every request is tried once, and one that fails
//! fails the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::Connector;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::support::Cluster;
use crate::wire;

/// Lines to each node.
const LINES: usize = 3;
/// Requests in one turn: a Create with its Get in one batch, and a Get of the old key.
const TURN: usize = 2;

/// See the module.
pub struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
    began: Instant,
}

/// What a load has done.
pub struct Served {
    /// Requests, none of which failed.
    pub requests: usize,
    /// How many in a second.
    pub per_second: f64,
}

impl Load {
    /// As fast as the nodes answer.
    pub fn start(cluster: &Cluster, tenant: &str, nodes: &[usize], known: &str, bytes: &[u8]) -> Self {
        Self::at(None, cluster, tenant, nodes, known, bytes)
    }

    /// So many requests a second, shared out evenly over lines and nodes. What a busy machine missed is made up
    /// for.
    pub fn paced(
        per_second: usize,
        cluster: &Cluster,
        tenant: &str,
        nodes: &[usize],
        known: &str,
        bytes: &[u8],
    ) -> Self {
        let turns = (nodes.len() * LINES * TURN) as f64;
        let every = Duration::from_secs_f64(turns / per_second as f64);
        Self::at(Some(every), cluster, tenant, nodes, known, bytes)
    }

    fn at(
        every: Option<Duration>,
        cluster: &Cluster,
        tenant: &str,
        nodes: &[usize],
        known: &str,
        bytes: &[u8],
    ) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for node in nodes.iter().flat_map(|node| [*node; LINES]) {
            let connector = Connector::all(&cluster.settings(&[node], tenant, "mongodb"));
            let connector = connector.expect("settings").remove(0);
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            let (get, bytes) = (wire::get(known), bytes.to_vec());
            tasks.spawn(async move {
                let mut connection = connector.open().await.expect("a connection");
                let mut turn = every.map(interval);
                while !stop.load(Ordering::Relaxed) {
                    if let Some(turn) = &mut turn {
                        turn.tick().await;
                    }
                    let answer = connection.exchange(&wire::create_and_get()).await;
                    let answer = answer.unwrap_or_else(|fault| panic!("node {node}: {fault}"));
                    assert_eq!(wire::reasons(answer), [], "node {node}");
                    let answer = connection.exchange(&get).await;
                    let answer = answer.unwrap_or_else(|fault| panic!("node {node}: {fault}"));
                    assert_eq!(wire::reasons(answer), [], "node {node}");
                    let same = answer.windows(bytes.len()).any(|window| window == bytes);
                    assert!(same, "node {node} gave another key");
                    served.fetch_add(TURN, Ordering::Relaxed);
                }
            });
        }
        Self { stop, served, tasks, began: Instant::now() }
    }

    /// Fails if one request failed.
    pub async fn stop(mut self) -> Served {
        let (requests, took) = (self.served.load(Ordering::Relaxed), self.began.elapsed());
        self.stop.store(true, Ordering::Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task.expect("no request failed");
        }
        Served { requests, per_second: requests as f64 / took.as_secs_f64() }
    }
}
