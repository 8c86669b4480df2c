//! Ordinary "no": the same answer on every node, and nothing changed.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::id::{LogIndex, NodeId};
use crate::object::KeyState;
use crate::time::ClusterTime;
use crate::workflow::WorkflowState;

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// No tenant of this handle or name.
    #[error("no such tenant")]
    TenantUnknown,
    /// A tenant of this name exists or existed.
    #[error("the tenant name is taken; names are never re-used")]
    TenantNameTaken,
    /// A random handle hit one that is used or retired; the proposer draws another.
    #[error("the handle is used or retired; draw another")]
    HandleTaken,
    /// The tenant belongs to another region.
    #[error("the tenant's region {tenant} is not this cluster's region {cluster}")]
    WrongRegion {
        /// The region asked for.
        tenant: String,
        /// The region of this cluster.
        cluster: String,
    },
    /// The tenant is suspended: resume it first.
    #[error("the tenant is suspended; resume it first")]
    TenantSuspended {
        /// Log index of the suspension.
        at: LogIndex,
    },
    /// The tenant was terminated.
    #[error("the tenant was terminated")]
    TenantTerminated {
        /// Log index of the termination.
        at: LogIndex,
    },
    /// No service of this handle or name.
    #[error("no such service")]
    ServiceUnknown,
    /// The service is suspended: resume it first.
    #[error("the service is suspended; resume it first")]
    ServiceSuspended {
        /// Log index of the suspension.
        at: LogIndex,
    },
    /// The service was shredded; its handle is retired for ever.
    #[error("the service was shredded; an administrator must enable the identity again")]
    ServiceShredded {
        /// Log index of the shredding.
        at: LogIndex,
    },
    /// The L2 version is not the next one, or versions are used up.
    #[error("the L2 version is not the next one; read the tenant again")]
    VersionConflict,
    /// The tenant or object changed since the caller read it.
    #[error("the record changed since it was read; read it again")]
    RevisionConflict {
        /// The revision it has now.
        now: LogIndex,
    },
    /// No row for this identifier, and its kind needs one.
    #[error("no such object")]
    ObjectUnknown,
    /// A row for this identifier exists.
    #[error("an object with this identifier exists")]
    ObjectExists,
    /// Another object of the tenant bears the name.
    #[error("the name {name:?} is taken by another object of this tenant")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The object's state does not allow it.
    #[error("the object is {}, which does not allow this", state.as_str())]
    WrongState {
        /// The state it is in.
        state: KeyState,
        /// Log index of the withdrawal that led there; 0 if none did.
        at: LogIndex,
    },
    /// An attribute to change is not there.
    #[error("the object has no such attribute")]
    AttributeUnknown,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for a different request")]
    IdempotencyKeyReused,
    /// A bound was reached.
    #[error("{what} is limited to {}", what.measured(*max))]
    LimitReached {
        /// What is bounded.
        what: Limit,
        /// The bound.
        max: u64,
    },
    /// The value lies outside what is allowed.
    #[error("{what} is out of range: {}", what.between(*min, *max))]
    OutOfRange {
        /// Which value.
        what: Limit,
        /// The least that is allowed, in the unit of `what`.
        min: u64,
        /// The most; `u64::MAX` where there is no bound.
        max: u64,
    },
    /// The identifier names another kind of object than the command makes.
    #[error("the identifier's kind is not the one this command makes")]
    WrongKind,
    /// The object is archived: recover it first.
    #[error("the object is archived; recover it first")]
    Archived {
        /// Log index of the archiving.
        at: LogIndex,
    },
    /// The object is not archived.
    #[error("the object is not archived")]
    NotArchived,
    /// The object's usage limit does not leave that much.
    #[error("the object's usage limit leaves {left} of its unit")]
    UsageSpent {
        /// What is left.
        left: u64,
    },
    /// An action of a commit ends what a later one of the same commit needs.
    #[error("an action of the commit ends what a later one of it needs")]
    Contradiction,
    /// No such ticket, or one that has ended.
    #[error("the ticket is not valid, or not any more")]
    TicketUnknown,
    /// The ticket's number of requests is used up.
    #[error("the ticket's requests are used up")]
    TicketSpent,
    /// Another member of the group was given out meanwhile.
    #[error("the group moved on; look again")]
    GroupMoved,
    /// No node of this id ever joined.
    #[error("no such node")]
    NodeUnknown,
    /// The node was not told to leave.
    #[error("the node is not retiring")]
    NodeNotRetiring,
    /// The tenant is unlinked from its root: link it again first.
    #[error("the tenant is unlinked from its root of trust; relink it first")]
    TenantUnlinked {
        /// Log index of the unlinking.
        at: LogIndex,
    },
    /// The tenant is disabled: no new keys.
    #[error("the tenant is disabled: no new keys are made until an operator enables it")]
    TenantReadOnly {
        /// Log index of the disabling.
        at: LogIndex,
    },
    /// The tenant has no such root.
    #[error("the tenant has no such root")]
    RootUnknown,
    /// The tenant has a root of this name, or of this key.
    #[error("the tenant has a root of this name or of this key")]
    RootExists,
    /// The root wraps the tenant's keys, or a job is about to make it so.
    #[error("the root is in use; migrate the tenant to another one first")]
    RootInUse,
    /// The tenant has no such job.
    #[error("the tenant has no such job")]
    JobUnknown,
    /// One job at a time.
    #[error("a job is running on the tenant; wait for its end")]
    JobRunning,
    /// The job is at another step by now.
    #[error("the job is at another step by now")]
    JobMoved,
    /// The root to be has closed meanwhile.
    #[error("the root to be refuses its key by now")]
    RootClosed,
    /// The job would change nothing, or names a root twice.
    #[error("the job would change nothing, or names a root twice")]
    JobPointless,
    /// A list of actions is empty, too long, or not about objects of one tenant.
    #[error("a commit holds 1 to {max} actions about objects of one tenant")]
    BadTogether {
        /// Most actions.
        max: u64,
    },
    /// No such join token, or one forgotten long after its end.
    #[error("the join token is not known to this cluster; make one with keyraft operator join-token")]
    JoinTokenUnknown,
    /// The join token has let a node in.
    #[error("the join token was used by node {node}; a token lets one node in, make another")]
    JoinTokenUsed {
        /// Whom.
        node: NodeId,
    },
    /// The join token's time is over.
    #[error("the join token expired at {at}; make another with keyraft operator join-token")]
    JoinTokenExpired {
        /// When, in cluster time.
        at: ClusterTime,
    },
    /// The node was told to leave, and its id is never given again.
    #[error("node {node} was removed from the cluster; wipe its data directory and join as a new node")]
    NodeRemoved {
        /// Which.
        node: NodeId,
    },
    /// The format version is active already, or an older one.
    #[error("the format version {now} is active; it only goes forward")]
    FormatNotNewer {
        /// The active one.
        now: u32,
    },
    /// The tenant wants other people's approval first.
    #[error("the tenant wants the approval of {wanted} other {} for this", people(*wanted))]
    ApprovalWanted {
        /// How many.
        wanted: u8,
    },
    /// No workflow of this name.
    #[error("no such workflow")]
    WorkflowUnknown,
    /// The workflow is where this step is not taken.
    #[error("the workflow is {}, which does not allow this step", state.as_str())]
    WorkflowState {
        /// Where it is.
        state: WorkflowState,
    },
    /// The step is another person's.
    #[error(
        "this step is another person's: who asked cannot vote, others cannot confirm or revoke, nobody votes twice"
    )]
    WorkflowPerson,
    /// An activation would be a deactivation: a withdrawal that nobody asked for.
    #[error("the object's deactivation date has come; it would be deactivated at once")]
    DeactivationDue,
}

