//! A root of trust that says no, and one that says nothing. The no closes its tenant everywhere, on a node that
//! restarts too. Silence is outlived, by nodes that restart too, with a countdown everybody sees, and no longer
//! than it counts.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::KeyRequest;
use serde_json::{Value, json};

use crate::rest::Request;
use crate::support::{Cluster, NODES, text, until};
use crate::wire::Credentials;

/// As often as a tenant may want its roots probed.
const PROBE_MS: u64 = 2_000;
/// Longer than all that is looked at while the root is silent, on a busy machine.
const GRACE_MS: u64 = 600_000;
/// How long hot keys serve on after the grace was cut.
const LAST_MS: u64 = 5_000;
/// What a no may take to close every node.
const CLOSED_WITHIN: Duration = Duration::from_secs(32);
/// What a look at the end of the grace may be late: times are told in seconds, and a request takes its time.
const CLOSES_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_no_closes_everywhere_and_silence_is_outlived_for_the_grace() {
    let mut cluster = Cluster::start();
    let mut keys = Vec::new();
    for (tenant, file) in [("tenant-a", "customer-2"), ("tenant-b", "customer")] {
        let config = json!({ "provider": "software", "key": file });
        move_to(&cluster, tenant, &config, &json!({ "kind": "workload_identity" })).await;
        let made = cluster.client(0, tenant).create_and_get(&KeyRequest::aes256()).await.expect("a key");
        keys.push((made.0, made.1.expose().to_vec()));
    }
    let [(a, a_bytes), (b, b_bytes)] = keys.try_into().expect("two");
    for node in 0..NODES {
        assert_eq!(asked(&cluster, node, "tenant-b", &b).await.expect("its key"), b_bytes);
    }

    // The owner of tenant-b's key disables it, while a node is down.
    cluster.kill(2);
    let key_file = |name: &str| cluster.data.join("roots").join(format!("{name}.key"));
    fs::set_permissions(key_file("customer"), Permissions::from_mode(0o000)).expect("its owner may");
    let disabled = Instant::now();
    cluster.run(2);
    for node in [0, 1] {
        while refused(&cluster, node, "tenant-b", &b).await.is_none() {
            assert!(disabled.elapsed() < CLOSED_WITHIN, "node {node} still gives keys");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    println!("a disabled key closed its tenant after {:.1} s", disabled.elapsed().as_secs_f64());
    cluster.caught_up(2);
    for node in 0..NODES {
        let told = refused(&cluster, node, "tenant-b", &b).await.expect("closed");
        assert!(told.contains("disabled"), "{told}");
    }
    told(&cluster, "tenant-b", "disabled");
    // Of tenant-b: a busy machine may have a probe of tenant-a's root too late, and its keys are shared out then.
    let taken_of_b = || {
        let taken = audited(&cluster, "take_over_keys");
        taken.into_iter().filter(|record| record.contains("tenant-b")).collect::<Vec<_>>()
    };
    assert_eq!(taken_of_b(), [""; 0], "a no is handed on to nobody, and to none that has just started");
    let noted = audited(&cluster, "note_probes");
    assert!(noted.iter().any(|record| record.contains("disabled")), "{noted:?}");
    assert_eq!(asked(&cluster, 2, "tenant-a", &a).await.expect("another root says nothing of it"), a_bytes);

    // Both stores fall silent: what leads to itself is neither there nor gone. Node 1 is killed, and comes back with
    // nothing in its memory.
    for name in ["customer", "customer-2"] {
        let file = cluster.data.join("roots").join(format!("{name}.key"));
        fs::remove_file(&file).expect("our own");
        symlink(&file, &file).expect("a link");
    }
    until("the countdown is shown", || own(&cluster, "tenant-a")["serves_until"].is_u64());
    let shown = own(&cluster, "tenant-a");
    assert_eq!((&shown["state"], &shown["key_state"]), (&"error".into(), &"unreachable".into()), "{shown}");
    let ok_at = shown["ok_at"].as_u64().expect("a time");
    assert_eq!(shown["serves_until"], ok_at + GRACE_MS / 1_000, "the grace counts from what was heard last");
    told(&cluster, "tenant-a", "unreachable");
    let operator = Credentials::operator(&cluster);
    let scraped = Request::new("GET /metrics").send_as(&cluster, &operator).await.body;
    let name = "keyraft_l1_grace_remaining_seconds{tenant=\"tenant-a\"} ";
    assert!(scraped.as_str().is_some_and(|text| text.contains(name)), "the countdown is a metric too");
    cluster.kill(1);
    assert_eq!(asked(&cluster, 0, "tenant-a", &a).await.expect("service goes on"), a_bytes);
    cluster.run(1);
    cluster.caught_up(1);
    assert_eq!(asked(&cluster, 1, "tenant-a", &a).await.expect("what others hold"), a_bytes);
    let (new, bytes) =
        cluster.client(1, "tenant-a").create_and_get(&KeyRequest::aes256()).await.expect("new keys too");
    assert_eq!(asked(&cluster, 0, "tenant-a", &new).await.expect("the same key"), bytes.expose());
    refused(&cluster, 1, "tenant-b", &b).await.expect("still closed");
    assert!(handed(&cluster, 1, "keys_taken") >= 1, "the node that restarted took them over");
    let given = handed(&cluster, 0, "keys_given") + handed(&cluster, 2, "keys_given");
    assert!(given >= 1, "the others gave them");
    let (given, taken) = (audited(&cluster, "give_keys"), audited(&cluster, "take_over_keys"));
    assert!(!given.is_empty() && !taken.is_empty(), "both sides have a record");
    let again = own(&cluster, "tenant-a");
    assert_eq!(again["serves_until"], shown["serves_until"], "a hand-over prolongs nothing");

    // The grace is cut short: all close at the same moment, and a restart opens nothing.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let grace_ms = u64::try_from(now.as_millis()).expect("a time") - ok_at * 1_000 + LAST_MS;
    let over = Instant::now() + Duration::from_millis(LAST_MS);
    policy(&cluster, "tenant-a", grace_ms).await;
    asked(&cluster, 1, "tenant-a", &a).await.expect("until then");
    for node in 0..NODES {
        while refused(&cluster, node, "tenant-a", &a).await.is_none() {
            assert!(Instant::now() < over + CLOSES_WITHIN, "node {node} serves beyond the grace");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let told = refused(&cluster, node, "tenant-a", &a).await.expect("closed");
        assert!(told.contains("is unreachable"), "{told}");
    }
    cluster.kill(2);
    cluster.run(2);
    cluster.caught_up(2);
    refused(&cluster, 2, "tenant-a", &a).await.expect("nobody hands on what nobody may use");
    assert_eq!(handed(&cluster, 2, "keys_taken"), 0);
}

pub async fn asked(
    cluster: &Cluster,
    node: usize,
    tenant: &str,
    key: &str,
) -> Result<Vec<u8>, client::Error> {
    cluster.client(node, tenant).get(key).await.map(|key| key.expose().to_vec())
}

/// The same, where a refusal is expected: its words, if it is one.
pub async fn refused(cluster: &Cluster, node: usize, tenant: &str, key: &str) -> Option<String> {
    loop {
        let told = cluster.impatient_client(node, tenant).get(key).await.err()?.to_string();
        // The last attempt of several may find its time over before it is answered.
        if !told.contains("did not answer") {
            return Some(told);
        }
    }
}

async fn policy(cluster: &Cluster, tenant: &str, grace_ms: u64) {
    let policy =
        json!({ "l1_grace_ms": grace_ms, "probe_every_ms": PROBE_MS, "rotate_after_ms": 86_400_000 });
    let put = Request::new(format!("PUT /v1/tenants/{tenant}/root-policy")).json(&policy);
    let answer = put.token(&cluster.env()["KEYRAFT_TOKEN"]).send(cluster).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Moves a tenant to a root of its own that is probed often, and waits for the first probe.
async fn move_to(cluster: &Cluster, tenant: &str, config: &Value, credentials: &Value) {
    policy(cluster, tenant, GRACE_MS).await;
    switch_to(cluster, tenant, config, credentials).await;
}

/// Moves a tenant to a root of its own, and waits for the first probe.
pub async fn switch_to(cluster: &Cluster, tenant: &str, config: &Value, credentials: &Value) {
    let root = json!({ "name": "own", "config": config, "credentials": credentials });
    let configure = Request::new(format!("POST /v1/tenants/{tenant}/roots")).json(&root);
    let answer = configure.token(&cluster.env()["KEYRAFT_TOKEN"]).send(cluster).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let job = cluster.json(&["root", "switch", tenant, "own", "--wait"]);
    assert_eq!(job["state"], "succeeded", "{job}");
    until("the root was probed", || own(cluster, tenant)["key_state"] == "enabled");
}

/// The tenant's own root, as node 0 shows it.
pub fn own(cluster: &Cluster, tenant: &str) -> Value {
    let roots = cluster.json(&["root", "list", tenant]);
    let found = roots.as_array().and_then(|roots| roots.iter().find(|root| root["name"] == "own")).cloned();
    found.unwrap_or_default()
}

/// How many keys a node says it gave or took over; the list has the nodes in the order of their ids.
pub fn handed(cluster: &Cluster, node: usize, what: &str) -> u64 {
    let status = cluster.status(0).expect("a status");
    let address = format!("127.0.0.1:{}", usize::from(cluster.ports.kmip) + node);
    let nodes = status["nodes"].as_array().expect("nodes");
    let found = nodes.iter().find(|one| one["kmip"] == address.as_str()).expect("the node");
    found[what].as_u64().expect("a number")
}

/// What is wrong with a tenant's root stands in the status, for machines and for people.
pub fn told(cluster: &Cluster, tenant: &str, key_state: &str) {
    let status = cluster.status(0).expect("a status");
    let roots = status["roots_in_error"].as_array().expect("a list");
    let found = roots.iter().find(|root| root["tenant"] == tenant).unwrap_or_else(|| panic!("{status}"));
    assert_eq!((&found["root"], &found["key_state"]), (&"own".into(), &key_state.into()), "{status}");
    assert_ne!(found["detail"], "", "its own words");
    // All run on this machine: here its clock counts to the same.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let counted = found["serves_until"].as_u64().map(|until| until.saturating_sub(now));
    let left = found["serves_for_s"].as_u64();
    assert!(
        left.is_some() == counted.is_some() && left.unwrap_or(0).abs_diff(counted.unwrap_or(0)) <= 3,
        "{status}"
    );
    let people = text(&cluster.keyraft(&["status"]).stdout);
    assert!(people.contains(&format!("root own is {key_state}")), "{people}");
}

/// Records of the audit logs of all nodes about one operation.
pub fn audited(cluster: &Cluster, operation: &str) -> Vec<String> {
    cluster.audited().lines().filter(|line| line.contains(operation)).map(str::to_owned).collect()
}
