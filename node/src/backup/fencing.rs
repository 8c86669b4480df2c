//! Evidence that the nodes of the lineage before serve nobody any more.
//!
//! Two lineages of one realm that both live would answer differently: what one withdraws the other serves. No
//! machine can see from here whether a node elsewhere runs, so an operator says so, node by node, or says
//! that clients cannot reach the old nodes any more. Without such a word tenants stay quarantined.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::bail;
use clap::Args;
use raft_store::types::Member;

/// What an operator says about the old nodes.
#[derive(Args, Clone, Debug, Default)]
pub struct Fencing {
    /// An old node whose data is destroyed; name each of them
    #[arg(long = "destroyed", value_name = "NODE", value_delimiter = ',')]
    pub destroyed: Vec<String>,
    /// Clients reach only the new nodes: another address or authority
    #[arg(long)]
    pub clients_moved: bool,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// Tenants may be served.
    Yes,
    /// Old nodes nobody vouched for: tenants stay quarantined.
    No {
        /// Their names.
        unaccounted: Vec<String>,
    },
}

impl Fencing {
    /// Judges the evidence about old nodes.
    ///
    /// # Errors
    /// A name that no old node bore, or an address that clients knew and this node will have again.
    pub fn judge(&self, old: &BTreeMap<u64, Member>, kmip: SocketAddr) -> anyhow::Result<Fenced> {
        let names: Vec<&str> = old.values().map(|member| member.name.as_str()).collect();
        if let Some(unknown) = self.destroyed.iter().find(|name| !names.contains(&name.as_str())) {
            bail!(
                "--destroyed {unknown}: no node of the old cluster is called so; it had {}",
                names.join(", ")
            );
        }
        if self.clients_moved {
            let kmip = kmip.to_string();
            if let Some(member) = old.values().find(|member| member.kmip == kmip) {
                let name = &member.name;
                bail!("--clients-moved: clients reached {name} at {kmip}, where this node listens too");
            }
            return Ok(Fenced::Yes);
        }
        let left = names.into_iter().filter(|name| !self.destroyed.iter().any(|gone| gone == name));
        let mut unaccounted: Vec<String> = left.map(str::to_owned).collect();
        unaccounted.sort_unstable();
        Ok(if unaccounted.is_empty() { Fenced::Yes } else { Fenced::No { unaccounted } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old() -> BTreeMap<u64, Member> {
        let member = |id: u64| Member {
            name: format!("node-{id}"),
            kmip: format!("10.0.0.{id}:5696"),
            ..Member::default()
        };
        [1, 2].map(|id| (id, member(id))).into()
    }

    fn judge(destroyed: &[&str], clients_moved: bool, kmip: &str) -> anyhow::Result<Fenced> {
        let destroyed = destroyed.iter().map(|name| (*name).to_owned()).collect();
        Fencing { destroyed, clients_moved }.judge(&old(), kmip.parse().expect("an address"))
    }

    #[test]
    fn every_old_node_must_be_accounted_for() {
        let missing = |names: &[&str]| Fenced::No {
            unaccounted: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let new = "10.0.0.9:5696";
        assert_eq!(judge(&[], false, new).expect("judged"), missing(&["node-1", "node-2"]));
        assert_eq!(judge(&["node-2"], false, new).expect("judged"), missing(&["node-1"]));
        assert_eq!(judge(&["node-2", "node-1"], false, new).expect("judged"), Fenced::Yes);
        assert!(judge(&["node-3"], false, new).is_err(), "nobody is called so");
    }

    #[test]
    fn clients_that_moved_do_not_find_a_node_where_they_found_one() {
        assert_eq!(judge(&[], true, "10.0.0.9:5696").expect("judged"), Fenced::Yes);
        assert!(judge(&[], true, "10.0.0.2:5696").is_err());
    }
}
