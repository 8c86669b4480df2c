//! Every node is restarted in turn, as an upgrade does it, under load: no request fails that is tried once
//! more after its connection was closed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use client::{Client, Connection, Connector, KeyRequest};
use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::support::{Cluster, KEYRAFT, NODES, until};
use crate::wire;

/// Connections that derive, spread over the nodes.
const READERS: usize = 6;
/// Connections that write, spread over the nodes.
const WRITERS: usize = 3;
/// Load before the first restart and after the last.
const PEACE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_request() {
    let mut cluster = Cluster::start();
    let load = Load::start(&cluster);
    tokio::time::sleep(PEACE).await;
    for node in 0..NODES {
        cluster.terminate(node, Signal::TERM);
        cluster.run(node);
        cluster.caught_up(node);
    }
    tokio::time::sleep(PEACE).await;
    let (derived, written) = load.stop().await;
    assert!(derived > 0 && written > 0, "{derived} derivations, {written} writes");
}

/// A binary that knows one format version more: built with `--features danger-next-format`, named by
/// `KEYRAFT_NEXT`.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_goes_back_and_forth_until_its_format_is_used() {
    let Some(next) = std::env::var_os("KEYRAFT_NEXT") else {
        println!("skipped: KEYRAFT_NEXT names no binary of the next format; see make upgrade");
        return;
    };
    let next = next.to_str().expect("a path").to_owned();
    let mut cluster = Cluster::start();
    for node in 0..NODES {
        let file = cluster.node(node).join("config.toml");
        let text = fs::read_to_string(&file).expect("a configuration");
        fs::write(&file, text.replace("[cluster]\n", "[cluster]\nformat_after_s = 2\n")).expect("a file");
    }
    let load = Load::start(&cluster);
    for (node, binary) in [(0, &*next), (1, &*next), (1, KEYRAFT), (0, KEYRAFT)] {
        restart_as(&mut cluster, node, binary);
    }
    let format = |cluster: &Cluster| cluster.json(&["operator", "members"])["format"].clone();
    assert_eq!(format(&cluster), 1, "one node never knew the newer one");
    for node in 0..NODES {
        restart_as(&mut cluster, node, &next);
    }
    until("the newer format is used", || format(&cluster) == 2);

    cluster.terminate(2, Signal::TERM);
    binary_of(&cluster, 2, KEYRAFT);
    cluster.run(2);
    let told = "the cluster's format version is 2, this binary knows up to 1";
    until("the older binary refuses", || {
        fs::read_to_string(cluster.node(2).join("log")).is_ok_and(|log| log.contains(told))
    });
    binary_of(&cluster, 2, &next);
    cluster.run(2);
    cluster.caught_up(2);
    load.stop().await;
}

fn restart_as(cluster: &mut Cluster, node: usize, binary: &str) {
    cluster.terminate(node, Signal::TERM);
    binary_of(cluster, node, binary);
    cluster.run(node);
    cluster.caught_up(node);
}

/// From its next start on, the node runs this binary.
fn binary_of(cluster: &Cluster, node: usize, binary: &str) {
    let file = cluster.node(node).join("run");
    let script = fs::read_to_string(&file).expect("a script");
    let (head, tail) = script.split_once("exec ").expect("it ends in exec");
    let (_, tail) = tail.split_once(" server ").expect("a server");
    let fresh = file.with_extension("new");
    fs::write(&fresh, format!("{head}exec '{binary}' server {tail}")).expect("a file");
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o700)).expect("a mode");
    fs::rename(&fresh, &file).expect("a script");
}

struct Load {
    stop: Arc<AtomicBool>,
    derived: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
    tasks: JoinSet<Result<(), String>>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let (stop, derived, written) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        for reader in 0..READERS {
            let nodes: Vec<usize> = (0..NODES).map(|node| (reader + node) % NODES).collect();
            let connectors =
                Connector::all(&cluster.settings(&nodes, "tenant-b", "mongodb")).expect("settings");
            let (stop, derived) = (Arc::clone(&stop), Arc::clone(&derived));
            tasks.spawn(async move {
                let mut line = Line { connectors, at: 0, open: None };
                while !stop.load(Ordering::Relaxed) {
                    line.derive().await?;
                    derived.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        for writer in 0..WRITERS {
            let clients: Vec<Client> =
                (0..NODES).map(|node| cluster.client((writer + node) % NODES, "tenant-a")).collect();
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            tasks.spawn(async move {
                let mut at = 0;
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    write(&clients, &mut at, &format!("writer {writer}, key {number}")).await?;
                    written.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Self { stop, derived, written, tasks }
    }

    /// Fails if one request failed.
    async fn stop(mut self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task.expect("a task").expect("no request failed");
        }
        (self.derived.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

/// One connection, to one node after the other.
struct Line {
    connectors: Vec<Connector>,
    at: usize,
    open: Option<Connection>,
}

impl Line {
    /// Create and Get in one batch; tried once more, on another node, if the connection was closed.
    async fn derive(&mut self) -> Result<(), String> {
        match self.once().await {
            Err(Failed::Closed(_)) => {}
            done => return done.map_err(Failed::text),
        }
        self.open = None;
        self.at += 1;
        self.once().await.map_err(Failed::text)
    }

    async fn once(&mut self) -> Result<(), Failed> {
        let connector = &self.connectors[self.at % NODES];
        let connection = match &mut self.open {
            Some(connection) => connection,
            none => none.insert(connector.open().await.map_err(|fault| Failed::Closed(fault.to_string()))?),
        };
        let answer = connection.exchange(&wire::create_and_get()).await;
        let answer = answer.map_err(|fault| Failed::Closed(fault.to_string()))?;
        let reasons = wire::reasons(answer);
        if reasons.is_empty() { Ok(()) } else { Err(Failed::Refused(format!("{reasons:?}"))) }
    }
}

/// Why a request failed.
enum Failed {
    Closed(String),
    Refused(String),
}

impl Failed {
    fn text(self) -> String {
        match self {
            Self::Closed(why) => format!("closed twice: {why}"),
            Self::Refused(why) => format!("refused: {why}"),
        }
    }
}

/// A recorded key: one replicated write. Tried once more, on another node and under another name, if its
/// connection was closed before an answer.
async fn write(clients: &[Client], at: &mut usize, name: &str) -> Result<(), String> {
    let first = clients[*at % NODES].create(&KeyRequest::aes256().named(name)).await;
    match first {
        Ok(_) => return Ok(()),
        Err(error) if error.reason().is_some() => return Err(format!("refused: {error}")),
        Err(_) => *at += 1,
    }
    let again = format!("{name}, again");
    let second = clients[*at % NODES].create(&KeyRequest::aes256().named(&again)).await;
    second.map(drop).map_err(|error| format!("failed twice: {error}"))
}
