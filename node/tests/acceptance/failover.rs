//! The leader is killed under load: the other nodes go on without one failure, writes come back, the
//! killed node comes back. How fast is measured elsewhere; here it must happen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::{Client, Connector, KeyRequest};
use kmip::ResultReason;
use tokio::task::JoinSet;

use crate::support::{Cluster, NODES, text};
use crate::wire;

/// Connections for each surviving node.
const LOAD: usize = 4;
/// Until the cluster writes again. The figure is 2 s; two cores may run a build beside us.
const WRITES_AGAIN: Duration = Duration::from_secs(5);
/// A withdrawal waits for the dead node's lease: the default L of 3 s, its margins, and the fail-over.
const WITHDRAWN: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_leader_fails_no_derivation_and_writes_return() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    let others: Vec<usize> = (0..NODES).filter(|i| *i != leader).collect();
    let survivor = cluster.client(others[0], "tenant-a");
    let (doomed, _) = survivor.create_and_get(&KeyRequest::aes256()).await.expect("a key");

    let neighbour = cluster.client(others[1], "tenant-b");
    let known = neighbour.create(&KeyRequest::aes256()).await.expect("a key");
    let load = Load::start(&cluster, &others, &known);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = load.served();
    assert!(before > 0, "the load runs");
    cluster.kill(leader);
    let killed = Instant::now();
    label(&cluster, killed);
    withdraw(&survivor, &doomed, killed).await;
    for i in &others {
        let refused = cluster.client(*i, "tenant-a").get(&doomed).await.expect_err("destroyed");
        assert_eq!(refused.reason(), Some(ResultReason::ItemNotFound), "{refused}");
    }
    cluster.run(leader);
    cluster.caught_up(leader);
    let after = load.stop().await;
    assert!(after > before, "the load went on: {before} keys before the kill, {after} at the end");

    let back = cluster.client(leader, "tenant-a");
    let refused = back.get(&doomed).await.expect_err("the node that was away knows");
    assert_eq!(refused.reason(), Some(ResultReason::ItemNotFound), "{refused}");
    back.create(&KeyRequest::aes256().named("written through the node that came back"))
        .await
        .expect("a write");
    assert_eq!(cluster.json(&["tenant", "get", "tenant-a"])["labels"]["after"], "fail-over");
}

/// A change of a tenant, through the command line, until it succeeds.
fn label(cluster: &Cluster, killed: Instant) {
    loop {
        let output = cluster.keyraft(&["tenant", "label", "tenant-a", "after=fail-over"]);
        if output.status.success() {
            break;
        }
        assert!(killed.elapsed() < WRITES_AGAIN, "{}", text(&output.stderr));
    }
    assert!(killed.elapsed() < WRITES_AGAIN, "took {} ms", killed.elapsed().as_millis());
}

/// A Destroy, repeated while its outcome is unknown: a second one is acknowledged like the first.
async fn withdraw(client: &Client, identifier: &str, killed: Instant) {
    while let Err(error) = client.destroy(identifier).await {
        if error.reason() == Some(ResultReason::ItemNotFound) {
            break; // destroyed by an attempt whose answer was lost
        }
        assert!(killed.elapsed() < WITHDRAWN, "{error}");
    }
    assert!(killed.elapsed() < WITHDRAWN, "took {} ms", killed.elapsed().as_millis());
}

/// Creates and Gets of ephemeral keys, each connection to one node alone: nobody passes a failure over, or
/// asks again after a "not now".
struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Load {
    fn start(cluster: &Cluster, nodes: &[usize], known: &str) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for node in nodes.iter().flat_map(|node| [*node; LOAD]) {
            let connector = Connector::all(&cluster.settings(&[node], "tenant-b", "mongodb"));
            let connector = connector.expect("settings").remove(0);
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            let get = wire::get(known);
            tasks.spawn(async move {
                let mut connection = connector.open().await.expect("a connection");
                while !stop.load(Ordering::Relaxed) {
                    for request in [&wire::create_and_get(), &get] {
                        let answer = connection.exchange(request).await;
                        let answer = answer.unwrap_or_else(|fault| panic!("node {node}: {fault}"));
                        assert_eq!(wire::reasons(answer), [], "node {node}");
                    }
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { stop, served, tasks }
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    /// Fails if one request failed.
    async fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task.expect("no request failed on a surviving node");
        }
        self.served()
    }
}
