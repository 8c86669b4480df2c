//! Events: what happened to tenants and the cluster, for people and their systems.
//!
//! Made where commands take effect, so that every node tells the same story in the same order; its place in
//! the log is its number. What a command is about is told by the command itself ([`Event::of`]); what it led
//! to, a job that moved or a root that went silent, by whoever made that happen ([`Changes::tell`]). The newest
//! are kept, enough to resume after a while away.

use serde::{Deserialize, Serialize};

use crate::command::{Action, Answer};
use crate::id::{JobId, L2Version, LogIndex, NodeId, RootName, ServiceHandle, TenantHandle, WorkflowId};
use crate::job::{JobKind, Step};
use crate::object::Place;
use crate::root::L1State;
use crate::state::{At, Changes, State};
use crate::tenant::Level;
use crate::time::ClusterTime;
use crate::workflow::WorkflowState;

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
    KeyRotation(L2Version, Level),
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
    /// The kill switch: nothing is answered until it is linked again.
    TenantUnlinked,
    /// The end of that.
    TenantRelinked,
    /// No new keys are made.
    TenantDisabled,
    /// New keys are made again.
    TenantEnabled,
    /// A root passed its test and is kept.
    RootConfigured(RootName),
    /// A root is forgotten.
    RootRemoved(RootName),
    /// These are the tenant's roots from now on; none: the platform's.
    RootsSwitched(Vec<RootName>),
    /// A root no longer answers. Hot keys serve until then; never for the platform's, whose tenants each have a
    /// grace of their own.
    RootGraceStarted(WhichName, Option<ClusterTime>),
    /// It answers again, in time.
    RootGraceEnded(WhichName),
    /// Its owner ended its use, or the grace is over.
    RootClosed(WhichName, L1State),
    /// It works again.
    RootOpened(WhichName),
    /// Work begins on a tenant.
    JobStarted(JobId, JobKind),
    /// It is at another step.
    JobMoved(JobId, Step),
    /// It is done.
    JobFinished(JobId, JobKind),
    /// Everything is as it was before it.
    JobRolledBack(JobId, JobKind),
    /// A new term of the barrier is on its way to every node.
    BarrierRotationStarted(u32),
    /// Everything is sealed under this term from now on.
    BarrierRotated(u32),
    /// What proves us to a root was replaced; its key is the same.
    RootCredentialsReplaced(RootName),
}

/// A root's name, which outlives the root; `None` is the platform's.
pub type WhichName = Option<RootName>;

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
            Self::KeyRotation(..) => "key_rotation",
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
            Self::TenantUnlinked => "tenant_unlinked",
            Self::TenantRelinked => "tenant_relinked",
            Self::TenantDisabled => "tenant_disabled",
            Self::TenantEnabled => "tenant_enabled",
            Self::RootConfigured(_) => "root_configured",
            Self::RootRemoved(_) => "root_removed",
            Self::RootsSwitched(_) => "roots_switched",
            Self::RootGraceStarted(..) => "root_grace_started",
            Self::RootGraceEnded(_) => "root_grace_ended",
            Self::RootClosed(..) => "root_closed",
            Self::RootOpened(_) => "root_opened",
            Self::JobStarted(..) => "job_started",
            Self::JobMoved(..) => "job_moved",
            Self::JobFinished(..) => "job_finished",
            Self::JobRolledBack(..) => "job_rolled_back",
            Self::BarrierRotationStarted(_) => "barrier_rotation_started",
            Self::BarrierRotated(_) => "barrier_rotated",
            Self::RootCredentialsReplaced(_) => "root_credentials_replaced",
        }
    }
}

