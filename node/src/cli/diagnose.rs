//! `keyraft operator diagnose`: what stands between a node and its service, also while it is down.
//!
//! It asks the node's own configuration, files, roots and folders, and no other node. Nothing is changed: a
//! running node's database is left alone.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use keystore::{RootKeystore, RootSettings};
use raft_store::Identity;
use raft_store::journal::{self, Stretch};
use raft_store::offline::Survivor;

use crate::config::Config;
use crate::server::{DataDir, keyring, tls};

/// What was found, one line each.
#[derive(Default)]
struct Findings {
    failed: bool,
}

impl Findings {
    #[allow(clippy::print_stdout)] // the answer of a command
    fn say(&self, word: &str, what: &str, said: &str) {
        println!("{word:<5} {what:<15} {said}");
    }

    fn ok(&self, what: &str, said: impl AsRef<str>) {
        self.say("ok", what, said.as_ref());
    }

    /// Tells the outcome of a check, and hands on what it found.
    fn tell<T>(
        &mut self,
        what: &str,
        found: anyhow::Result<T>,
        said: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match found {
            Ok(found) => {
                self.ok(what, said(&found));
                Some(found)
            }
            Err(error) => {
                self.failed = true;
                self.say("FAIL", what, &format!("{error:#}"));
                None
            }
        }
    }
}

/// Looks at everything; exit code 1 if anything is wrong.
///
/// # Errors
/// Only if the command itself cannot run.
pub fn run(config: &Path) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    let loaded = Config::load(config).map_err(Into::into);
    if let Some(config) = findings.tell("configuration", loaded, |config| config.node.name.clone()) {
        super::block_on(diagnose(&config, &mut findings))?;
    }
    Ok(if findings.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn diagnose(config: &Config, findings: &mut Findings) {
    findings.tell("certificates", tls::load(config), |_| "read, and fit their keys".to_owned());
    let barrier = root(config, &config.platform_root.barrier, "barrier root", findings).await;
    root(config, &config.platform_root.tenants, "tenants root", findings).await;

    let folder = &config.node.data_dir;
    if !folder.exists() {
        return findings.ok("data", format!("{} is not there yet: a new node", folder.display()));
    }
    let identity = raft_store::identity::load_as(&folder.join("raft"), &config.node.name);
    let named = |found: &Option<Identity>| match found {
        Some(identity) => format!("node {} of cluster {}", identity.node, identity.cluster),
        None => "none yet: a new node".to_owned(),
    };
    let identity = findings.tell("identity", identity.map_err(Into::into), named).flatten();
    let (Some(barrier), Some(identity)) = (barrier, identity) else { return };
    let unsealed = async {
        let sealed = std::fs::read(folder.join("keyring"))?;
        keyring::unseal(&sealed, identity.realm, barrier.as_ref()).await
    };
    let unsealed = findings.tell("keyring", unsealed.await, |_| "unsealed by the barrier root".to_owned());
    let Some(keyring) = unsealed else { return };

    let read = journal::verify(&folder.join("journal"), &*keyring).map_err(Into::into);
    findings.tell("journal", read, |report| report.as_ref().map_or("empty".to_owned(), stretches));
    match DataDir::open(folder).await {
        Err(_) => {
            findings.ok("state", "not looked at: another process uses the data, the node may be running")
        }
        Ok(data) => {
            let read = Survivor::read(&data.raft(), &*keyring).map_err(Into::into);
            findings.tell("state", read, |found: &Survivor| {
                let (index, committed) = (found.head.index(), found.committed);
                format!("whole, to entry {index}; committed to entry {committed}")
            });
            let read = audit::verify(&data.audit(), &audit::Expect::default()).map_err(Into::into);
            findings.tell("audit", read, |report| format!("whole, to record {}", report.last_sequence));
        }
    }
}

async fn root(
    config: &Config,
    settings: &RootSettings,
    what: &str,
    findings: &mut Findings,
) -> Option<Arc<dyn RootKeystore>> {
    let opened = async {
        let root = settings.open(&config.roots).await?;
        root.probe().await?;
        anyhow::Ok(root)
    };
    findings.tell(what, opened.await, |root| format!("{} answers", root.l1_ref()))
}

fn stretches(report: &journal::Report) -> String {
    let all = report.stretches.iter().map(|Stretch { first, last }| format!("{first} to {last}"));
    format!("whole, entries {}", all.collect::<Vec<_>>().join(", "))
}
