//! The first node of a cluster dies between knowing who it is and having founded its cluster: it founds it then.

use std::fs;

use rustix::process::Signal;

use crate::support::{Cluster, until};

#[test]
fn a_first_node_that_died_before_its_cluster_began_begins_it() {
    let mut cluster = Cluster::start_as("", &["--nodes", "1"]);
    cluster.kill(0);
    let data = cluster.node(0).join("data");
    // As a crash leaves it: identity, keyring and the note are there, and nothing else is.
    for folder in ["raft/raft", "journal", "audit"] {
        fs::remove_dir_all(data.join(folder)).expect("our own");
    }
    assert!(!data.join("beginning").exists(), "a cluster that has begun needs no note");
    fs::write(data.join("beginning"), "").expect("the note");
    cluster.run(0);
    let ready = || cluster.status(0).is_some_and(|status| status["nodes"][0]["ready"] == true);
    until("the cluster begins", ready);
    assert!(!data.join("beginning").exists(), "it has begun");
    let made = cluster.json(&["tenant", "create", "acme", "--wait"]);
    assert_eq!(made["name"], "acme", "{made}");
    cluster.stop(Signal::INT);
}
