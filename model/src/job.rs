//! Work on a tenant that takes several steps and survives every crash between them.
//!
//! A job is a row. Its steps are commands that name the step they leave, so whichever node works on it, and
//! however often it begins again, each step has its effect once. Until [`Step::Switch`] is left a job can be
//! rolled back to exactly what was before; from then on only a cheap, local step is left, which cannot fail.

use serde::{Deserialize, Serialize};

use crate::id::{JobId, LogIndex, NodeId, RootHandle, TenantHandle};
use crate::time::ClusterTime;

/// Jobs remembered for one tenant: the oldest finished one makes room.
pub const JOBS_MAX: usize = 32;
/// Nodes that prove a root: more than a cluster has members.
pub const PROOFS_MAX: usize = 64;

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobKind {
    /// Other roots wrap the tenant's keys; where an old one leaves, new keys come from a new version that it
    /// never wrapped.
    Migrate,
    /// The same roots wrap the same keys again: after the key inside a root was rotated, say.
    Rewrap,
}

impl JobKind {
    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Rewrap => "rewrap",
        }
    }
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    /// Wraps and unwraps a probe by every root to be.
    Validate,
    /// Wraps every version by the roots to be, beside the wraps it has.
    Wrap,
    /// Every node unwraps by the roots to be.
    Prove,
    /// Makes the next version, and the roots to be the tenant's.
    Switch,
    /// Drops the wraps of roots that left.
    Drop,
    /// It is done.
    Succeeded,
    /// Everything is as it was before.
    RolledBack,
}

impl Step {
    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Wrap => "wrap",
            Self::Prove => "prove",
            Self::Switch => "switch",
            Self::Drop => "drop",
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled back",
        }
    }

    /// Whether work is left.
    #[must_use]
    pub const fn is_running(self) -> bool {
        !matches!(self, Self::Succeeded | Self::RolledBack)
    }

    /// Whether it may still be as if the job had never begun.
    #[must_use]
    pub const fn can_roll_back(self) -> bool {
        matches!(self, Self::Validate | Self::Wrap | Self::Prove | Self::Switch)
    }
}

/// A job's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The tenant it works on.
    pub tenant: TenantHandle,
    /// Random, made by the proposer.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// Where it is.
    pub step: Step,
    /// The roots before it; empty: the platform's.
    pub from: Vec<RootHandle>,
    /// The roots after it; empty: the platform's.
    pub to: Vec<RootHandle>,
    /// Versions wrapped, or nodes that proved, of `total`.
    pub done: u32,
    /// What `done` counts up to in this step.
    pub total: u32,
    /// Nodes that have unwrapped by the roots to be.
    pub proofs: Vec<NodeId>,
    /// Why it was rolled back, or what it waits for; empty when there is nothing to say.
    pub detail: String,
    /// When it began, in cluster time.
    pub started: ClusterTime,
    /// When it last moved, in cluster time.
    pub updated: ClusterTime,
    /// Log index of the last change.
    pub revision: LogIndex,
}

impl Job {
    /// Roots that leave with this job; `None` stands for the platform's.
    #[must_use]
    pub fn drops_a_root(&self) -> bool {
        if self.from.is_empty() {
            !self.to.is_empty()
        } else {
            self.from.iter().any(|root| !self.to.contains(root))
        }
    }
}
