//! `examples/mongodb` as a user runs it, with its own checks, in every mode, one after the other. Its figures are
//! `make example`'s: here other tests run beside it.
//!
//! It needs the Python packages that `make example` installs; without them it says so and ends.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Cluster, text};

/// What `run` ends with when its packages are not there.
const NO_PACKAGES: i32 = 77;

#[test]
fn the_mongodb_example_holds() {
    // Of its own: it moves a tenant to another root.
    let cluster = Cluster::start();
    let run = Path::new("../examples/mongodb/run").canonicalize().expect("the example");
    for mode in ["plain", "delegated", "customer"] {
        let mut command = Command::new(&run);
        command
            .args(["--mode", mode, "--no-figures"])
            .envs(cluster.env())
            .env("KEYRAFT_OFFLINE", "1")
            .env_remove("MONGODB_URI");
        let output = command.output().expect("bash starts");
        let told = text(&output.stdout) + &text(&output.stderr);
        if output.status.code() == Some(NO_PACKAGES) {
            // Past the capture of the test harness: whoever runs the tests shall see it.
            std::io::stderr().write_all(told.as_bytes()).expect("stderr");
            return;
        }
        let passed = format!("PASS mode {mode}, database stub");
        assert!(output.status.success() && text(&output.stdout).trim_end().ends_with(&passed), "{told}");
    }
}
