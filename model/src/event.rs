//! Events: what happened to tenants and the cluster, for people and their systems.
//!
//! Made where commands take effect, so that every node tells the same story in the same order; its place in
//! the log is its number. The newest are kept, enough to resume after a while away.

use serde::{Deserialize, Serialize};

use crate::command::{Action, Answer};
use crate::id::{L2Version, LogIndex, NodeId, ServiceHandle, TenantHandle};
use crate::object::Place;
use crate::state::{At, State};
use crate::time::ClusterTime;
use crate::workflow::{WorkflowId, WorkflowState};

/// Events kept: a busy platform's day; each is held in memory by every node.
pub const EVENTS_MAX: usize = 4_096;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place among all events.
    pub place: Place,
    /// When, in cluster time.
    pub time: ClusterTime,
    /// To whom; `None` for the cluster as a whole.
    pub tenant: Option<TenantHandle>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A tenant is ready.
    TenantCreated,
    /// Labels, lease or approvals are others.
    TenantChanged,
    /// Its answers are refused.
    TenantSuspended,
    /// It is served again.
    TenantResumed,
    /// Its keys are erased.
    TenantTerminated,
    /// New keys come from another version.
    KeyRotation(L2Version),
    /// A service is ready.
    ServiceRegistered(ServiceHandle),
    /// Its owner decided otherwise.
    ServiceChanged(ServiceHandle),
    /// Its answers are refused.
    ServiceSuspended(ServiceHandle),
    /// It is served again.
    ServiceResumed(ServiceHandle),
    /// Its seed is erased.
    ServiceShredded(ServiceHandle),
    /// A workflow is somewhere else.
    WorkflowMoved(WorkflowId, WorkflowState),
    /// A node was let in.
    NodeJoined(NodeId),
    /// A node begins to leave.
    NodeLeaving(NodeId),
    /// Certificates are refused.
    CertificatesDenied(u32),
    /// Certificates are accepted again.
    CertificatesAllowed(u32),
}

impl What {
    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::TenantCreated => "tenant_created",
            Self::TenantChanged => "tenant_changed",
            Self::TenantSuspended => "tenant_suspended",
            Self::TenantResumed => "tenant_resumed",
            Self::TenantTerminated => "tenant_terminated",
            Self::KeyRotation(_) => "key_rotation",
            Self::ServiceRegistered(_) => "service_registered",
            Self::ServiceChanged(_) => "service_changed",
            Self::ServiceSuspended(_) => "service_suspended",
            Self::ServiceResumed(_) => "service_resumed",
            Self::ServiceShredded(_) => "service_shredded",
            Self::WorkflowMoved(..) => "workflow_moved",
            Self::NodeJoined(_) => "node_joined",
            Self::NodeLeaving(_) => "node_leaving",
            Self::CertificatesDenied(_) => "certificates_denied",
            Self::CertificatesAllowed(_) => "certificates_allowed",
        }
    }
}

impl Event {
    /// The event an accepted command makes, if it is of interest beyond the one who sent it; `state` is the
    /// state after it.
    pub(crate) fn of(action: &Action, answer: &Answer, state: &State, at: &At) -> Option<Self> {
        let (tenant, what) = Self::told(action, answer, state)?;
        let place = Place { index: at.index, item: at.item };
        Some(Self { place, time: at.time, tenant, what })
    }

    fn told(action: &Action, answer: &Answer, state: &State) -> Option<(Option<TenantHandle>, What)> {
        let count = |certificates: usize| u32::try_from(certificates).unwrap_or(u32::MAX);
        Some(match action {
            Action::CreateTenant(c) => (Some(c.handle), What::TenantCreated),
            Action::SetTenantLabels(c) => (Some(c.tenant), What::TenantChanged),
            Action::SetTenantLease(c) => (Some(c.tenant), What::TenantChanged),
            Action::SetApprovals(c) => (Some(c.tenant), What::TenantChanged),
            Action::SuspendTenant(c) => (Some(c.tenant), What::TenantSuspended),
            Action::ResumeTenant(c) => (Some(c.tenant), What::TenantResumed),
            Action::TerminateTenant(c) => (Some(c.tenant), What::TenantTerminated),
            Action::AddL2Version(c) => (Some(c.tenant), What::KeyRotation(c.version)),
            Action::RegisterService(c) => match answer {
                Answer::Service { handle, created: true } => {
                    (Some(c.tenant), What::ServiceRegistered(*handle))
                }
                _ => return None,
            },
            Action::SetServicePolicy(c) => (Some(c.tenant), What::ServiceChanged(c.service)),
            Action::SuspendService(c) => (Some(c.tenant), What::ServiceSuspended(c.service)),
            Action::ResumeService(c) => (Some(c.tenant), What::ServiceResumed(c.service)),
            Action::ShredService(c) => (Some(c.tenant), What::ServiceShredded(c.service)),
            Action::OpenWorkflow(c) => (Some(c.tenant), What::WorkflowMoved(c.id, WorkflowState::Initial)),
            Action::StepWorkflow(c) => {
                let moved = state.workflow(c.tenant, c.id)?;
                (Some(c.tenant), What::WorkflowMoved(c.id, moved.state))
            }
            Action::JoinNode(_) => match answer {
                Answer::Node(node) => (None, What::NodeJoined(*node)),
                _ => return None,
            },
            Action::RetireNode(c) => (None, What::NodeLeaving(c.node)),
            Action::DenyCertificates(c) => (None, What::CertificatesDenied(count(c.certificates.len()))),
            Action::AllowCertificates(c) => (None, What::CertificatesAllowed(count(c.certificates.len()))),
            _ => return None,
        })
    }
}

/// The place before all events.
pub const BEGINNING: Place = Place { index: LogIndex(0), item: 0 };
