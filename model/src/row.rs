//! Rows: the state as it lies on disk, one record each, before it is sealed.

use serde::{Deserialize, Serialize};

use crate::barrier::Barrier;
use crate::certificate::{CertificateId, Denial};
use crate::command::Answer;
use crate::departure::Departure;
use crate::event::Event;
use crate::id::{BootId, JobId, LogIndex, NodeId, RootHandle, ServiceHandle, TenantHandle, WorkflowId};
use crate::job::Job;
use crate::object::{Object, Place};
use crate::root::{L1, Root, WhichRoot};
use crate::service::Service;
use crate::tenant::Tenant;
use crate::ticket::Ticket;
use crate::time::ClusterTime;
use crate::uid::Uid;
use crate::workflow::Workflow;

/// Names a row. The order of variants is the order of tables; it is part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RowKey {
    /// The one row about the cluster.
    Cluster,
    /// A tenant.
    Tenant(TenantHandle),
    /// A service.
    Service(TenantHandle, ServiceHandle),
    /// A managed object or an override.
    Object(TenantHandle, Uid),
    /// The remembered answer to an idempotency key.
    Idempotency([u8; 32]),
    /// A node that was let in.
    Node(NodeId),
    /// The newest process start of a node.
    Boot(NodeId),
    /// A ticket.
    Ticket(TenantHandle, Uid),
    /// Whose turn it is in a group, by the hash of its name.
    Group(TenantHandle, ServiceHandle, [u8; 32]),
    /// How far a node's removal has come.
    Departure(NodeId),
    /// A certificate that is denied.
    Denial(CertificateId),
    /// A root of trust of a tenant's own.
    Root(TenantHandle, RootHandle),
    /// A job on a tenant.
    Job(TenantHandle, JobId),
    /// What is known of a root's health.
    L1(WhichRoot),
    /// A join token, by its keyed hash.
    JoinToken([u8; 32]),
    /// What an operator decided about a node's vote.
    Voter(NodeId),
    /// A workflow.
    Workflow(TenantHandle, WorkflowId),
    /// Something that happened.
    Event(Place),
    /// The barrier's terms, once they were rotated.
    Barrier,
}

impl RowKey {
    /// The table's number: the byte that stands in stored keys.
    #[must_use]
    pub const fn table(&self) -> u8 {
        match self {
            Self::Cluster => 0,
            Self::Tenant(_) => 1,
            Self::Service(..) => 2,
            Self::Object(..) => 3,
            Self::Idempotency(_) => 4,
            Self::Node(_) => 5,
            Self::Boot(_) => 6,
            Self::Ticket(..) => 7,
            Self::Group(..) => 8,
            Self::Departure(_) => 9,
            Self::Denial(_) => 10,
            Self::Root(..) => 11,
            Self::Job(..) => 12,
            Self::L1(_) => 13,
            Self::JoinToken(_) => 14,
            Self::Voter(_) => 15,
            Self::Workflow(..) => 16,
            Self::Event(_) => 17,
            Self::Barrier => 18,
        }
    }

    /// The tenant whose rows this one lies among; `None` for the cluster's own rows.
    #[must_use]
    pub const fn tenant(&self) -> Option<TenantHandle> {
        match self {
            Self::Tenant(tenant)
            | Self::Service(tenant, _)
            | Self::Object(tenant, _)
            | Self::Ticket(tenant, _)
            | Self::Group(tenant, ..)
            | Self::Root(tenant, _)
            | Self::Job(tenant, _)
            | Self::L1(Some((tenant, _)))
            | Self::Workflow(tenant, _) => Some(*tenant),
            Self::Cluster
            | Self::Idempotency(_)
            | Self::Node(_)
            | Self::Boot(_)
            | Self::Departure(_)
            | Self::Denial(_)
            | Self::L1(None)
            | Self::JoinToken(_)
            | Self::Voter(_)
            | Self::Event(_)
            | Self::Barrier => None,
        }
    }
}

/// The content of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row {
    /// See [`RowKey::Cluster`].
    Cluster(Cluster),
    /// See [`RowKey::Tenant`].
    Tenant(Tenant),
    /// See [`RowKey::Service`].
    Service(Service),
    /// See [`RowKey::Object`].
    Object(Object),
    /// See [`RowKey::Idempotency`].
    Idempotency(Remembered),
    /// See [`RowKey::Node`].
    Node(Joined),
    /// See [`RowKey::Boot`].
    Boot(Booted),
    /// See [`RowKey::Ticket`].
    Ticket(Ticket),
    /// See [`RowKey::Group`]: the place of the member given out last.
    Group(Place),
    /// See [`RowKey::Departure`].
    Departure(Departure),
    /// See [`RowKey::Denial`].
    Denial(Denial),
    /// See [`RowKey::Root`].
    Root(Root),
    /// See [`RowKey::Job`].
    Job(Job),
    /// See [`RowKey::L1`].
    L1(L1),
    /// See [`RowKey::JoinToken`].
    JoinToken(JoinToken),
    /// See [`RowKey::Voter`]: whether the node may vote.
    Voter(bool),
    /// See [`RowKey::Workflow`].
    Workflow(Workflow),
    /// See [`RowKey::Event`].
    Event(Event),
    /// See [`RowKey::Barrier`].
    Barrier(Barrier),
}

/// A process start of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booted {
    /// Its number.
    pub boot: BootId,
    /// The public key that other nodes seal keys to which they hand over to it; a process that is handed none has
    /// none.
    pub inbox: Option<[u8; 32]>,
}

/// Facts about the cluster as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The replicated format version: behaviour is chosen by it, never by a binary's version.
    pub format: u32,
    /// The region this cluster serves.
    pub region: String,
    /// The last boot id handed out.
    pub last_boot: BootId,
    /// Cluster time of the last command that changed anything.
    pub time: ClusterTime,
}

/// What is remembered of an administration request that carried an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Hash of the request.
    pub request: [u8; 32],
    /// What was answered.
    pub answer: Answer,
    /// Log index of the original effect: its barrier is the one a replay passes.
    pub index: LogIndex,
    /// The withdrawal the original answer stood for, if any.
    pub withdrawal: Option<LogIndex>,
    /// Forgotten from then on, in cluster time.
    pub expires: ClusterTime,
}

/// A node that was let in; kept for ever, because ids are never given twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Its id: the log index of its join entry.
    pub node: NodeId,
    /// The number of the attempt, drawn once per data directory.
    pub attempt: [u8; 16],
    /// Its name at the time.
    pub name: String,
    /// Whether it may vote.
    pub voter: bool,
    /// When it was let in.
    pub joined: ClusterTime,
}

/// A join token, used or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// Worth nothing from then on, in cluster time.
    pub expires: ClusterTime,
    /// The node it let in.
    pub used_by: Option<NodeId>,
}
