//! The first node of a new lineage: what restore and recovery have in common.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;
use clap::Args;
use crypto::Keyring;
use model::id::{ClusterId, NodeId};
use model::tenant::TenantState;
use model::time::utc;
use raft_store::Identity;
use raft_store::offline::{Gap, Head, found};
use raft_store::types::Member;

use super::fencing::{Fenced, Fencing};
use crate::config::Config;

/// What an operator must say before a new lineage begins.
#[derive(Args, Clone, Debug, Default)]
pub struct Terms {
    #[command(flatten)]
    pub fencing: Fencing,
    /// The last entry known, as the refusal names it; what followed is lost
    #[arg(long, value_name = "INDEX")]
    pub accept_gap: Option<u64>,
}

/// A lineage that began.
#[derive(Clone, Debug)]
pub struct Heir {
    /// Its id.
    pub cluster: ClusterId,
    /// Its first node.
    pub node: NodeId,
    /// Old nodes nobody vouched for; if there are any, tenants are quarantined.
    pub unaccounted: Vec<String>,
    /// Names of the tenants that are quarantined.
    pub quarantined: Vec<String>,
}

impl Terms {
    /// Refuses unless the operator has named the entry after which everything is lost.
    ///
    /// # Errors
    /// Says what may be lost, and what to say to accept it.
    pub fn accept(&self, head: &Head, gaps: &[Gap], why: &str) -> anyhow::Result<()> {
        let (index, at) = (head.index().0, utc(head.state.cluster().time.as_secs()));
        if self.accept_gap == Some(index) {
            return Ok(());
        }
        if let Some(named) = self.accept_gap {
            bail!("--accept-gap {named}: the last entry known here is {index}, not {named}");
        }
        let missing: String = gaps
            .iter()
            .map(|gap| format!("entries {} to {} are in no journal at hand; of what follows them withdrawals alone were applied. ", gap.from, gap.to))
            .collect();
        bail!(
            "{why} entry {index}, of {at}. {missing}What was acknowledged after entry {index} is lost: keys \
             recorded since are not found, and what was withdrawn since is served again. Nothing was changed; \
             to go on all the same, add --accept-gap {index}"
        )
    }

    /// Begins a lineage with a state and writes its first node's data, under a folder that must not exist.
    ///
    /// # Errors
    /// The evidence contradicts itself, the numbers are used up, or the disk refuses.
    pub fn begin(
        &self,
        mut head: Head,
        old: &BTreeMap<u64, Member>,
        config: &Config,
        keyring: &Keyring,
        folder: &Path,
    ) -> anyhow::Result<Heir> {
        let unaccounted = match self.fencing.judge(old, config.listen.kmip)? {
            Fenced::Yes => Vec::new(),
            Fenced::No { unaccounted } => unaccounted,
        };
        let member = Member {
            name: config.node.name.clone(),
            raft: config.listen.peer.to_string(),
            kmip: config.listen.kmip.to_string(),
            admin: config.listen.admin.to_string(),
        };
        let node = head.begin_lineage(crypto::random::bytes(), member, !unaccounted.is_empty())?;
        let cluster = ClusterId(crypto::random::bytes());
        let identity = Identity { realm: keyring.realm(), cluster, node, name: config.node.name.clone() };
        found(folder, &identity, &head, keyring)?;
        let closed = head.state.tenants().filter(|tenant| tenant.state == TenantState::Quarantined);
        let quarantined = closed.map(|tenant| tenant.name.to_string()).collect();
        Ok(Heir { cluster, node, unaccounted, quarantined })
    }
}

/// What an operator must know and do next.
#[allow(clippy::print_stdout)] // the answer of a command
pub fn report(heir: &Heir, config: &Config) {
    println!("lineage   {}", heir.cluster);
    println!("node      {} ({})", heir.node, config.node.name);
    if heir.unaccounted.is_empty() {
        println!("tenants   served as before");
    } else {
        println!("tenants   {} quarantined: nobody said that these nodes are gone:", heir.quarantined.len());
        println!("          {}", heir.unaccounted.join(", "));
        println!("          once they are, resume each: keyraft tenant resume <name>");
    }
    println!("\nnext      start it: keyraft server --config <this configuration>");
    println!("          let empty nodes join it; never start a node of the old lineage");
}
