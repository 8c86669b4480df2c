//! Roots of trust: a tenant on an HSM is unlinked and linked again, moves to a root of its own and back under
//! load, and closes by itself when its root says no.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::KeyRequest;
use kmip::ResultReason;
use serde_json::{Value, json};

use crate::https::{http, operator_port};
use crate::load::Load;
use crate::rest::Request;
use crate::support::{Cluster, NODES, PATIENCE, text, until};
use crate::wire::Credentials;

/// What a no of a root may take to close every node, and what a machine under a build may add.
const CLOSED_WITHIN: Duration = Duration::from_secs(32 + 10);

/// A change of roots is in use by the last node within this.
const IN_USE_WITHIN: Duration = Duration::from_secs(5);
/// Decisions watched for that.
const DECISIONS: usize = 24;

/// The value of a metric of one tenant on a node; `None` if it is not there.
async fn of_tenant(cluster: &Cluster, node: usize, metric: &str, tenant: &str) -> Option<i64> {
    let port = operator_port(cluster) + u16::try_from(node).expect("few nodes");
    let operator = Credentials::operator(cluster);
    let answer = http(cluster, port, Some(&operator), ("GET", "/metrics", ""), b"").await.expect("an answer");
    let line = format!("{metric}{{tenant=\"{tenant}\"}} ");
    let text = text(&answer.body);
    let value = text.lines().find_map(|found| found.strip_prefix(&line))?;
    Some(value.parse().expect("a number"))
}

/// Asks a node until it answers, whatever it says, and returns that.
async fn asked(cluster: &Cluster, node: usize, tenant: &str, key: &str) -> Result<Vec<u8>, client::Error> {
    cluster.client(node, tenant).get(key).await.map(|key| key.expose().to_vec())
}

/// Row P4 of what the owner asks for, by the command line and KMIP alone; then the same on a key of the tenant's
/// own in the HSM.
#[tokio::test(flavor = "multi_thread")]
async fn p4_create_a_tenant_on_an_hsm_key_unlink_refused_relink_same_key() {
    let cluster = Cluster::start_as("", &["--root", "softhsm"]);
    cluster.enroll("acme", "mongodb");
    let created = cluster.json(&["tenant", "create", "acme", "--wait"]);
    assert_eq!((&created["access"], &created["state"]), (&"linked".into(), &"active".into()), "{created}");
    let platform = root(&cluster, "acme", "platform");
    assert_eq!((&platform["provider"], &platform["in_use"]), (&"pkcs11".into(), &true.into()), "{platform}");

    let (key, bytes) = cluster.client(0, "acme").create_and_get(&KeyRequest::aes256()).await.expect("a key");
    for node in 0..NODES {
        assert_eq!(asked(&cluster, node, "acme", &key).await.expect("its key"), bytes.expose());
    }
    let unlinked = cluster.json(&["tenant", "unlink", "acme"]);
    assert_eq!((&unlinked["access"], &unlinked["state"]), (&"unlinked".into(), &"active".into()));
    for node in 0..NODES {
        let refused = asked(&cluster, node, "acme", &key).await.expect_err("a locked tenant");
        assert_eq!(refused.reason(), Some(ResultReason::PermissionDenied), "{refused}");
        let refused =
            cluster.client(node, "acme").create(&KeyRequest::aes256()).await.expect_err("no new keys");
        assert_eq!(refused.reason(), Some(ResultReason::PermissionDenied), "{refused}");
        let slots = of_tenant(&cluster, node, "keyraft_tenant_arena_slots_in_use", "acme").await;
        assert_eq!(slots, Some(0), "node {node} still holds keys of the tenant");
    }
    let other = cluster.client(1, "tenant-b").create(&KeyRequest::aes256()).await;
    other.expect("another tenant does not notice");
    // Suspension and lock stand beside each other: ending one does not end the other.
    cluster.json(&["tenant", "suspend", "acme"]);
    cluster.json(&["tenant", "resume", "acme"]);
    asked(&cluster, 0, "acme", &key).await.expect_err("still locked");

    assert_eq!(cluster.json(&["tenant", "relink", "acme"])["access"], "linked");
    for node in 0..NODES {
        assert_eq!(asked(&cluster, node, "acme", &key).await.expect("the same key"), bytes.expose());
    }
    // The same on a key of the tenant's own in the HSM, whose PIN is sealed with the configuration.
    configure(&cluster, "acme", "hsm", "customer");
    let job = cluster.json(&["root", "switch", "acme", "hsm", "--wait"]);
    assert_eq!(job["state"], "succeeded", "{job}");
    cluster.json(&["tenant", "unlink", "acme"]);
    asked(&cluster, 1, "acme", &key).await.expect_err("a locked tenant");
    cluster.json(&["tenant", "relink", "acme"]);
    assert_eq!(asked(&cluster, 1, "acme", &key).await.expect("the same key"), bytes.expose());

    cluster.json(&["tenant", "disable", "acme"]);
    let refused = cluster.client(2, "acme").create(&KeyRequest::aes256()).await.expect_err("read-only");
    assert_eq!(refused.reason(), Some(ResultReason::PermissionDenied), "{refused}");
    assert_eq!(asked(&cluster, 2, "acme", &key).await.expect("old keys are given"), bytes.expose());
    // The lock ends, and what was decided beside it does not.
    cluster.json(&["tenant", "unlink", "acme"]);
    assert_eq!(cluster.json(&["tenant", "relink", "acme"])["access"], "disabled");
    cluster.client(2, "acme").create(&KeyRequest::aes256()).await.expect_err("read-only still");
    assert_eq!(asked(&cluster, 2, "acme", &key).await.expect("old keys are given"), bytes.expose());
    cluster.json(&["tenant", "enable", "acme"]);
    cluster.client(2, "acme").create(&KeyRequest::aes256()).await.expect("a new key");
    what_happened_is_told(&cluster, &job);
}

