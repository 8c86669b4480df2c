//! Whether this node's wall clock may stamp proposals: a leader that is far off a quorum's clocks does not
//! lead (CONSISTENCY 5). What it compares came with the renewals of the others, so it is as young as those.
//! A wall clock that is set meanwhile is noticed at once, by the boot clock beside it, and doubted until a
//! quorum's next renewals agree with it.

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
    own: Mutex<Own>,
}

/// Our own wall clock, watched by our boot clock.
#[derive(Clone, Copy, Debug, Default)]
struct Own {
    read: Option<(u64, BootTime)>,
    /// When it was last found to have been set.
    set: Option<BootTime>,
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

    /// Our wall clock reads `wall_ms`. Between two readings it moves as far as the boot clock, or it was set.
    pub fn watch(&self, wall_ms: u64, now: BootTime) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before_ms, before)) = own.read {
            let Some(passed) = now.since(before) else { return }; // somebody read later, and was here before
            let expected_ms = before_ms.saturating_add(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
            if wall_ms.abs_diff(expected_ms) > OFF_MS {
                tracing::warn!(
                    wall_ms,
                    expected_ms,
                    "the wall clock was set: doubted until a quorum's agree"
                );
                own.set = Some(now);
            }
        }
        own.read = Some((wall_ms, now));
    }

    /// Whether our wall clock was set and no quorum of the voters has agreed with it since. A single voter has
    /// nobody to ask.
    pub fn is_doubted(&self, me: NodeId, voters: &BTreeSet<NodeId>) -> bool {
        let own = *self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(set) = own.set else { return false };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |seen: &&Seen| seen.off_ms <= OFF_MS && seen.at.since(set).is_some();
        let others = voters.iter().filter(|node| **node != me);
        let agree = others.filter_map(|node| seen.get(node)).filter(since).count();
        agree < voters.len() / 2
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

    #[test]
    fn a_clock_that_was_set_is_doubted_until_a_quorum_agrees_with_it() {
        let me = NodeId(1);
        let three = BTreeSet::from([1, 2, 3].map(NodeId));
        let clocks = Clocks::default();
        clocks.compare(NodeId(2), 100_000, 100_000, at(100));
        clocks.watch(100_000, at(100));
        clocks.watch(151_900, at(150));
        assert!(!clocks.is_doubted(me, &three), "slewed by less than two seconds");
        for (wall_ms, boot) in [(3_751_900, 150), (151_900, 151)] {
            clocks.watch(wall_ms, at(boot));
            assert!(clocks.is_doubted(me, &three), "set forward, set back");
            assert!(!clocks.is_doubted(me, &BTreeSet::from([me])), "nobody to ask");
        }
        clocks.compare(NodeId(2), 10_000_000, 152_900, at(152));
        clocks.compare(NodeId(9), 152_900, 152_900, at(152));
        assert!(clocks.is_doubted(me, &three), "one is off, and a learner has no say");
        clocks.compare(NodeId(3), 152_900, 152_900, at(152));
        assert!(!clocks.is_doubted(me, &three));
        let five = BTreeSet::from([1, 2, 3, 4, 5].map(NodeId));
        assert!(clocks.is_doubted(me, &five), "two of five are no quorum");
    }
}
