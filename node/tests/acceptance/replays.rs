//! Clients whose programs cannot run in a test, by their messages: `node/tests/clients/*_messages.py` send what
//! MySQL, pg_tde, Percona Server for MongoDB, Ceph and vCenter send, and read answers as strictly as they do.
//!
//! The scripts need Python alone. One that speaks through a library stands with that library's tests instead.

use std::path::Path;
use std::process::Command;

use crate::support::{Cluster, text};

/// The scripts, and the last line each prints when everything held.
const REPLAYS: &[(&str, &str)] = &[
    ("mysql_messages.py", "ok kmipclient"),
    ("pg_tde_messages.py", "ok pg_tde"),
    ("psmdb_messages.py", "ok psmdb"),
    ("ceph_messages.py", "ok ceph"),
    ("vcenter_messages.py", "ok vcenter"),
];

#[test]
fn every_replay_is_answered_as_its_client_expects() {
    let cluster = Cluster::shared();
    let folder = Path::new("tests/clients");
    for (script, last) in REPLAYS {
        let output = Command::new("python3").arg("-B").arg(folder.join(script)).envs(cluster.env()).output();
        let output = output.expect("python3 starts; make setup installs it");
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(
            output.status.success() && text(&output.stdout).trim_end().ends_with(last),
            "{script}: {told}"
        );
    }
}