/// Everything that became of the tenant's roots stands among the events, once and in order.
fn what_happened_is_told(cluster: &Cluster, job: &Value) {
    let events = cluster.json(&["events", "--tenant", "acme"]);
    let events = events.as_array().expect("events").iter();
    let told: Vec<(&str, &str)> = events
        .clone()
        .map(|event| (event["event"].as_str().expect("a word"), event["state"].as_str().unwrap_or_default()))
        .filter(|(event, _)| !event.starts_with("service_"))
        .collect();
    assert_eq!(
        told,
        [
            ("tenant_created", ""),
            ("tenant_unlinked", ""),
            ("tenant_suspended", ""),
            ("tenant_resumed", ""),
            ("tenant_relinked", ""),
            ("root_configured", ""),
            ("job_started", ""),
            ("job_moved", "wrap"),
            ("job_moved", "prove"),
            ("job_moved", "switch"),
            ("roots_switched", ""),
            ("key_rotation", ""),
            ("job_moved", "drop"),
            ("job_finished", ""),
            ("tenant_unlinked", ""),
            ("tenant_relinked", ""),
            ("tenant_disabled", ""),
            ("tenant_unlinked", ""),
            ("tenant_relinked", ""),
            ("tenant_enabled", ""),
        ]
    );
    let one =
        |wanted: &str| events.clone().find(|event| event["event"] == wanted).cloned().unwrap_or_default();
    assert_eq!(one("root_configured")["root"], "hsm");
    assert_eq!(one("roots_switched")["roots"], Value::Array(vec!["hsm".into()]));
    assert_eq!(one("key_rotation")["level"], "L2_customer");
    let (started, finished) = (one("job_started"), one("job_finished"));
    for (event, field, value) in
        [(&started, "job", &job["id"]), (&finished, "job", &job["id"]), (&started, "kind", &"migrate".into())]
    {
        assert_eq!(event[field], *value, "{event}");
    }
    let table = cluster.keyraft(&["events", "--tenant", "acme", "--event", "root_configured"]);
    assert!(text(&table.stdout).contains("hsm"), "{}", text(&table.stdout));
}

