//! Who may hold a lease: the members of every configuration that was in force lately.
//!
//! Fed by `apply` on every node, leader or not, so that a new leader knows it at once. Only *applied*
//! configurations count, also for admission to grants: a node in an appended configuration that is
//! never committed would hold a lease that the next leader has never heard of.

use std::collections::{BTreeMap, BTreeSet};

use model::id::NodeId;

use super::class::LeaseLength;
use super::clock::BootTime;
use crate::danger::{self, Bug};

/// The nodes a barrier must hear of.
#[derive(Debug)]
pub(super) struct Members {
    current: BTreeSet<NodeId>,
    /// Who left, and when this node applied that: kept for the wait of the longest class, because a
    /// class may be raised after the node left.
    left: BTreeMap<NodeId, BootTime>,
    /// The replicated memory of who is leaving: it also covers a leader that started only now.
    retiring: BTreeSet<NodeId>,
}

impl Members {
    pub fn new(current: BTreeSet<NodeId>, retiring: BTreeSet<NodeId>) -> Self {
        Self { current, left: BTreeMap::new(), retiring }
    }

    /// A configuration was applied.
    pub fn replace(&mut self, nodes: BTreeSet<NodeId>, now: BootTime) {
        self.left.extend(self.current.difference(&nodes).map(|&node| (node, now)));
        self.left.retain(|node, _| !nodes.contains(node));
        self.current = nodes;
        self.forget(now);
    }

    pub fn retiring(&mut self, node: NodeId) {
        self.retiring.insert(node);
    }

    pub fn retired(&mut self, node: NodeId) {
        self.retiring.remove(&node);
    }

    /// Whether the node may be granted a lease.
    pub fn contains(&self, node: NodeId) -> bool {
        self.current.contains(&node)
    }

    /// Whether the node is one the cluster has heard of lately.
    pub fn knows(&self, node: NodeId) -> bool {
        self.contains(node) || self.retiring.contains(&node) || self.left.contains_key(&node)
    }

    /// Every node of the barrier set, some maybe twice.
    pub fn barrier_set(&self, now: BootTime) -> impl Iterator<Item = NodeId> {
        let left = self.left.iter().filter(move |(_, at)| !is_forgotten(**at, now)).map(|(node, _)| *node);
        let leaving = self.retiring.iter().copied().chain(left);
        let leaving = leaving.filter(|_| !danger::has(Bug::BarrierWithoutRetiring));
        self.current.iter().copied().chain(leaving)
    }

    fn forget(&mut self, now: BootTime) {
        self.left.retain(|_, at| !is_forgotten(*at, now));
    }
}

/// Whether something that old can no longer matter to any lease, of whatever class.
pub(super) fn is_forgotten(at: BootTime, now: BootTime) -> bool {
    now >= at + LeaseLength::RELAXED_MAX.wait()
}
