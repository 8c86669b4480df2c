//! The cluster's members, as its operator sees and changes them.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::Cluster;

/// How operators name a node.
#[must_use]
pub fn member(node: usize) -> String {
    format!("node-{node}")
}

impl Cluster {
    /// Whether a node votes.
    ///
    /// # Errors
    /// No node answers.
    pub fn votes(&self, node: usize) -> anyhow::Result<bool> {
        let output = self.command(&["operator", "members", "-o", "json"]).output()?;
        let members: Value = serde_json::from_slice(&output.stdout).context("no node tells its members")?;
        let found =
            members["items"].as_array().into_iter().flatten().find(|found| found["name"] == member(node));
        let found = found.with_context(|| format!("there is no member {}", member(node)))?;
        found["voter"].as_bool().context("a member that votes or not")
    }

    /// `keyraft operator <arguments>`, which must succeed.
    ///
    /// # Errors
    /// What it said.
    pub fn operator(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = self.command(&[&["operator"], arguments].concat()).output()?;
        if !output.status.success() {
            bail!(
                "keyraft operator {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }
}