/// Asserts that what was decided by `decided`, in seconds since the epoch, was in use by the last node in time.
fn in_use_soon(decided: f64, answer: &Value) {
    let at = answer["applied_everywhere_at"].as_f64().unwrap_or_else(|| panic!("not in use yet: {answer}"));
    assert!(at < decided + IN_USE_WITHIN.as_secs_f64(), "decided by {decided}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_about_roots_is_in_use_by_the_last_node_within_five_seconds() {
    let cluster = Cluster::start();
    for decision in 0..DECISIONS {
        let node = u16::try_from(decision % NODES).expect("few nodes");
        let policy = json!({ "l1_grace_ms": 60_000 + decision, "rotate_after_ms": 86_400_000 });
        let put = Request::new("PUT /v1/tenants/tenant-a/root-policy").json(&policy);
        let put = Request { node, ..put }.token(&cluster.env()["KEYRAFT_TOKEN"]);
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let answer = put.send(&cluster).await;
        assert_eq!((answer.status, &answer.body["l1_grace_ms"]), (200, &policy["l1_grace_ms"]), "{answer:?}");
        in_use_soon(begun, &answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_moves_to_its_own_root_and_back_without_a_failed_request() {
    let cluster = Cluster::start();
    let (old, bytes) =
        cluster.client(0, "tenant-a").create_and_get(&KeyRequest::aes256()).await.expect("a key");
    let load = Load::start(&cluster, "tenant-a", &[0, 1, 2], &old, bytes.expose());

    let tested = cluster.json(&["root", "test", "tenant-a", "--config", &described(&cluster, "customer")]);
    assert_eq!(
        (&tested["passed"], &tested["evidence"][0]["good"]),
        (&true.into(), &false.into()),
        "{tested}"
    );
    let configured = configure(&cluster, "tenant-a", "own", "customer");
    assert_eq!(configured["state"], "inactive");
    assert!(configured["applied_everywhere_at"].is_f64(), "{configured}");
    assert_eq!(configured["config"]["provider"], "software");
    assert!(!configured.to_string().contains("credentials"), "credentials never come out: {configured}");
    let job = cluster.json(&["root", "switch", "tenant-a", "own", "--wait"]);
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(job["proved_by"].as_array().map(Vec::len), Some(NODES), "every node proved it: {job}");
    let own = configured["key"].clone();
    let versions = cluster.json(&["tenant", "versions", "tenant-a"]);
    let versions = versions.as_array().expect("versions");
    assert_eq!(versions.len(), 2);
    for version in versions {
        assert_eq!(version["roots"], Value::Array(vec![own.clone()]), "no second wrap by the platform");
    }
    assert_eq!(versions[0]["level"], "L2_customer");
    let (new, new_bytes) =
        cluster.client(1, "tenant-a").create_and_get(&KeyRequest::aes256()).await.expect("a key");
    for node in 0..NODES {
        assert_eq!(asked(&cluster, node, "tenant-a", &old).await.expect("the old key"), bytes.expose());
        assert_eq!(asked(&cluster, node, "tenant-a", &new).await.expect("the new key"), new_bytes.expose());
    }

    // A second root beside the first, then the first leaves, then back to the platform.
    configure(&cluster, "tenant-a", "second", "customer-2");
    for (verb, root) in [("activate", "second"), ("deactivate", "own"), ("switch", "platform")] {
        let job = cluster.json(&["root", verb, "tenant-a", root, "--wait"]);
        assert_eq!(job["state"], "succeeded", "{verb} {root}: {job}");
        in_use_soon(job["updated"].as_f64().expect("a time") + 1.0, &job);
    }
    assert_eq!(asked(&cluster, 2, "tenant-a", &new).await.expect("the same key"), new_bytes.expose());
    assert_eq!(cluster.json(&["tenant", "rewrap", "tenant-a"])["state"], "succeeded");

    assert!(load.stop().await.requests > 0, "the load ran");
    for root in ["own", "second"] {
        assert!(cluster.keyraft(&["root", "remove", "tenant-a", root]).status.success());
    }
    let refused = cluster.keyraft(&["root", "switch", "tenant-a", "own"]);
    assert!(text(&refused.stderr).contains("no such root"), "{}", text(&refused.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_will_not_work_is_rolled_back_and_nothing_is_kept() {
    let cluster = Cluster::start();
    let nowhere = cluster.data.join("nowhere.json");
    fs::write(&nowhere, r#"{"provider":"software","key":"nowhere"}"#).expect("a file");
    let nowhere = nowhere.to_str().expect("UTF-8");
    let refused = cluster.keyraft(&["root", "configure", "tenant-a", "own", "--config", nowhere]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("offered: customer"), "{}", text(&refused.stderr));
    // A path is an operator's to name, never a tenant's.
    fs::write(nowhere, r#"{"provider":"software","danger_key_file":"/etc/passwd"}"#).expect("a file");
    assert!(!cluster.keyraft(&["root", "test", "tenant-a", "--config", nowhere]).status.success());
    assert_eq!(cluster.json(&["root", "list", "tenant-a"]).as_array().map(Vec::len), Some(1));

    configure(&cluster, "tenant-a", "own", "customer");
    let (key, bytes) =
        cluster.client(0, "tenant-a").create_and_get(&KeyRequest::aes256()).await.expect("a key");
    let file = key_file(&cluster, "customer");
    let before = cluster.json(&["tenant", "versions", "tenant-a"]);
    fs::set_permissions(&file, Permissions::from_mode(0o000)).expect("its owner switches it off");
    let output = cluster.keyraft(&["root", "switch", "tenant-a", "own", "--wait", "-o", "json"]);
    assert!(!output.status.success(), "a job that is rolled back is no success");
    let job: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(job["state"], "rolled back", "{job}");
    assert_eq!(events(&cluster, "job_rolled_back")[0]["job"], job["id"]);
    assert!(
        job["detail"].as_str().is_some_and(|detail| detail.contains("its file may not be read")),
        "{job}"
    );
    let shown = text(&cluster.keyraft(&["root", "jobs", "tenant-a"]).stdout);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "wider than a terminal: {shown}");
    assert!(shown.replace("\n  ", " ").contains("its file may not be read"), "{shown}");
    assert_eq!(cluster.json(&["tenant", "versions", "tenant-a"]), before, "as if it had never begun");
    assert_eq!(asked(&cluster, 1, "tenant-a", &key).await.expect("the key"), bytes.expose());
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("and on again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_says_no_closes_its_tenant_everywhere_and_opens_it_again() {
    let cluster = Cluster::start();
    configure(&cluster, "tenant-a", "own", "customer");
    let often = ["--grace-minutes", "60", "--probe-every-seconds", "2", "--rotate-after-days", "90"];
    cluster.json(&[["root", "policy", "tenant-a"].as_slice(), &often].concat());
    cluster.json(&["root", "switch", "tenant-a", "own", "--wait"]);
    let (key, bytes) =
        cluster.client(0, "tenant-a").create_and_get(&KeyRequest::aes256()).await.expect("a key");
    until("the root was probed", || root(&cluster, "tenant-a", "own")["key_state"] == "enabled");
    let file = key_file(&cluster, "customer");
    fs::set_permissions(&file, Permissions::from_mode(0o000)).expect("its owner switches it off");
    let switched_off = Instant::now();
    for node in 0..NODES {
        while cluster.impatient_client(node, "tenant-a").get(&key).await.is_ok() {
            assert!(switched_off.elapsed() < CLOSED_WITHIN, "node {node} still gives keys");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    println!("closed on every node after {:.1} s", switched_off.elapsed().as_secs_f64());
    let own = root(&cluster, "tenant-a", "own");
    assert_eq!((&own["state"], &own["key_state"]), (&"error".into(), &"disabled".into()), "{own}");
    let closed = events(&cluster, "root_closed");
    assert_eq!((&closed[0]["root"], &closed[0]["state"]), (&"own".into(), &"disabled".into()), "{closed}");
    for node in 0..NODES {
        let slots = of_tenant(&cluster, node, "keyraft_tenant_arena_slots_in_use", "tenant-a").await;
        assert_eq!(slots, Some(0), "node {node} still holds keys of the tenant");
    }
    let other = cluster.client(1, "tenant-b").create(&KeyRequest::aes256()).await;
    other.expect("a tenant on another root does not notice");

    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("and on again");
    let deadline = Instant::now() + PATIENCE;
    loop {
        match asked(&cluster, 0, "tenant-a", &key).await {
            Ok(again) => break assert_eq!(again, bytes.expose()),
            Err(refused) => assert!(Instant::now() < deadline, "still closed: {refused}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let opened = events(&cluster, "root_opened");
    assert_eq!((&opened[0]["root"], opened.as_array().map(Vec::len)), (&"own".into(), Some(1)), "{opened}");
}

/// The events of this kind of `tenant-a`, oldest first.
fn events(cluster: &Cluster, kind: &str) -> Value {
    cluster.json(&["events", "--tenant", "tenant-a", "--event", kind])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_rotations_under_load_fail_nothing() {
    let cluster = Cluster::start();
    let mut made = Vec::new();
    let client = cluster.client(0, "tenant-a");
    let (first, bytes) = client.create_and_get(&KeyRequest::aes256()).await.expect("a key");
    let load = Load::start(&cluster, "tenant-a", &[0, 1, 2], &first, bytes.expose());
    for _ in 0..100 {
        cluster.json(&["tenant", "rotate", "tenant-a"]);
        let (id, key) = client.create_and_get(&KeyRequest::aes256()).await.expect("a key");
        made.push((id, key.expose().to_vec()));
    }
    assert!(load.stop().await.requests > 0, "the load ran");
    let versions = cluster.json(&["tenant", "versions", "tenant-a"]);
    assert_eq!(versions.as_array().map(Vec::len), Some(101));
    for (id, key) in &made {
        assert_eq!(&asked(&cluster, 2, "tenant-a", id).await.expect("an old key"), key);
    }
    assert_eq!(asked(&cluster, 1, "tenant-a", &first).await.expect("the first"), bytes.expose());
}

/// How `keyraft dev` describes a root that a tenant may bring.
fn described(cluster: &Cluster, root: &str) -> String {
    cluster.data.join(format!("roots/{root}.json")).to_str().expect("UTF-8").to_owned()
}

fn configure(cluster: &Cluster, tenant: &str, name: &str, root: &str) -> Value {
    let (config, credentials) =
        (described(cluster, root), described(cluster, &format!("{root}.credentials")));
    let files = ["--config", &config, "--credentials", &credentials];
    cluster.json(&[["root", "configure", tenant, name].as_slice(), &files].concat())
}

fn root(cluster: &Cluster, tenant: &str, name: &str) -> Value {
    let roots = cluster.json(&["root", "list", tenant]);
    let found = roots.as_array().and_then(|roots| roots.iter().find(|root| root["name"] == name)).cloned();
    found.unwrap_or_default()
}

fn key_file(cluster: &Cluster, store: &str) -> PathBuf {
    cluster.data.join("roots").join(format!("{store}.key"))
}