fn people(count: u8) -> &'static str {
    if count == 1 { "person" } else { "people" }
}

impl Refusal {
    /// The withdrawal a caller may conclude from this answer; the answer passes its barrier
    /// (CONSISTENCY 3).
    #[must_use]
    pub fn withdrawal(&self) -> Option<LogIndex> {
        match self {
            Self::Archived { at }
            | Self::TenantSuspended { at }
            | Self::TenantTerminated { at }
            | Self::ServiceSuspended { at }
            | Self::ServiceShredded { at }
            | Self::TenantUnlinked { at }
            | Self::TenantReadOnly { at } => Some(*at),
            Self::WrongState { at, .. } => (*at != LogIndex(0)).then_some(*at),
            Self::TenantUnknown
            | Self::TenantNameTaken
            | Self::HandleTaken
            | Self::WrongRegion { .. }
            | Self::ServiceUnknown
            | Self::VersionConflict
            | Self::RevisionConflict { .. }
            | Self::ObjectUnknown
            | Self::ObjectExists
            | Self::NameTaken { .. }
            | Self::AttributeUnknown
            | Self::IdempotencyKeyReused
            | Self::LimitReached { .. }
            | Self::OutOfRange { .. }
            | Self::WrongKind
            | Self::NotArchived
            | Self::Contradiction
            | Self::UsageSpent { .. }
            | Self::TicketUnknown
            | Self::TicketSpent
            | Self::GroupMoved
            | Self::NodeUnknown
            | Self::NodeNotRetiring
            | Self::RootUnknown
            | Self::RootExists
            | Self::RootInUse
            | Self::JobUnknown
            | Self::JobRunning
            | Self::JobMoved
            | Self::JobPointless
            | Self::RootClosed
            | Self::BadTogether { .. }
            | Self::JoinTokenUnknown
            | Self::JoinTokenUsed { .. }
            | Self::JoinTokenExpired { .. }
            | Self::NodeRemoved { .. }
            | Self::FormatNotNewer { .. }
            | Self::ApprovalWanted { .. }
            | Self::WorkflowUnknown
            | Self::WorkflowState { .. }
            | Self::WorkflowPerson
            | Self::DeactivationDue => None,
        }
    }
}

