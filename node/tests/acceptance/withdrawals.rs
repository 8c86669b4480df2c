//! What takes answers away besides Revoke and Destroy: a lower lease, a tighter policy, a denied certificate. Each
//! holds on every node once it is answered, and says since when.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use kmip::ResultReason;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::revocation::{authority, credentials};
use crate::support::{Cluster, NODES, text, until};
use crate::wire::{self, Credentials};

/// One open connection to each node.
async fn connections(cluster: &Cluster, credentials: &Credentials) -> Vec<TlsStream<TcpStream>> {
    let mut all = Vec::new();
    for node in 0..NODES {
        let port = cluster.ports.kmip + u16::try_from(node).expect("few nodes");
        all.push(wire::connect_to(cluster, port, Some(credentials)).await.expect("a connection"));
    }
    all
}

/// The reasons for which each node refuses a request.
async fn refusals(nodes: &mut [TlsStream<TcpStream>], request: &[u8]) -> Vec<Vec<ResultReason>> {
    let mut all = Vec::new();
    for node in nodes {
        all.push(wire::reasons(&wire::ask(node, request).await.expect("an answer")));
    }
    all
}

/// A withdrawal says since when it holds everywhere: now, in seconds since the epoch.
fn check_effective(answer: &Value) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let at = answer["effective_everywhere_at"].as_f64();
    assert!(at.is_some_and(|at| at <= now + 2.0 && at > now - 60.0), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_certificate_is_refused_on_open_connections_of_every_node() {
    let cluster = Cluster::start();
    let issuer = authority(&cluster);
    let (good, bad) = (credentials(&issuer, 2001), credentials(&issuer, 2002));
    let mut stolen = connections(&cluster, &bad).await;
    let mut other = connections(&cluster, &good).await;
    let request = wire::create_and_get();
    assert!(refusals(&mut stolen, &request).await.iter().all(Vec::is_empty), "nobody is denied yet");

    let file = cluster.data.join("stolen.pem");
    fs::write(&file, &bad.chain).expect("a file");
    let file = file.to_str().expect("text");
    let denied = cluster.json(&["certificate", "deny", file, "--reason", "the laptop was stolen"]);
    check_effective(&denied);
    for refused in refusals(&mut stolen, &request).await {
        assert!(
            !refused.is_empty() && refused.iter().all(|reason| *reason == ResultReason::PermissionDenied)
        );
    }
    assert!(refusals(&mut other, &request).await.iter().all(Vec::is_empty), "another one was refused");
    let mut again = connections(&cluster, &bad).await;
    assert!(
        refusals(&mut again, &request).await.iter().all(|refused| !refused.is_empty()),
        "a new connection"
    );

    let listed = cluster.json(&["certificate", "list"]);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["reason"]),
        (&denied["name"], &"the laptop was stolen".into())
    );
    let name = denied["name"].as_str().expect("a name");
    cluster.json(&["certificate", "allow", "--name", name]);
    assert_eq!(cluster.json(&["certificate", "list"]), Value::Array(Vec::new()));
    until("an allowed certificate serves again", || {
        let answered = futures_of(refusals(&mut stolen, &request));
        answered.iter().all(Vec::is_empty)
    });
    let unsure = cluster.keyraft(&["certificate", "deny", "--name", "key:1234"]);
    assert!(!unsure.status.success() && text(&unsure.stderr).contains("issued:"), "{}", text(&unsure.stderr));
}

/// Runs a future to its end from within a closure of [`until`].
fn futures_of<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_and_policies_are_changed_while_the_cluster_serves() {
    let cluster = Cluster::start();
    let relaxed = cluster.json(&["tenant", "lease", "tenant-a", "relaxed"]);
    assert_eq!(relaxed["lease_ms"], 60_000);
    let strict = cluster.json(&["tenant", "lease", "tenant-a", "strict"]);
    assert_eq!(strict["lease_ms"], 2_000);
    check_effective(&strict);
    until("the longer lease is applied nowhere", || {
        cluster.json(&["tenant", "get", "tenant-a"])["lease_lowered_from_ms"].is_null()
    });
    let refused = cluster.keyraft(&["tenant", "lease", "tenant-a", "100"]);
    assert!(
        !refused.status.success()
            && text(&refused.stderr).contains("the lease is out of range: 2000 to 60000 ms")
    );

    let key = |arguments: &[&str]| cluster.json(&[&["key"], arguments].concat());
    let made = key(&["create", "--name", "invoices"]);
    let identifier = made[0]["identifier"].as_str().expect("an identifier");
    key(&["activate", identifier]);
    key(&["revoke", identifier, "--reason", "superseded"]);
    let mut nodes = connections(&cluster, &Credentials::of(&cluster, "tenant-a", "mongodb")).await;
    let get = wire::get(identifier);
    assert!(refusals(&mut nodes, &get).await.iter().all(Vec::is_empty), "old data can be read");
    let denied = cluster.json(&["service", "policy", "tenant-a", "mongodb", "--deny-get-after-revoke"]);
    assert_eq!(denied["policy"]["get_after_revoke"], false);
    check_effective(&denied);
    for refused in refusals(&mut nodes, &get).await {
        assert_eq!(refused, [ResultReason::PermissionDenied]);
    }
    check_effective(&cluster.json(&["tenant", "suspend", "tenant-b"]));
    let shown = cluster.json(&["tenant", "get", "tenant-b"]);
    assert_eq!(shown["state"], "suspended", "it holds everywhere, so it is told");
}
