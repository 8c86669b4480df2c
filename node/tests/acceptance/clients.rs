//! Clients nobody of us wrote, against a live cluster: `node/tests/clients` holds what they do.
//!
//! They run in the Python environment that `make setup` makes; without it each test says so and ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Cluster, text};

/// Runs one script with the cluster in its environment, as a user would after `. .keyraft/env`.
#[track_caller]
fn passes(test: &str, script: &str, last_word: &str) {
    let Some(python) = python() else {
        eprintln!("SKIPPED {test}: the KMIP clients are not installed; make setup installs them");
        return;
    };
    let cluster = Cluster::shared();
    let script = Path::new("tests/clients").join(script);
    let output = Command::new(python).args(["-B", "-W", "ignore"]).arg(script).envs(cluster.env()).output();
    let output = output.expect("python starts");
    let told = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success() && text(&output.stdout).trim_end().ends_with(last_word), "{told}");
}

/// The interpreter of the environment `scripts/setup` makes.
fn python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("KEYRAFT_TEST_PYTHON") {
        return Some(python.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let environment = cache.join("keyraft/python");
    environment.join("installed").exists().then(|| environment.join("bin/python"))
}

#[test]
fn pykmip_lives_through_every_version() {
    passes("pykmip_lives_through_every_version", "pykmip_lifecycle.py", "ok KMIP_2_0");
}

#[test]
fn mongodb_encrypts_fields() {
    passes("mongodb_encrypts_fields", "mongodb_fields.py", "ok master key kept on the server");
}

#[test]
fn barbicans_own_plugin_keeps_its_secrets_here() {
    passes("barbicans_own_plugin_keeps_its_secrets_here", "barbican_plugin.py", "ok barbican");
}