/// What a bound is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// Labels of a tenant.
    Labels,
    /// The freshness lease of a tenant.
    Lease,
    /// L2 versions of a tenant.
    L2Versions,
    /// Names of an object.
    Names,
    /// Bytes of attributes of an object.
    AttributeBytes,
    /// Bytes of material of an object.
    MaterialBytes,
    /// Rows of a service.
    ObjectsPerService,
    /// Wraps of one L2 version.
    Wraps,
    /// Bytes of a sealed seed.
    SeedBytes,
    /// Length of a node's name.
    NodeName,
    /// Nodes that ever joined.
    Nodes,
    /// Bytes of an identifier chosen at Import.
    AliasBytes,
    /// Tickets of a service.
    Tickets,
    /// How long a ticket lasts.
    TicketTime,
    /// Bytes of a ticket.
    TicketBytes,
    /// Certificates denied.
    Denied,
    /// Certificates named in one request.
    Certificates,
    /// Bytes of the reason of a denial.
    DenialReason,
    /// Roots of a tenant.
    Roots,
    /// Bytes of a root's configuration.
    RootSettings,
    /// How long hot keys outlive the silence of a root.
    L1Grace,
    /// Between two probes of a root.
    ProbeEvery,
    /// The age at which a key is rotated.
    RotateAfter,
    /// Bytes of what is said about a root or a job.
    Detail,
    /// Probes of one entry.
    Probes,
    /// How long a join token lasts.
    JoinTokenTime,
    /// Join tokens remembered.
    JoinTokens,
    /// Workflows of a tenant.
    Workflows,
    /// A reason, an outcome or a person's name.
    WorkflowText,
    /// Approvals a tenant wants.
    Approvals,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Labels => "the number or length of labels",
            Self::Lease => "the lease",
            Self::L2Versions => "the number of L2 versions",
            Self::Names => "the number or length of names",
            Self::AttributeBytes => "the size of the attributes of one object",
            Self::MaterialBytes => "the size of the material of one object",
            Self::ObjectsPerService => "the number of objects of one service",
            Self::Wraps => "the number or length of wraps of one L2 version",
            Self::SeedBytes => "the size of a sealed seed",
            Self::NodeName => "the length of a node's name",
            Self::Nodes => "the number of nodes that ever joined",
            Self::Tickets => "the number of tickets of one service",
            Self::TicketTime => "the life of a ticket",
            Self::TicketBytes => "the size of one ticket",
            Self::Denied => "the number of denied certificates",
            Self::Certificates => "the number of certificates in one request",
            Self::DenialReason => "the length of the reason of a denial",
            Self::Roots => "the number of roots of a tenant",
            Self::RootSettings => "the size of a root's configuration",
            Self::L1Grace => "the grace while no root answers",
            Self::ProbeEvery => "the time between two probes of a root",
            Self::RotateAfter => "the age at which the key is rotated",
            Self::Detail => "the length of what is said about a root or a job",
            Self::Probes => "the number of probes in one entry",
            Self::JoinTokenTime => "the life of a join token",
            Self::JoinTokens => "the number of join tokens",
            Self::AliasBytes => "the length of a chosen identifier",
            Self::Workflows => "the number of open workflows of one tenant",
            Self::WorkflowText => "the length of a reason, an outcome or a name",
            Self::Approvals => "the number of approvals",
        })
    }
}

