//! Which term of the barrier keyring seals, and which one is on its way to every node.
//!
//! A rotation is one row. A new key is committed, sealed under the current one; every node keeps it, durably and
//! wrapped by its root, and says so; once all have, the cluster seals with it. Until then it seals nothing, so
//! that no node meets a record it cannot open, and whoever leads goes on where another one was.

use serde::{Deserialize, Serialize};

use crate::id::NodeId;
use crate::time::ClusterTime;

/// Longest record of a new term in bytes: a key of 32 bytes, sealed, with its numbers.
pub const TERM_RECORD_BYTES_MAX: usize = 256;

/// The barrier's terms as the cluster agrees on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barrier {
    /// The term that seals.
    pub current: u32,
    /// Since when, in cluster time.
    pub since: ClusterTime,
    /// The term that will, while not every node holds it.
    pub spreading: Option<Spreading>,
}

/// A term on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spreading {
    /// The current one's successor.
    pub term: u32,
    /// Its key, sealed under the current term.
    pub record: Vec<u8>,
    /// Nodes that keep it.
    pub held_by: Vec<NodeId>,
    /// When the rotation began, in cluster time.
    pub started: ClusterTime,
}

impl Default for Barrier {
    /// A new realm's.
    fn default() -> Self {
        Self { current: 1, since: ClusterTime(0), spreading: None }
    }
}

impl Barrier {
    /// The term a node has yet to keep.
    #[must_use]
    pub fn wanted_from(&self, node: NodeId) -> Option<&Spreading> {
        self.spreading.as_ref().filter(|spreading| !spreading.held_by.contains(&node))
    }
}
