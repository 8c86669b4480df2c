//! I3 across a restore: what was handed out once is never handed out again, or one name would stand for two
//! things. A version of a tenant's key names what its identifiers derive from.

use std::collections::BTreeSet;

use model::id::{BootId, L2Version, NodeId};

use crate::promise::Promise;
use crate::sim::ledger::Verdict;

/// What a cluster gave numbers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandedOut {
    /// Nodes.
    pub nodes: BTreeSet<NodeId>,
    /// Starts of their processes.
    pub boots: BTreeSet<BootId>,
    /// Versions of the first tenant's key that were made during the run.
    pub versions: BTreeSet<L2Version>,
}

/// Compares a lineage with what the one before it had handed out at its end.
pub fn judge(before: &HandedOut, after: &HandedOut) -> Vec<Verdict> {
    vec![
        verdict("node id", &before.nodes, &after.nodes),
        verdict("boot id", &before.boots, &after.boots),
        verdict("key version", &before.versions, &after.versions),
    ]
}

fn verdict<T: Ord + std::fmt::Debug>(what: &str, before: &BTreeSet<T>, after: &BTreeSet<T>) -> Verdict {
    let again: Vec<&T> = before.intersection(after).collect();
    let held = match again.is_empty() {
        true => Ok(()),
        false => Err(format!("handed out before a restore and again after it: {what} {again:?}")),
    };
    Verdict { promise: Promise::I3, held }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_twice_is_one_too_many() {
        let of = |boots: &[u64], versions: &[u16]| HandedOut {
            boots: boots.iter().copied().map(BootId).collect(),
            versions: versions.iter().copied().map(L2Version).collect(),
            ..HandedOut::default()
        };
        let broken = |after: &HandedOut| {
            let verdicts = judge(&of(&[4, 5], &[2]), after);
            verdicts.iter().filter(|verdict| verdict.held.is_err()).count()
        };
        assert_eq!(broken(&of(&[6], &[258])), 0);
        assert_eq!(broken(&of(&[5], &[258])), 1);
        assert_eq!(broken(&of(&[5], &[2])), 2);
    }
}
