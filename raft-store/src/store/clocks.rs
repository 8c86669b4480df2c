//! Whether this node's wall clock may stamp proposals: a leader that is far off a quorum's clocks does not
//! lead (CONSISTENCY 5). What it compares came with the renewals of the others, so it is as young as those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::id::NodeId;

use crate::lease::clock::BootTime;

/// Further off than this is wrong: NTP keeps a thousandth of it, a renewal takes a tenth of it.
const OFF_MS: u64 = 2_000;
/// A comparison older than this says nothing: voters renew every second or so.
const FRESH: Duration = Duration::from_secs(10);

/// How the clocks of others differ from ours.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    seen: Mutex<BTreeMap<NodeId, Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    off_ms: u64,
    at: BootTime,
}

impl Clocks {
    /// A node said that its clock reads `theirs_ms` when ours read `ours_ms`. Whether the two agree.
    pub fn compare(&self, node: NodeId, theirs_ms: u64, ours_ms: u64, now: BootTime) -> bool {
        let seen = Seen { off_ms: theirs_ms.abs_diff(ours_ms), at: now };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(node, seen);
        seen.off_ms <= OFF_MS
    }

    /// Whether a quorum of the voters agrees, lately, that our clock is wrong.
    pub fn are_off(&self, voters: &BTreeSet<NodeId>, now: BootTime) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |seen: &&Seen| now.since(seen.at).is_some_and(|age| age < FRESH);
        let off = voters.iter().filter_map(|node| seen.get(node)).filter(fresh).filter(|s| s.off_ms > OFF_MS);
        off.count() > voters.len() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn only_a_quorum_of_fresh_comparisons_counts() {
        let voters = BTreeSet::from([1, 2, 3].map(NodeId));
        let clocks = Clocks::default();
        assert!(!clocks.are_off(&voters, at(100)), "nobody said anything");
        clocks.compare(NodeId(2), 10_000, 5_000, at(100));
        assert!(!clocks.are_off(&voters, at(100)), "one of three may be wrong itself");
        clocks.compare(NodeId(9), 10_000, 5_000, at(100));
        assert!(!clocks.are_off(&voters, at(100)), "learners have no say");
        assert!(!clocks.compare(NodeId(3), 7_001, 5_000, at(100)));
        assert!(clocks.are_off(&voters, at(100)));
        assert!(!clocks.are_off(&voters, at(111)), "that was long ago");
        assert!(clocks.compare(NodeId(3), 7_000, 5_000, at(111)));
        assert!(!clocks.are_off(&voters, at(111)));
    }
}
