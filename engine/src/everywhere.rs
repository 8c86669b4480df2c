//! Since when a change is in use on every node.
//!
//! Nodes say what they serve from; whoever wants to know asks them, and remembers what it learnt. The time told is
//! when the last node was found to have come that far: never too early, and as exact as somebody looked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::id::LogIndex;
use model::time::ClusterTime;
use tokio::time::Instant;

use crate::engine::Engine;

/// Pause between two looks: asking costs each node a message.
const LOOK: Duration = Duration::from_millis(20);
/// What is remembered: the changes of a busy day of administration.
const REMEMBERED_MAX: usize = 1_024;

/// What this node has learnt: from when on every node served from at least an index.
#[derive(Default)]
pub(crate) struct Everywhere(Mutex<BTreeMap<LogIndex, ClusterTime>>);

impl Everywhere {
    /// Whoever serves from an index serves from every earlier one.
    fn known(&self, index: LogIndex) -> Option<ClusterTime> {
        let learnt = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.range(index..).map(|(_, at)| *at).min()
    }

    fn learn(&self, index: LogIndex, at: ClusterTime) {
        let mut learnt = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.entry(index).or_insert(at);
        if learnt.len() > REMEMBERED_MAX {
            learnt.pop_first();
        }
    }
}

impl Engine {
    /// Since when every node serves from at least this index, as far as this node has learnt; it asks nobody.
    pub fn known_everywhere_at(&self, index: LogIndex) -> Option<ClusterTime> {
        self.everywhere.known(index)
    }

    /// Since when every node serves from at least this index, waiting for that no longer than `within`. A node that
    /// cannot be reached holds no lease for long, and counts as not there yet.
    pub async fn applied_everywhere_at(&self, index: LogIndex, within: Duration) -> Option<ClusterTime> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(at) = self.everywhere.known(index) {
                return Some(at);
            }
            let cluster = self.store.cluster_status().await;
            if cluster.nodes.iter().all(|node| node.reachable && node.status.applied >= index) {
                self.everywhere.learn(index, self.store.now());
                continue;
            }
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_index_tells_of_earlier_ones_and_the_first_look_counts() {
        let everywhere = Everywhere::default();
        assert_eq!(everywhere.known(LogIndex(5)), None);
        everywhere.learn(LogIndex(5), ClusterTime(100));
        everywhere.learn(LogIndex(5), ClusterTime(900));
        everywhere.learn(LogIndex(9), ClusterTime(200));
        let known = |index| everywhere.known(LogIndex(index)).map(|at| at.0);
        assert_eq!(
            (known(4), known(5), known(6), known(9), known(10)),
            (Some(100), Some(100), Some(200), Some(200), None)
        );
        for index in 0..2_000 {
            everywhere.learn(LogIndex(index), ClusterTime(index));
        }
        assert_eq!(everywhere.0.lock().unwrap().len(), REMEMBERED_MAX);
    }
}
