//! The credentials of a root that is in use: they end, and are replaced in place. What does not open the very key is
//! refused and changes nothing; what does is in use on every node at once.

use std::time::{Duration, Instant};

use client::KeyRequest;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::peers::{Described, PROVIDERS, Peers};
use crate::rest::{Reply, Request};
use crate::support::{Cluster, NODES, text, until};

const TENANT: &str = "tenant-a";
/// As often as a tenant may want its root probed.
const PROBE_MS: u64 = 2_000;
/// How long a node's refusal waits for another node to be answered.
const DOUBT_S: u64 = 4;
/// Tests of roots at once for one tenant.
const AT_ONCE: usize = 4;
/// A tenant whose root was given new credentials is served again within this.
const SERVES_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_ended_are_replaced_in_place_and_the_keys_are_the_same() {
    let mut cluster = Cluster::start();
    let peers = Peers::start(&PROVIDERS[1..2]);
    let Some((_, transit)) = peers.roots(&cluster).next() else { return };
    move_to(&cluster, &transit).await;
    let made = cluster.client(0, TENANT).create_and_get(&KeyRequest::aes256()).await.expect("a key");
    let (key, bytes) = (made.0, made.1.expose().to_vec());
    let configured = show(&cluster).await;

    // Its owner's token ends: the tenant is closed, and everybody sees why.
    peers.fake("transit").tell(&json!({ "revoke": true }));
    until("the root says no", || own(&cluster)["key_state"] == "forbidden");
    for node in 0..NODES {
        let refused = cluster.impatient_client(node, TENANT).get(&key).await;
        assert!(refused.is_err(), "node {node} gives keys of a root that says no");
    }

    // Credentials that do not open the key: one sentence, and nothing is changed.
    peers.fake("transit").tell(&json!({ "token": "hvs.may-nothing", "policy": "nothing" }));
    for (credentials, expected) in [
        (token("hvs.unknown"), "permission"),
        (token("hvs.may-nothing"), "permission read on transit/keys/k1 is missing"),
        (json!({ "kind": "pin", "pin": "1234" }), "of kind `pin` do not fit"),
    ] {
        let output = replace(&cluster, &credentials);
        let told = text(&output.stderr);
        assert!(!output.status.success() && told.contains("keeps the credentials it has"), "{told}");
        assert!(told.contains(expected) && !told.contains("hvs."), "{told}");
        let after = show(&cluster).await;
        assert_eq!(after.headers["etag"], configured.headers["etag"], "nothing was changed");
    }
    let refused = put(&cluster, &json!({ "kind": "sesame" })).send(&cluster).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(own(&cluster)["key_state"], "forbidden");

    // Those that do are in use everywhere at once.
    peers.fake("transit").tell(&json!({ "token": "hvs.next" }));
    let stale = put(&cluster, &token("hvs.unknown")).header("If-Match: \"1\"").send(&cluster).await;
    assert_eq!(stale.status, 412, "it changed since it was read, so they are not tried: {}", stale.body);
    let output = replace(&cluster, &token("hvs.next"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let replaced = Instant::now();
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(shown["applied_everywhere_at"].is_f64(), "{shown}");
    assert_eq!((&shown["state"], &shown["key_state"]), (&"active".into(), &"enabled".into()), "{shown}");
    assert!(!shown.to_string().contains("hvs."), "credentials never come out: {shown}");
    for node in 0..NODES {
        serves_again(&cluster, node, &key, &bytes, replaced).await;
    }
    what_happened_is_told(&cluster);

    // A node that starts later opens the root by them as well.
    cluster.kill(1);
    cluster.run(1);
    cluster.caught_up(1);
    assert_eq!(asked(&cluster, 1, &key).await.expect("its key"), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_refuses_one_node_and_answers_another_closes_nobody() {
    let cluster = Cluster::start();
    let peers = Peers::start(&PROVIDERS[1..2]);
    let Some((_, transit)) = peers.roots(&cluster).next() else { return };
    move_to(&cluster, &transit).await;
    let made = cluster.client(0, TENANT).create_and_get(&KeyRequest::aes256()).await.expect("a key");
    for node in 0..NODES {
        assert_eq!(asked(&cluster, node, &made.0).await.expect("its key"), made.1.expose());
    }
    let events = || cluster.json(&["events", "--tenant", TENANT]).as_array().cloned().unwrap_or_default();
    let before = events().len();
    let news = || events().split_off(before);
    let is = |event: &Value, name: &str| event["event"] == name;
    let answered = |event: &Value| is(event, "root_grace_ended") || is(event, "root_opened");
    // Whoever probes next: nobody else asks the root, since every node has the key.
    peers.fake("transit").tell(&json!({ "refuse": 1 }));
    until("another node was answered", || news().iter().any(answered));
    let news = news();
    let first = |of: &dyn Fn(&Value) -> bool| news.iter().find(|event| of(event)).expect("it was told");
    let (refused, answer) = (first(&|event| is(event, "root_grace_started")), first(&answered));
    // Where the machine is too busy for the others to ask in time, the doubt closes, and no sooner.
    let since = |event: &Value| event["effective_time"].as_u64().expect("a time");
    let closed = news.iter().any(|event| is(event, "root_closed"));
    let doubted_s = since(answer) - since(refused);
    assert!(!closed || doubted_s >= DOUBT_S, "closed after {doubted_s} s: {news:?}");
    assert_eq!(own(&cluster)["key_state"], "enabled");
    for node in 0..NODES {
        assert_eq!(asked(&cluster, node, &made.0).await.expect("its key"), made.1.expose());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_rotated_before_they_end_and_a_repeated_request_replaces_them_once() {
    let cluster = Cluster::start();
    let peers = Peers::start(&PROVIDERS[1..2]);
    let Some((_, transit)) = peers.roots(&cluster).next() else { return };
    move_to(&cluster, &transit).await;
    let made = cluster.client(0, TENANT).create_and_get(&KeyRequest::aes256()).await.expect("a key");
    peers.fake("transit").tell(&json!({ "token": "hvs.next" }));
    let tag = show(&cluster).await.headers["etag"].clone();
    let request = put(&cluster, &token("hvs.next")).header("Idempotency-Key: rotate-1");
    let request = request.header(format!("If-Match: {tag}"));
    let first = request.send(&cluster).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_ne!(first.headers["etag"], tag);
    let again = request.clone().to(1).send(&cluster).await;
    assert_eq!((again.status, &again.headers["etag"]), (200, &first.headers["etag"]), "{}", again.body);
    let other = put(&cluster, &transit.credentials).header("Idempotency-Key: rotate-1").send(&cluster).await;
    assert_eq!(other.status, 409, "{}", other.body);

    // The earlier ones end now. No node speaks by them any more: the root is heard as before.
    peers.fake("transit").tell(&json!({ "token": "hvs.keyraft", "policy": "nothing" }));
    let ok_at = || own(&cluster)["ok_at"].as_u64().expect("a time");
    let (from, ends) = (ok_at(), Instant::now() + Duration::from_secs(60));
    // Long enough for each node to have had its turn.
    while ok_at() < from + 8 * PROBE_MS / 1_000 {
        assert_eq!(own(&cluster)["key_state"], "enabled", "{}", own(&cluster));
        assert!(Instant::now() < ends, "the root is not probed");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for node in 0..NODES {
        assert_eq!(asked(&cluster, node, &made.0).await.expect("its key"), made.1.expose());
    }
    // What does not belong to a tenant is not replaced so, and what is not there neither.
    for (root, status) in [("platform", 400), ("nowhere", 404)] {
        let line = format!("PUT /v1/tenants/{TENANT}/roots/{root}/credentials");
        let body = json!({ "credentials": token("hvs.next") });
        let reply = ask(&cluster, &line).json(&body).send(&cluster).await;
        assert_eq!(reply.status, status, "{}", reply.body);
    }
    // Once more, when the new ones have ended as well: they are not tried again.
    peers.fake("transit").tell(&json!({ "revoke": true }));
    let late = request.to(2).send(&cluster).await;
    assert_eq!((late.status, &late.headers["etag"]), (200, &first.headers["etag"]), "{}", late.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_few_tests_of_roots_at_once_and_takes_none_of_the_others() {
    let cluster = Cluster::shared();
    let peers = Peers::start(&PROVIDERS[1..2]);
    let Some((_, transit)) = peers.roots(&cluster).next() else { return };
    peers.fake("transit").mode("hang");
    let silent = json!({ "config": transit.config, "credentials": transit.credentials });
    let test = |tenant: &str| ask(&cluster, &format!("POST /v1/tenants/{tenant}/roots:test"));
    let send = |request: Request| {
        let cluster = &cluster;
        async move { request.send(cluster).await }
    };
    let tests = join_all((0..AT_ONCE + 2).map(|_| send(test(TENANT).json(&silent))));
    let other = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let works = json!({ "config": { "provider": "software", "key": "customer" } });
        test("tenant-b").json(&works).send(&cluster).await
    };
    let (replies, other) = tokio::join!(tests, other);
    assert_eq!((other.status, &other.body["passed"]), (200, &true.into()), "{}", other.body);
    let refused: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert_eq!(refused.len(), 2, "{replies:?}");
    for reply in &refused {
        let detail = reply.body["detail"].as_str().expect("a detail");
        assert!(detail.contains("it tests 4 roots of this tenant already; retry"), "{detail}");
    }
    let tried = replies.iter().filter(|reply| reply.status == 200 && reply.body["passed"] == false);
    assert_eq!(tried.count(), AT_ONCE, "{replies:?}");
    let works = json!({ "config": { "provider": "software", "key": "customer" } });
    let again = test(TENANT).json(&works).send(&cluster).await;
    assert_eq!(again.status, 200, "the places are given back: {}", again.body);
}

/// The event, and a record of each attempt.
fn what_happened_is_told(cluster: &Cluster) {
    let events = cluster.json(&["events", "--tenant", TENANT, "--event", "root_credentials_replaced"]);
    assert_eq!((&events[0]["root"], events.as_array().map(Vec::len)), (&"own".into(), Some(1)), "{events}");
    let all = cluster.audited();
    let attempts: Vec<&str> = all.lines().filter(|line| line.contains("replace_root_credentials")).collect();
    assert_eq!(attempts.iter().filter(|line| line.contains("credentials_unfit")).count(), 3, "{attempts:?}");
    assert_eq!(attempts.len(), 5, "three are unfit, one is stale, one is done: {attempts:?}");
    assert!(!all.contains("hvs."), "no record holds credentials");
}

async fn serves_again(cluster: &Cluster, node: usize, key: &str, bytes: &[u8], since: Instant) {
    loop {
        match cluster.impatient_client(node, TENANT).get(key).await {
            Ok(again) => return assert_eq!(again.expose(), bytes, "the same key"),
            Err(refused) => assert!(since.elapsed() < SERVES_WITHIN, "node {node} is closed: {refused}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Moves the tenant to this root, which is probed often, and waits for the first probe.
async fn move_to(cluster: &Cluster, root: &Described) {
    let body = json!({ "name": "own", "config": root.config, "credentials": root.credentials });
    let reply = ask(cluster, &format!("POST /v1/tenants/{TENANT}/roots")).json(&body).send(cluster).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert!(reply.headers.contains_key("etag"), "{:?}", reply.headers);
    let policy = json!({ "l1_grace_ms": 600_000, "probe_every_ms": PROBE_MS, "rotate_after_ms": 86_400_000 });
    let reply = ask(cluster, &format!("PUT /v1/tenants/{TENANT}/root-policy")).json(&policy);
    assert_eq!(reply.send(cluster).await.status, 200);
    let job = cluster.json(&["root", "switch", TENANT, "own", "--wait"]);
    assert_eq!(job["state"], "succeeded", "{job}");
    until("the root was probed", || own(cluster)["key_state"] == "enabled");
}

fn token(text: &str) -> Value {
    json!({ "kind": "token", "token": text })
}

/// By the command line.
fn replace(cluster: &Cluster, credentials: &Value) -> std::process::Output {
    let file = cluster.data.join("credentials.json");
    std::fs::write(&file, credentials.to_string()).expect("a file");
    let file = file.to_str().expect("UTF-8");
    cluster.keyraft(&["root", "credentials", TENANT, "own", "--credentials", file, "-o", "json"])
}

/// By REST.
fn put(cluster: &Cluster, credentials: &Value) -> Request {
    let line = format!("PUT /v1/tenants/{TENANT}/roots/own/credentials");
    ask(cluster, &line).json(&json!({ "credentials": credentials }))
}

async fn show(cluster: &Cluster) -> Reply {
    ask(cluster, &format!("GET /v1/tenants/{TENANT}/roots/own")).send(cluster).await
}

fn ask(cluster: &Cluster, line: &str) -> Request {
    Request::new(line).token(&cluster.env()["KEYRAFT_TOKEN"])
}

async fn asked(cluster: &Cluster, node: usize, key: &str) -> Result<Vec<u8>, client::Error> {
    cluster.client(node, TENANT).get(key).await.map(|key| key.expose().to_vec())
}

/// The tenant's own root.
fn own(cluster: &Cluster) -> Value {
    let roots = cluster.json(&["root", "list", TENANT]);
    let found = roots.as_array().and_then(|roots| roots.iter().find(|root| root["name"] == "own")).cloned();
    found.unwrap_or_default()
}