/// What a bound is counted in.
enum Unit {
    /// Things.
    Number,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Millis,
}

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl Limit {
    /// Refuses a value outside of what is allowed; `u64::MAX` as its end means that there is none.
    ///
    /// # Errors
    /// [`Refusal::OutOfRange`], which says what is.
    pub fn check(self, value: u64, allowed: RangeInclusive<u64>) -> Result<(), Refusal> {
        if allowed.contains(&value) {
            return Ok(());
        }
        Err(Refusal::OutOfRange { what: self, min: *allowed.start(), max: *allowed.end() })
    }

    fn between(self, min: u64, max: u64) -> String {
        if max == u64::MAX {
            return format!("at least {}", self.measured(min));
        }
        format!("{min} to {}", self.measured(max))
    }

    /// A number with its unit; whole days are also said as such.
    fn measured(self, value: u64) -> String {
        match self.unit() {
            Unit::Number => value.to_string(),
            Unit::Bytes => format!("{value} bytes"),
            Unit::Millis if value >= DAY_MS && value.is_multiple_of(DAY_MS) => {
                format!("{value} ms ({} d)", value / DAY_MS)
            }
            Unit::Millis => format!("{value} ms"),
        }
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Lease
            | Self::TicketTime
            | Self::L1Grace
            | Self::ProbeEvery
            | Self::RotateAfter
            | Self::JoinTokenTime => Unit::Millis,
            Self::AttributeBytes
            | Self::MaterialBytes
            | Self::SeedBytes
            | Self::NodeName
            | Self::AliasBytes
            | Self::TicketBytes
            | Self::DenialReason
            | Self::RootSettings
            | Self::Detail
            | Self::WorkflowText => Unit::Bytes,
            Self::Labels
            | Self::L2Versions
            | Self::Names
            | Self::ObjectsPerService
            | Self::Wraps
            | Self::Nodes
            | Self::Tickets
            | Self::Denied
            | Self::Certificates
            | Self::Roots
            | Self::Probes
            | Self::JoinTokens
            | Self::Workflows
            | Self::Approvals => Unit::Number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_said_with_its_unit() {
        let said = |refused: Result<(), Refusal>| refused.expect_err("out of range").to_string();
        assert_eq!(
            said(Limit::Lease.check(1, 2_000..=60_000)),
            "the lease is out of range: 2000 to 60000 ms"
        );
        assert_eq!(
            said(Limit::RotateAfter.check(1, DAY_MS..=u64::MAX)),
            "the age at which the key is rotated is out of range: at least 86400000 ms (1 d)"
        );
        assert_eq!(
            said(Limit::NodeName.check(0, 1..=253)),
            "the length of a node's name is out of range: 1 to 253 bytes"
        );
        assert_eq!(
            Refusal::LimitReached { what: Limit::Names, max: 16 }.to_string(),
            "the number or length of names is limited to 16"
        );
        assert_eq!(Limit::Lease.check(2_000, 2_000..=60_000), Ok(()));
    }
}
