//! Backups of a running cluster, restored into empty nodes; a cluster that lost its quorum.
//!
//! What is destroyed stays destroyed, also when it was destroyed after the backup; one identifier gives the
//! same bytes before and after.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use client::{Client, KeyRequest};
use kmip::ResultReason;

use crate::support::{Cluster, KEYRAFT, NODES, text, until};

/// Keys with what they are, and keys that are gone.
#[derive(Default)]
struct Known {
    keys: Vec<(String, Vec<u8>)>,
    gone: Vec<String>,
}

impl Known {
    async fn make(&mut self, client: &Client, request: &KeyRequest) -> String {
        let (identifier, bytes) = client.create_and_get(request).await.expect("a key");
        self.keys.push((identifier.clone(), bytes.expose().to_vec()));
        identifier
    }

    async fn destroy(&mut self, client: &Client, identifier: &str) {
        client.destroy(identifier).await.expect("destroyed");
        self.keys.retain(|(known, _)| known != identifier);
        self.gone.push(identifier.to_owned());
    }

    async fn check(&self, client: &Client) {
        for (identifier, bytes) in &self.keys {
            let found = client.get(identifier).await.expect("a key that was there before");
            assert!(found.expose() == bytes, "{identifier} gives the same bytes");
        }
        for identifier in &self.gone {
            let refused = client.get(identifier).await.expect_err("destroyed");
            assert_eq!(refused.reason(), Some(ResultReason::ItemNotFound), "{refused}");
        }
    }
}