impl Event {
    /// The events an accepted command makes, those of interest beyond the one who sent it; `state` is the state
    /// after it, and `changes` lose what they told.
    pub(crate) fn of(
        action: &Action,
        answer: &Answer,
        state: &State,
        at: &At,
        changes: &mut Changes,
    ) -> Vec<Self> {
        let led_to = std::mem::take(&mut changes.told);
        let all = Self::told(action, answer, state).into_iter().chain(led_to);
        let place = |item| Place { index: at.index, item };
        // A command makes a few, one that brings evidence one for each root at most.
        (0..)
            .zip(all)
            .map(|(item, (tenant, what))| Self { place: place(item), time: at.time, tenant, what })
            .collect()
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
            Action::AddL2Version(c) => {
                (Some(c.tenant), What::KeyRotation(c.version, state.tenant(c.tenant)?.level()))
            }
            Action::UnlinkTenant(c) => (Some(c.tenant), What::TenantUnlinked),
            Action::RelinkTenant(c) => (Some(c.tenant), What::TenantRelinked),
            Action::DisableTenant(c) => (Some(c.tenant), What::TenantDisabled),
            Action::EnableTenant(c) => (Some(c.tenant), What::TenantEnabled),
            Action::SetRootPolicy(c) => (Some(c.tenant), What::TenantChanged),
            Action::ConfigureRoot(c) => (Some(c.tenant), What::RootConfigured(c.name.clone())),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::command::{Command, Stamp};
    use crate::commands::{ConfigureRoot, CreateTenant, NoteProbes, Probe, SetRootPolicy};
    use crate::id::{CommandId, RootHandle, TenantName};
    use crate::root::{PROBE_EVERY_MS_MAX, REFUSED_MS, ROTATE_AFTER_MS_DEFAULT, WhichRoot};
    use crate::tenant::Wrap;

    const TENANT: TenantHandle = TenantHandle([1; 4]);
    const ROOT: RootHandle = RootHandle([2; 4]);
    const GRACE_MS: u64 = 60_000;

    /// A tenant with a root of its own, probed again and again.
    struct Bench {
        state: State,
        index: u64,
    }

    impl Bench {
        fn new() -> Self {
            let mut bench = Self { state: State::new("eu-1"), index: 0 };
            let wrap = Wrap { revision: 1, l1_ref: "platform".to_owned(), wrapped: vec![0; 64] };
            bench.act(
                0,
                CreateTenant {
                    handle: TENANT,
                    name: TenantName::parse("acme").unwrap(),
                    region: "eu-1".to_owned(),
                    labels: BTreeMap::new(),
                    lease_ms: 3_000,
                    auto_register: true,
                    l2_commitment: [0; 32],
                    wraps: vec![wrap],
                },
            );
            bench.act(
                0,
                ConfigureRoot {
                    tenant: TENANT,
                    handle: ROOT,
                    name: own(),
                    provider: "software".to_owned(),
                    l1_ref: "own".to_owned(),
                    settings: Vec::new(),
                },
            );
            let rotate_after_ms = ROTATE_AFTER_MS_DEFAULT;
            bench.act(
                0,
                SetRootPolicy {
                    tenant: TENANT,
                    l1_grace_ms: GRACE_MS,
                    probe_every_ms: PROBE_EVERY_MS_MAX,
                    rotate_after_ms,
                },
            );
            bench
        }

        /// What an accepted command at a moment tells.
        fn act(&mut self, ms: u64, action: impl Into<Action>) -> Vec<What> {
            self.index += 1;
            let index = LogIndex(self.index);
            let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(ms) };
            let command = Command { stamp, idempotency: None, action: action.into() };
            let applied = self.state.apply(index, &command);
            assert!(!matches!(applied.answer, Answer::Refused(_)), "{:?}", applied.answer);
            let told = self.state.events_after(BEGINNING).filter(|event| event.place.index == index);
            told.map(|event| event.what.clone()).collect()
        }

        fn probe(&mut self, ms: u64, root: WhichRoot, state: L1State) -> Vec<What> {
            let described = self.state.described(root);
            let probe = Probe { root, described, began: ClusterTime(ms), state, detail: String::new() };
            self.act(ms, NoteProbes { by: NodeId(1), probes: vec![probe] })
        }
    }

    fn own() -> RootName {
        RootName::parse("own").unwrap()
    }

    #[test]
    fn a_root_of_a_tenants_own_is_silent_closes_and_comes_back() {
        let mut bench = Bench::new();
        let root = Some((TENANT, ROOT));
        let mut check = |ms: u64, state: L1State, expected: &[What]| {
            assert_eq!(bench.probe(ms, root, state), expected, "{state:?} at {ms}");
        };
        let until = Some(ClusterTime(1_000 + GRACE_MS));
        check(1_000, L1State::Enabled, &[]);
        check(2_000, L1State::Unreachable, &[What::RootGraceStarted(Some(own()), until)]);
        check(3_000, L1State::Unknown, &[]);
        check(4_000, L1State::Enabled, &[What::RootGraceEnded(Some(own()))]);
        check(5_000, L1State::Unreachable, &[What::RootGraceStarted(Some(own()), Some(ClusterTime(64_000)))]);
        check(64_000, L1State::Unreachable, &[What::RootClosed(Some(own()), L1State::Unreachable)]);
        check(65_000, L1State::Unreachable, &[]);
        check(66_000, L1State::Disabled, &[What::RootClosed(Some(own()), L1State::Disabled)]);
        check(67_000, L1State::Enabled, &[What::RootOpened(Some(own()))]);
    }

    #[test]
    fn a_refusal_that_nobody_contradicts_is_told_as_a_no() {
        let mut bench = Bench::new();
        let root = Some((TENANT, ROOT));
        let mut check = |ms: u64, state: L1State, expected: &[What]| {
            assert_eq!(bench.probe(ms, root, state), expected, "{state:?} at {ms}");
        };
        let starts = |ms| What::RootGraceStarted(Some(own()), Some(ClusterTime(ms + REFUSED_MS)));
        check(1_000, L1State::Enabled, &[]);
        check(2_000, L1State::Refused, &[starts(2_000)]);
        check(3_000, L1State::Enabled, &[What::RootGraceEnded(Some(own()))]);
        check(4_000, L1State::Refused, &[starts(4_000)]);
        check(5_000, L1State::Unreachable, &[]);
        check(4_000 + REFUSED_MS, L1State::Unreachable, &[What::RootClosed(Some(own()), L1State::Forbidden)]);
        check(9_000, L1State::Enabled, &[What::RootOpened(Some(own()))]);
    }

    #[test]
    fn the_platforms_root_closes_by_its_own_word_alone() {
        let mut bench = Bench::new();
        let year = 365 * 24 * 60 * 60 * 1000;
        assert_eq!(bench.probe(1_000, None, L1State::Unreachable), [What::RootGraceStarted(None, None)]);
        assert_eq!(bench.probe(year, None, L1State::Unreachable), []);
        assert_eq!(bench.probe(year + 1, None, L1State::Deleted), [What::RootClosed(None, L1State::Deleted)]);
        let event = bench.state.events_after(BEGINNING).last().expect("told");
        assert_eq!(event.tenant, None, "it is the cluster's");
    }
}
