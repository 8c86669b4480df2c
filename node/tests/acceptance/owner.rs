//! What the owner of a key in a cloud's key service does to it, met at the pace at which nodes probe by default: the
//! key is disabled, its use is forbidden, the service is stopped.
//!
//! `ACCEPTANCE_OWNER=all` is the proof (`make owner`); it takes some minutes. `outages` shows the same at a quicker
//! pace, and every time.
#![allow(clippy::print_stdout, reason = "the proof is to be read")]

use std::time::{Duration, Instant};

use client::KeyRequest;
use rustix::process::Signal;
use serde_json::json;

use crate::outages::{asked, audited, handed, own, refused, switch_to, told};
use crate::peers::{Described, PROVIDERS, Peers, Provider};
use crate::support::{Cluster, NODES, until};

/// What a no may take to close every node that hears the others (docs/roots.md).
const CLOSED_WITHIN: Duration = Duration::from_secs(32);
/// And one that hears nobody: its lease runs out besides.
const LEASE: Duration = Duration::from_secs(3);
/// How often there is a no: how long it takes depends on where between two probes it falls.
const TIMES: usize = 6;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A no, as it is said, unsaid, and shown.
struct No {
    said: (&'static str, &'static str),
    unsaid: (&'static str, &'static str),
    key_state: &'static str,
}

const DISABLED: No = No { said: ("state", "disable"), unsaid: ("state", "enable"), key_state: "disabled" };
const FORBIDDEN: No =
    No { said: ("deny", "kms:Decrypt"), unsaid: ("allow", "kms:Decrypt"), key_state: "forbidden" };
const NOES: [No; 2] = [DISABLED, FORBIDDEN];

fn owner() -> Option<Provider> {
    if std::env::var("ACCEPTANCE_OWNER").as_deref() != Ok("all") {
        println!("skipped: it takes minutes; see make owner");
        return None;
    }
    PROVIDERS.iter().find(|provider| provider.name == "aws_kms").copied()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_key_closes_every_node_in_time_and_silence_is_outlived() {
    let Some(provider) = owner() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let peers = Peers::start(&[provider]);
    let mut cluster = Cluster::start_as(&peers.settings(folder.path()), &["--tenants", provider.tenant]);
    let (_, Described { config, credentials }) =
        peers.roots(&cluster).next().expect("make setup installs moto");
    switch_to(&cluster, provider.tenant, &config, &credentials).await;
    let owned = Owned { tenant: provider.tenant, service: &peers };
    let made = cluster.client(0, owned.tenant).create_and_get(&KeyRequest::aes256()).await.expect("a key");
    let (key, bytes) = (made.0, made.1.expose().to_vec());

    for time in 0..TIMES {
        owned.serves(&cluster, &key, &bytes).await;
        tokio::time::sleep(Duration::from_secs(u64::try_from(time).expect("few") * 5)).await;
        let no = &NOES[time % NOES.len()];
        let said = owned.tells(no.said);
        let mut closed = Vec::new();
        for node in 0..NODES {
            closed.push(owned.closes(&cluster, node, &key, said, CLOSED_WITHIN).await);
        }
        println!("{}: the nodes closed after {closed:.1?} s", no.key_state);
        told(&cluster, owned.tenant, no.key_state);
        owned.tells(no.unsaid);
    }
    let noted = audited(&cluster, "note_probes");
    assert!(noted.iter().any(|record| record.contains("disabled")), "{noted:?}");

    // One node hears nobody: the others are stopped at the moment at which the key is disabled.
    owned.serves(&cluster, &key, &bytes).await;
    let disabled = owned.tells(DISABLED.said);
    [0, 1].into_iter().for_each(|node| cluster.tell(node, Signal::STOP));
    let alone = owned.closes(&cluster, 2, &key, disabled, CLOSED_WITHIN + LEASE).await;
    println!("disabled: the node that is cut off closed after {alone:.1} s");
    [0, 1].into_iter().for_each(|node| cluster.tell(node, Signal::CONT));
    for node in 0..NODES {
        owned.closes(&cluster, node, &key, disabled, CLOSED_WITHIN + LEASE).await;
    }
    owned.tells(DISABLED.unsaid);
    owned.serves(&cluster, &key, &bytes).await;

    // The service is stopped, and a node is killed meanwhile.
    drop(peers);
    until("the countdown is shown", || own(&cluster, provider.tenant)["serves_until"].is_u64());
    told(&cluster, provider.tenant, "unreachable");
    cluster.kill(1);
    assert_eq!(asked(&cluster, 0, provider.tenant, &key).await.expect("service goes on"), bytes);
    cluster.run(1);
    cluster.caught_up(1);
    assert_eq!(asked(&cluster, 1, provider.tenant, &key).await.expect("what others hold"), bytes);
    assert!(handed(&cluster, 1, "keys_taken") >= 1, "the node that restarted took them over");
    println!("stopped: keys are given until {}", own(&cluster, provider.tenant)["serves_until"]);
}

/// A tenant, and who holds the key above its own.
struct Owned<'a> {
    tenant: &'static str,
    service: &'a Peers,
}

impl Owned<'_> {
    /// The owner tells the key's service something.
    fn tells(&self, (word, what): (&str, &str)) -> Instant {
        self.service.fake("aws_kms").tell(&json!({ word: what }));
        Instant::now()
    }

    /// Waits until every node gives the key again.
    async fn serves(&self, cluster: &Cluster, key: &str, bytes: &[u8]) {
        let begun = Instant::now();
        for node in 0..NODES {
            while asked(cluster, node, self.tenant, key).await.ok().as_deref() != Some(bytes) {
                assert!(begun.elapsed() < 2 * CLOSED_WITHIN, "node {node} gives no key");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        until("the root says yes", || own(cluster, self.tenant)["key_state"] == "enabled");
    }

    /// Seconds until a node refuses.
    async fn closes(
        &self,
        cluster: &Cluster,
        node: usize,
        key: &str,
        since: Instant,
        within: Duration,
    ) -> f64 {
        while refused(cluster, node, self.tenant, key).await.is_none() {
            assert!(since.elapsed() < within, "node {node} still gives keys after {:?}", since.elapsed());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        since.elapsed().as_secs_f64()
    }
}