/// Keys made on all nodes until it is dropped.
struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let load = Self { stop: Arc::default(), made: Arc::default() };
        for client in cluster.clients("tenant-b") {
            let (stop, made) = (Arc::clone(&load.stop), Arc::clone(&load.made));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let named = KeyRequest::aes256().named(&format!("load {}", made.load(Ordering::Relaxed)));
                    let request = if made.load(Ordering::Relaxed).is_multiple_of(3) {
                        named
                    } else {
                        KeyRequest::aes256()
                    };
                    if client.create(&request).await.is_ok() {
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        load
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn keyraft(arguments: &[&str], folders: &[&Path]) -> Output {
    Command::new(KEYRAFT).args(arguments).args(folders).output().expect("keyraft starts")
}

/// One line of what it says when it refuses.
fn sentence(output: &Output) -> String {
    assert!(!output.status.success(), "it refuses, but said {}", text(&output.stdout));
    let said = text(&output.stderr);
    assert_eq!(said.trim_end().lines().count(), 1, "one sentence: {said}");
    said
}

fn accomplished(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn configuration(cluster: &Cluster, i: usize) -> PathBuf {
    cluster.node(i).join("config.toml")
}

/// Every node is killed and its data moved aside, as if the machines were gone.
fn lose_all(cluster: &mut Cluster) -> Vec<PathBuf> {
    (0..NODES).for_each(|i| cluster.kill(i));
    (0..NODES).map(|i| lose(cluster, i)).collect()
}

fn lose(cluster: &Cluster, i: usize) -> PathBuf {
    let aside = cluster.node(i).join("lost");
    fs::rename(cluster.node(i).join("data"), &aside).expect("the data moves");
    aside
}

/// Starts an empty node with a token of the new cluster: those of the old one let nobody in.
fn let_in(cluster: &mut Cluster, i: usize) {
    let made = cluster.keyraft(&["operator", "join-token"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::write(cluster.node(i).join("join-token"), made.stdout).expect("a token");
    cluster.run(i);
}

fn backup(cluster: &Cluster) -> PathBuf {
    PathBuf::from(cluster.json(&["backup", "create"])["location"].as_str().expect("a location"))
}

fn restore(cluster: &Cluster, backup: &Path, journals: &[PathBuf], more: &[&str]) -> Output {
    let mut command = Command::new(KEYRAFT);
    command.args(["backup", "restore"]).arg(backup).arg("--config").arg(configuration(cluster, 0));
    journals.iter().for_each(|data| {
        command.arg("--journal").arg(data.join("journal"));
    });
    command.args(more).output().expect("keyraft starts")
}

/// The entry a refusal names for `--accept-gap`.
fn named_gap(refusal: &str) -> String {
    let (_, index) = refusal.trim_end().rsplit_once("--accept-gap ").expect("it names the gap");
    index.to_owned()
}

const DESTROYED: [&str; 2] = ["--destroyed", "node-0,node-1,node-2"];

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_and_the_journals_bring_everything_back_but_what_was_destroyed() {
    let mut cluster = Cluster::start();
    let client = cluster.client(0, "tenant-a");
    let mut known = Known::default();
    for name in ["one", "two", "three"] {
        known.make(&client, &KeyRequest::aes256().named(name)).await;
    }
    let early = known.make(&client, &KeyRequest::aes256()).await;
    let late = known.make(&client, &KeyRequest::aes256()).await;
    let late_recorded = known.make(&client, &KeyRequest::aes256().named("destroyed later")).await;
    known.destroy(&client, &early).await;

    let load = Load::start(&cluster);
    until("the load runs", || load.made.load(Ordering::Relaxed) > 20);
    let backup = backup(&cluster);
    // After the backup: known to the journals alone.
    known.destroy(&client, &late).await;
    known.destroy(&client, &late_recorded).await;
    known.make(&client, &KeyRequest::aes256().named("recorded later")).await;
    known.make(&client, &KeyRequest::aes256()).await;
    cluster.json(&["tenant", "rotate", "tenant-a"]);
    known.make(&client, &KeyRequest::aes256()).await;
    drop(load);
    let before = cluster.status(0).expect("a status");
    let said = accomplished(&keyraft(&["backup", "verify"], &[&backup]));
    assert!(said.contains("the files are those of the manifest"), "{said}");
    let config = configuration(&cluster, 0);
    let whole = [backup.as_path(), Path::new("--config"), &config];
    assert!(accomplished(&keyraft(&["backup", "verify"], &whole)).contains("every row opens"));

    let lost = lose_all(&mut cluster);
    let refusal = sentence(&restore(&cluster, &backup, &lost, &DESTROYED));
    assert!(!cluster.node(0).join("data").exists(), "nothing was changed");
    let gap = named_gap(&refusal);
    let wrong = restore(&cluster, &backup, &lost, &[&DESTROYED[..], &["--accept-gap", "7"]].concat());
    sentence(&wrong);
    let said = restore(&cluster, &backup, &lost, &[&DESTROYED[..], &["--accept-gap", &gap]].concat());
    let said = accomplished(&said);
    assert!(said.contains("served as before"), "{said}");
    let again = restore(&cluster, &backup, &lost, &[&DESTROYED[..], &["--accept-gap", &gap]].concat());
    assert!(sentence(&again).contains("holds a node"));

    // The first node alone, then empty nodes join it.
    cluster.run(0);
    until("the restored node is ready", || {
        cluster.status(0).is_some_and(|status| status["nodes"][0]["ready"] == true)
    });
    known.check(&client).await;
    (1..NODES).for_each(|i| let_in(&mut cluster, i));
    until("the others joined", || {
        cluster
            .status(0)
            .is_some_and(|status| status["nodes"].as_array().is_some_and(|all| all.len() == NODES))
    });
    (0..NODES).for_each(|i| cluster.caught_up(i));
    for client in cluster.clients("tenant-a") {
        known.check(&client).await;
    }
    let after = cluster.status(0).expect("a status");
    assert_eq!(before["realm"], after["realm"]);
    assert_ne!(before["cluster_id"], after["cluster_id"]);
    // Above whatever the old nodes may have made.
    cluster.json(&["tenant", "rotate", "tenant-a"]);
    let version = cluster.json(&["tenant", "versions", "tenant-a"])[0]["version"].as_u64();
    assert_eq!(version, Some(2 + 1 + 256));
    known.make(&client, &KeyRequest::aes256()).await;
    known.check(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_evidence_that_the_old_nodes_are_gone_tenants_stay_quarantined() {
    let mut cluster = Cluster::start();
    let client = cluster.client(0, "tenant-a");
    let mut known = Known::default();
    known.make(&client, &KeyRequest::aes256()).await;
    let backup = backup(&cluster);
    let lost = lose_all(&mut cluster);
    let gap = named_gap(&sentence(&restore(&cluster, &backup, &lost, &[])));
    let moved = restore(&cluster, &backup, &lost, &["--clients-moved", "--accept-gap", &gap]);
    assert!(sentence(&moved).contains("where this node listens too"));
    let said = restore(&cluster, &backup, &lost, &["--destroyed", "node-0", "--accept-gap", &gap]);
    let said = accomplished(&said);
    assert!(said.contains("quarantined") && said.contains("node-1, node-2"), "{said}");
    cluster.run(0);
    until("the restored node is ready", || {
        cluster.status(0).is_some_and(|status| status["nodes"][0]["ready"] == true)
    });
    assert_eq!(cluster.json(&["tenant", "get", "tenant-a"])["state"], "quarantined");
    let (identifier, _) = &known.keys[0];
    client.get(identifier).await.expect_err("quarantined");
    cluster.json(&["tenant", "resume", "tenant-a"]);
    known.check(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survivor_of_a_lost_quorum_begins_a_new_lineage() {
    let mut cluster = Cluster::start();
    let client = cluster.client(0, "tenant-a");
    let mut known = Known::default();
    known.make(&client, &KeyRequest::aes256().named("recorded")).await;
    known.make(&client, &KeyRequest::aes256()).await;
    let doomed = known.make(&client, &KeyRequest::aes256()).await;
    known.destroy(&client, &doomed).await;
    let config = configuration(&cluster, 0);
    let recover = |more: &[&str]| {
        let mut command = Command::new(KEYRAFT);
        command.args(["operator", "recover", "--config"]).arg(&config).args(more);
        command.output().expect("keyraft starts")
    };
    assert!(sentence(&recover(&[])).contains("another process uses"), "a node that runs is left alone");
    (0..NODES).for_each(|i| cluster.kill(i));
    let gap = named_gap(&sentence(&recover(&["--destroyed", "node-1,node-2"])));
    let said = accomplished(&recover(&["--destroyed", "node-1,node-2", "--accept-gap", &gap]));
    assert!(said.contains("served as before"), "{said}");
    cluster.run(0);
    until("the survivor is ready", || {
        cluster.status(0).is_some_and(|status| status["nodes"][0]["ready"] == true)
    });
    known.check(&client).await;
    known.make(&client, &KeyRequest::aes256().named("written by the new lineage")).await;
    // A node of the old lineage appears: neither serves beside the other.
    cluster.run(1);
    until("both lineages stop", || {
        let log = |i: usize| fs::read_to_string(cluster.node(i).join("log")).unwrap_or_default();
        [0, 1].iter().all(|i| log(*i).contains("another lineage of this realm lives"))
    });
    client.get(&known.keys[0].0).await.expect_err("two lineages live");
    [0, 1].iter().for_each(|i| cluster.kill(*i));
    cluster.run(0);
    until("the new lineage serves again", || {
        cluster.status(0).is_some_and(|status| status["nodes"][0]["ready"] == true)
    });
    known.check(&client).await;
    for i in 1..NODES {
        fs::remove_dir_all(cluster.node(i).join("data")).expect("wiped");
        let_in(&mut cluster, i);
    }
    until("empty nodes joined", || {
        cluster
            .status(0)
            .is_some_and(|status| status["nodes"].as_array().is_some_and(|all| all.len() == NODES))
    });
    (0..NODES).for_each(|i| cluster.caught_up(i));
    for client in cluster.clients("tenant-a") {
        known.check(&client).await;
    }
}

#[test]
fn a_bad_backup_is_refused_in_a_sentence_and_changes_nothing() {
    let mut cluster = Cluster::start();
    let backup = backup(&cluster);
    let listed = cluster.json(&["backup", "list"]);
    assert_eq!(listed[0]["name"].as_str(), backup.file_name().and_then(|name| name.to_str()));
    let lost = lose_all(&mut cluster);
    let snapshot = fs::read(backup.join("snapshot")).expect("a snapshot");
    let manifest = fs::read_to_string(backup.join("manifest.json")).expect("a manifest");
    let refused = |what: &str| {
        let said = sentence(&restore(&cluster, &backup, &lost, &["--accept-gap", "1"]));
        assert!(said.contains(what), "{said}");
        assert!(!cluster.node(0).join("data").exists(), "nothing was changed");
    };
    let mut flipped = snapshot.clone();
    flipped[snapshot.len() / 2] ^= 1;
    fs::write(backup.join("snapshot"), &flipped).expect("written");
    refused("checksum");
    fs::write(backup.join("snapshot"), &snapshot[..snapshot.len() - 1]).expect("written");
    refused("bytes, its manifest says");
    fs::write(backup.join("snapshot"), &snapshot).expect("written");
    let newer = manifest.replace("\"format\": 1", "\"format\": 2");
    fs::write(backup.join("manifest.json"), newer).expect("written");
    refused("use a newer keyraft");
    let realm = manifest.split("\"realm\": \"").nth(1).expect("a realm")[..32].to_owned();
    let other = manifest.replace(&realm, &"0".repeat(32));
    fs::write(backup.join("manifest.json"), other).expect("written");
    refused("realm");
    let altered = manifest.replace("\"tenants\": 2", "\"tenants\": 3");
    fs::write(backup.join("manifest.json"), altered).expect("written");
    refused("the manifest was altered");
    fs::write(backup.join("manifest.json"), &manifest).expect("written");
    fs::remove_dir_all(lost[1].join("journal")).expect("removed");
    fs::create_dir(lost[1].join("journal")).expect("made");
    refused("holds no journal");
}

#[test]
fn the_leader_makes_backups_when_they_are_due_and_keeps_the_newest() {
    let mut cluster = Cluster::start();
    let known = |cluster: &Cluster| -> Vec<String> {
        let listed = cluster.json(&["backup", "list"]);
        let names = listed.as_array().expect("a list").iter();
        names.map(|backup| backup["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert!(known(&cluster).is_empty());
    for i in 0..NODES {
        let file = configuration(&cluster, i);
        let settings = fs::read_to_string(&file).expect("a configuration");
        let due = settings.replace("[backup]\n", "[backup]\ninterval_s = 1\nkeep = 2\n");
        fs::write(&file, due).expect("written");
        cluster.kill(i);
    }
    (0..NODES).for_each(|i| cluster.run(i));
    (0..NODES).for_each(|i| cluster.caught_up(i));
    until("two backups", || known(&cluster).len() == 2);
    let first = known(&cluster);
    until("newer ones in their place", || {
        let now = known(&cluster);
        now.len() <= 3 && now.iter().all(|name| !first.contains(name))
    });
}
