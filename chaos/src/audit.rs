//! What the audit logs of the stopped nodes say, read with the tools an auditor has: `keyraft audit
//! verify` and `keyraft audit export`.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::cluster::{Cluster, NODES};
use crate::invariants::audited;
use crate::ledger::Ledger;

/// The fields of a record that matter here.
#[derive(Deserialize)]
struct Record {
    operation: String,
    outcome: String,
    identifier: Option<String>,
}

/// Verifies every log, and holds the keys that clients received against the records.
pub fn judge(cluster: &Cluster, ledger: &Ledger) -> anyhow::Result<()> {
    let mut recorded = HashMap::new();
    for node in 0..NODES {
        ledger.note_general(audited::judge_chain(node, verify(cluster, node)?));
        count(cluster, node, &mut recorded)?;
    }
    for index in 0..ledger.len() {
        let object = ledger.object(index);
        let of = |identifier: &String| recorded.get(identifier).copied().unwrap_or(0);
        let times = object.identifier.as_ref().map_or(0, of);
        audited::judge(&object, times).into_iter().for_each(|verdict| ledger.note(verdict, index));
    }
    Ok(())
}

/// What is wrong with a node's log, if anything.
fn verify(cluster: &Cluster, node: usize) -> anyhow::Result<Option<String>> {
    let output = cluster.audit_command("verify", node).output().context("cannot run keyraft audit verify")?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((!output.status.success()).then_some(said))
}

/// Adds the Gets of a node that were answered, by identifier.
fn count(cluster: &Cluster, node: usize, recorded: &mut HashMap<String, u64>) -> anyhow::Result<()> {
    let mut export = cluster.audit_command("export", node);
    let mut child = export.stdout(Stdio::piped()).spawn().context("cannot run keyraft audit export")?;
    let output = child.stdout.take().context("keyraft audit export has no output")?;
    for line in BufReader::new(output).lines() {
        let record: Record =
            serde_json::from_str(&line?).context("an audit record is not the JSON expected")?;
        if let Some(identifier) = answered_get(record) {
            *recorded.entry(identifier).or_default() += 1;
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("keyraft audit export of node {node} ended ({status})");
    }
    Ok(())
}

fn answered_get(record: Record) -> Option<String> {
    (record.operation == "Get" && record.outcome == "ok").then_some(record.identifier)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answered_gets_count() {
        let get = |outcome: &str| {
            let line = format!(r#"{{"operation":"Get","outcome":"{outcome}","identifier":"u","item":1}}"#);
            answered_get(serde_json::from_str(&line).expect("a record"))
        };
        assert_eq!(get("ok"), Some("u".to_owned()));
        assert_eq!(get("refused"), None);
    }
}
