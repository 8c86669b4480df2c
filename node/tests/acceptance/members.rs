//! Nodes come and go by the command line, while the cluster serves.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use client::KeyRequest;
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use serde_json::Value;

use crate::support::{Cluster, KEYRAFT, Ports, text, until};
use crate::wire;

/// A node beyond those that `keyraft dev` made; stopped when dropped.
struct Extra {
    name: String,
    folder: PathBuf,
    ports: Ports,
    process: Option<Child>,
}

impl Extra {
    /// Its certificates and configuration, after the example of node 1.
    fn new(cluster: &Cluster, name: &str) -> Self {
        let (folder, ports) = (cluster.data.join(name), Ports::free());
        fs::create_dir_all(&folder).expect("a folder");
        let (ca, key) = (cluster.data.join("ca/peers.pem"), cluster.data.join("ca/peers.key"));
        let key = KeyPair::from_pem(&fs::read_to_string(key).expect("a key")).expect("a key");
        let ca = fs::read_to_string(ca).expect("an authority");
        let issuer = Issuer::from_ca_cert_pem(&ca, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        let uri = format!("spiffe://keyraft.local/node/{name}");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
        let leaf = params.signed_by(&key, &issuer).expect("a certificate");
        fs::write(folder.join("peer.pem"), leaf.pem() + &ca).expect("a file");
        fs::write(folder.join("peer.key"), key.serialize_pem()).expect("a file");
        let extra = Self { name: name.to_owned(), folder, ports, process: None };
        fs::write(extra.folder.join("config.toml"), extra.configuration(cluster)).expect("a file");
        extra
    }

    fn configuration(&self, cluster: &Cluster) -> String {
        let text = fs::read_to_string(cluster.node(1).join("config.toml")).expect("a configuration");
        let (theirs, ours) = (cluster.ports, self.ports);
        let ports = [
            (theirs.kmip, ours.kmip),
            (theirs.admin, ours.admin),
            (theirs.admin + 50, ours.admin + 50),
            (theirs.peer, ours.peer),
        ];
        let line = |line: &str| {
            if line.starts_with("join = ") {
                // Through a node that may well not lead.
                return format!("join = [\"127.0.0.1:{}\"]", theirs.peer + 2);
            }
            ports.iter().fold(line.to_owned(), |line, (from, to)| {
                line.replace(&format!("127.0.0.1:{}\"", from + 1), &format!("127.0.0.1:{to}\""))
            })
        };
        let text: Vec<String> = text.lines().map(line).collect();
        let here = |file: &str| self.folder.join(file).display().to_string();
        let node = cluster.node(1);
        let there = |file: &str| node.join(file).display().to_string();
        text.join("\n")
            .replace("name = \"node-1\"", &format!("name = \"{}\"", self.name))
            .replace(&there("data"), &here("data"))
            .replace(&there("join-token"), &here("join-token"))
            .replace(&there("tls/peer.pem"), &here("peer.pem"))
            .replace(&there("tls/peer.key"), &here("peer.key"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(KEYRAFT);
        command.arg("server").arg("--config").arg(self.folder.join("config.toml")).stdin(Stdio::null());
        command
    }

    fn start(&mut self, token: &str) {
        fs::write(self.folder.join("join-token"), token).expect("a file");
        let log = File::create(self.folder.join("log")).expect("a log");
        let command = self.command().stdout(log.try_clone().expect("twice")).stderr(log).spawn();
        self.process = Some(command.expect("keyraft server starts"));
    }

    /// Started with this token it ends by itself; what it says.
    fn refused(&self, token: &str) -> String {
        fs::write(self.folder.join("join-token"), token).expect("a file");
        let output = self.command().stdout(Stdio::null()).output().expect("keyraft server starts");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_eq!(told.lines().count(), 1, "one sentence: {told}");
        let left: Vec<_> = fs::read_dir(self.folder.join("data/raft")).expect("a folder").collect();
        assert!(left.is_empty(), "nothing is left of a refused join: {left:?}");
        told
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Extra {
    fn drop(&mut self) {
        self.stop();
    }
}

fn members(cluster: &Cluster) -> Vec<Value> {
    let listed = cluster.json(&["operator", "members"]);
    listed["items"].as_array().expect("a list").clone()
}

fn member(cluster: &Cluster, name: &str) -> Option<Value> {
    members(cluster).into_iter().find(|member| member["name"] == name)
}

fn token(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = cluster.keyraft(&[&["operator", "join-token"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn fails(cluster: &Cluster, arguments: &[&str], with: &str) {
    let output = cluster.keyraft(arguments);
    let told = text(&output.stderr);
    assert!(!output.status.success() && told.contains(with), "{arguments:?}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_join_vote_leave_and_are_replaced() {
    let cluster = Cluster::start();
    let client = cluster.client(0, "tenant-a");
    let (identifier, _) = client.create_and_get(&KeyRequest::aes256()).await.expect("a key");
    // All three serve before all three vote.
    until("three nodes vote", || cluster.json(&["operator", "members"])["failure_tolerance"] == 1);

    let mut spare = Extra::new(&cluster, "node-3");
    let told = spare.refused("let me in");
    assert!(told.contains("this is no join token"), "{told}");
    let told = spare.refused(&format!("krj1.{}.{}", "ab".repeat(16), "01".repeat(20)));
    assert!(told.contains("belongs to cluster abab"), "{told}");
    let first = token(&cluster, &["--expires", "10m"]);
    assert!(first.len() <= 80, "{first}");
    spare.start(&first);
    until("the new node is a learner that has caught up", || {
        let learner = |member: &Value| member["role"] == "learner" && member["applied"].as_u64() > Some(0);
        member(&cluster, "node-3").is_some_and(|member| learner(&member))
    });
    let late = Extra::new(&cluster, "node-4");
    let told = late.refused(&first);
    assert!(told.contains("was used by node"), "{told}");
    let short = token(&cluster, &["--expires", "1s"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    cluster.keyraft(&["tenant", "label", "tenant-a", "time=passes"]);
    let told = late.refused(&short);
    assert!(told.contains("the join token expired at"), "{told}");

    fails(&cluster, &["operator", "demote", "node-9"], "no member is called");
    fails(&cluster, &["operator", "replace", "node-1", "--with", "node-2"], "does not stand ready");
    cluster.json(&["operator", "replace", "node-2", "--with", "node-3"]);
    let voters = |cluster: &Cluster| -> Vec<Value> {
        let all = members(cluster).into_iter();
        all.filter(|member| member["voter"] == true).map(|member| member["name"].clone()).collect()
    };
    assert_eq!(voters(&cluster), ["node-0", "node-1", "node-3"]);
    assert!(member(&cluster, "node-2").is_none());
    until("the removed node is not ready", || {
        let address = cluster.env()["KEYRAFT_ADDRS"].split(',').nth(2).expect("three").to_owned();
        !cluster.keyraft(&["status", "--addr", &address]).status.success()
    });

    // A voter that nobody replaces: only when told so.
    fails(
        &cluster,
        &["operator", "demote", "node-3"],
        "survives 1 failed voter now and none afterwards; join a replacement first, or add --accept-lower-tolerance",
    );
    let demoted = cluster.json(&["operator", "demote", "node-3", "--accept-lower-tolerance"]);
    assert_eq!(demoted["failure_tolerance"], 0);
    let promoted = cluster.json(&["operator", "promote", "node-3"]);
    assert_eq!(promoted["failure_tolerance"], 1);

    let before = cluster.json(&["operator", "members"])["leader"].clone();
    let after = cluster.json(&["operator", "step-down"])["leader"].clone();
    assert_ne!(before, after);
    client.get(&identifier).await.expect("served all the while");
    client.create(&KeyRequest::aes256().named("after all that")).await.expect("a write");
    let metrics = wire::metrics(&cluster).await;
    assert!(metrics.iter().any(|text| text.contains("keyraft_raft_failure_tolerance 1")), "{metrics:?}");
}

#[test]
fn r07_membership_needs_an_operator() {
    let cluster = Cluster::shared();
    let strangers = ["members", "join-token", "promote", "demote", "remove", "step-down"];
    for verb in strangers {
        let mut arguments = vec!["operator", verb];
        if ["promote", "demote", "remove"].contains(&verb) {
            arguments.push("1");
        }
        arguments.extend(["--token", "not-the-token-of-any-operator-here"]);
        let output = cluster.keyraft(&arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{verb}: {told}");
        assert!(told.contains("Authentication required"), "{verb}: {told}");
    }
    assert_eq!(cluster.json(&["operator", "members"])["items"].as_array().map(Vec::len), Some(3));
}
