//! A node that leaves for good: remembered by every node, so that a leader that started only now still waits
//! for its leases (CONSISTENCY 3: retire, then the membership change, then W_max, then retired).

use serde::{Deserialize, Serialize};

use crate::time::ClusterTime;

/// How far a node's removal has come. It only goes forward, and the row stays: a node id is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Departure {
    /// It is leaving, or has left only lately: every barrier still counts it.
    Retiring {
        /// When its removal began, in cluster time.
        since: ClusterTime,
    },
    /// Its last lease has surely run out.
    Retired {
        /// When that was noted, in cluster time.
        at: ClusterTime,
    },
}

impl Departure {
    /// Whether barriers still count the node.
    #[must_use]
    pub const fn is_retiring(self) -> bool {
        matches!(self, Self::Retiring { .. })
    }
}
