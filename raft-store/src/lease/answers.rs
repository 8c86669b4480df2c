//! How the barrier answers: outcomes of a wait, and why it refuses a wait or a lease.
//!
//! Times are readings of this node's boot clock; the edge turns them into wall time by adding what is
//! left of them to its wall clock.

use model::id::{BootId, LogIndex, NodeId};

use super::clock::BootTime;

/// How a wait ended. Only `Effective` may be answered as success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No request that begins from now on is answered with what was withdrawn.
    Effective,
    /// Committed, but some node may still serve it until the time given.
    TimedOut {
        /// On this node's boot clock.
        effective_everywhere_at: BootTime,
    },
    /// Committed, but this node stopped leading before it knew more. Ask the new leader, which
    /// passes the barrier of the same withdrawal.
    LeadershipLost {
        /// On this node's boot clock; true whoever leads.
        effective_everywhere_at: BootTime,
    },
}

/// Why a withdrawal cannot be waited for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotWait {
    /// Only the leader knows who holds a lease.
    #[error("this node does not lead: ask the leader")]
    NotLeader,
    /// [`WAITERS_MAX`](super::barrier::WAITERS_MAX) withdrawals wait already.
    #[error(
        "too many withdrawals are waiting: this one is committed and effective everywhere at {effective_everywhere_at:?}"
    )]
    TooMany {
        /// On this node's boot clock.
        effective_everywhere_at: BootTime,
    },
}

/// Why a node gets no lease from here. All are retryable, except for a boot that surrendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another node leads, or the term changed during the quorum round.
    #[error("this node does not lead: ask the leader")]
    NotLeader,
    /// The applied configuration does not have the node.
    #[error("node {node} is no member of the cluster: join first")]
    NotMember {
        /// Who asked.
        node: NodeId,
    },
    /// This boot surrendered; it never renews.
    #[error("boot {boot} of node {node} surrendered its leases")]
    Surrendered {
        /// Who asked.
        node: NodeId,
        /// Its process start.
        boot: BootId,
    },
    /// The read index is older than the own term: no quorum round of this term gave it.
    #[error("read index {read_index} is older than the first entry of this term: run a quorum round")]
    StaleReadIndex {
        /// What was offered.
        read_index: LogIndex,
    },
    /// Membership must be judged in a state that has applied the read index.
    #[error("read index {read_index} is not applied here yet: wait for it, then grant")]
    NotApplied {
        /// What was offered.
        read_index: LogIndex,
    },
    /// The quorum round took longer than any lease lasts.
    #[error("the quorum round took longer than any lease lasts: ask again")]
    TooLate,
}
