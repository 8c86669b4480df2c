//! What the leader knows of every node's leases: requests, reports, surrenders.
//!
//! All of it is true for ever, whoever leads: a report never ends, a surrendered boot never returns,
//! and a request of an earlier term of mine only makes me wait longer. So nothing is cleared when the
//! leader changes, and only time makes an entry forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use model::id::{BootId, LogIndex, NodeId};

use super::clock::BootTime;
use super::members::is_forgotten;

/// Everything known about every node's process starts.
#[derive(Debug, Default)]
pub(super) struct Grants {
    nodes: BTreeMap<NodeId, Node>,
}

#[derive(Debug, Default)]
struct Node {
    boots: BTreeMap<BootId, Boot>,
    /// The newest boot that surrendered. Those before it ended before it began.
    surrendered: Option<BootId>,
    /// The newest boot id that Raft handed out, as far as applied here.
    newest: Option<BootId>,
}

#[derive(Debug, Default)]
struct Boot {
    /// When its last renewal arrived here: at or after the time its lease carries.
    requested: Option<BootTime>,
    published: LogIndex,
}

/// How far a node stands in the way of withdrawals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It holds no lease that allows anything withdrawn.
    Clear,
    /// It may still serve what was withdrawn after this index.
    UpTo(LogIndex),
}

impl Grants {
    /// A renewal arrived. From here on it counts as a grant, whether or not one is ever sent.
    pub fn request(&mut self, node: NodeId, boot: BootId, now: BootTime) {
        self.forget(now);
        self.boot(node, boot).requested = Some(now);
    }

    /// The node's process has published this generation.
    pub fn report(&mut self, node: NodeId, boot: BootId, published: LogIndex) {
        let known = self.boot(node, boot);
        known.published = known.published.max(published);
    }

    pub fn surrender(&mut self, node: NodeId, boot: BootId) {
        let node = self.nodes.entry(node).or_default();
        node.surrendered = node.surrendered.max(Some(boot));
    }

    pub fn booted(&mut self, node: NodeId, boot: BootId) {
        let node = self.nodes.entry(node).or_default();
        node.newest = node.newest.max(Some(boot));
    }

    /// Whether this boot gave its leases up for ever.
    pub fn is_surrendered(&self, node: NodeId, boot: BootId) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.is_surrendered(boot))
    }

    /// Nodes granted to lately.
    pub fn nodes(&self, wait: Duration, now: BootTime) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().filter(move |(_, node)| node.live(wait, now).next().is_some()).map(|(id, _)| *id)
    }

    /// How far `node` stands in the way of a withdrawal that waits `wait`. `knows_all` says that
    /// every lease that has not run out was granted by me.
    pub fn mark(&self, node: NodeId, wait: Duration, knows_all: bool, now: BootTime) -> Mark {
        let Some(node) = self.nodes.get(&node) else {
            return if knows_all { Mark::Clear } else { Mark::UpTo(LogIndex(0)) };
        };
        if let Some(slowest) = node.live(wait, now).map(|(boot, _)| boot.published).min() {
            return Mark::UpTo(slowest);
        }
        if knows_all || node.surrendered_last() {
            return Mark::Clear;
        }
        Mark::UpTo(node.boots.values().map(|boot| boot.published).max().unwrap_or_default())
    }

    /// The next time after `now` at which a grant to `node` has surely run out.
    pub fn next_expiry(&self, node: NodeId, wait: Duration, now: BootTime) -> Option<BootTime> {
        self.nodes.get(&node)?.live(wait, now).map(|(_, expiry)| expiry).min()
    }

    fn boot(&mut self, node: NodeId, boot: BootId) -> &mut Boot {
        self.nodes.entry(node).or_default().boots.entry(boot).or_default()
    }

    /// Keeps per node the newest boot's report and what may still be a lease.
    fn forget(&mut self, now: BootTime) {
        for node in self.nodes.values_mut() {
            let newest = node.boots.keys().next_back().copied();
            node.boots.retain(|id, boot| {
                Some(*id) == newest || boot.requested.is_some_and(|requested| !is_forgotten(requested, now))
            });
        }
    }
}

impl Node {
    fn is_surrendered(&self, boot: BootId) -> bool {
        self.surrendered.is_some_and(|surrendered| boot <= surrendered)
    }

    /// Whether the last process start of this node that exists at all gave its leases up.
    fn surrendered_last(&self) -> bool {
        self.newest.is_some_and(|newest| self.is_surrendered(newest))
    }

    /// Process starts that may hold a lease granted by me, and when that has surely run out.
    fn live(&self, wait: Duration, now: BootTime) -> impl Iterator<Item = (&Boot, BootTime)> {
        self.boots
            .iter()
            .filter(|(id, _)| !self.is_surrendered(**id))
            .filter_map(move |(_, boot)| boot.requested.map(|requested| (boot, requested + wait)))
            .filter(move |(_, expiry)| now < *expiry)
    }
}
