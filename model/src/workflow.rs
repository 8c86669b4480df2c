//! Workflows: dangerous deeds that one person asks for and others approve (four eyes).
//!
//! The state machine itself refuses such a deed while its tenant wants approvals and no approved workflow is
//! under way: there is no route, command line or node by which one could go around it. The deed uses the approval up:
//! done once, it is refused until others have said yes again.

use serde::{Deserialize, Serialize};

use crate::id::{LogIndex, RootHandle, ServiceHandle, TenantHandle, WorkflowId};
use crate::tenant::LEASE_MS_MAX;
use crate::time::ClusterTime;

/// How long a workflow may take from its opening: a week covers holidays, not oblivion.
pub const WORKFLOW_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// How long a deed that was done settles once the workflow's time is over: it was done before that, and no node answers by
/// what was before for ten times the longest lease.
const SETTLED_MS: u64 = 10 * LEASE_MS_MAX as u64;
/// Workflows kept of one tenant: those that ended make room for new ones.
pub const WORKFLOWS_PER_TENANT_MAX: usize = 64;
/// Most approvals a tenant may want.
pub const APPROVALS_MAX: u8 = 5;
/// Longest reason or outcome in bytes: a sentence or two.
pub const WORKFLOW_TEXT_BYTES_MAX: usize = 512;
/// Longest name of a person in bytes.
pub const PERSON_BYTES_MAX: usize = 512;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Erases the tenant's keys for ever.
    TerminateTenant,
    /// Erases a service's seed.
    ShredService(ServiceHandle),
    /// Wants fewer approvals from then on.
    SetApprovals(u8),
    /// Locks the tenant until it is linked again.
    UnlinkTenant,
    /// Makes these roots the tenant's, by a job; none: the platform's.
    SwitchRoots(Vec<RootHandle>),
}

impl Task {
    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::TerminateTenant => "terminate_tenant",
            Self::ShredService(_) => "shred_service",
            Self::SetApprovals(_) => "set_approvals",
            Self::UnlinkTenant => "unlink_tenant",
            Self::SwitchRoots(_) => "switch_roots",
        }
    }
}

/// Where a workflow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkflowState {
    /// Drafted; its initiator looks at what it would hit.
    Initial,
    /// Others are asked.
    WaitingApproval,
    /// Enough approved; its initiator is asked once more.
    WaitingConfirmation,
    /// Being done.
    Executing,
    /// Done.
    Successful,
    /// Not done; the outcome says why.
    Failed,
    /// Somebody said no.
    Rejected,
    /// Its initiator took it back.
    Revoked,
    /// Nobody finished it in time.
    Expired,
    /// Its deed was done, and whether that holds everywhere is not known yet. To people it is being done; it allows
    /// nothing any more.
    Settling,
}

impl WorkflowState {
    /// The word used in every interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::WaitingApproval => "waiting_approval",
            Self::WaitingConfirmation => "waiting_confirmation",
            Self::Executing | Self::Settling => "executing",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        match self {
            Self::Initial
            | Self::WaitingApproval
            | Self::WaitingConfirmation
            | Self::Executing
            | Self::Settling => false,
            Self::Successful | Self::Failed | Self::Rejected | Self::Revoked | Self::Expired => true,
        }
    }

    /// Whether its initiator has confirmed it, and nobody has said yet how it went.
    #[must_use]
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Executing | Self::Settling)
    }
}

/// One person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Whose.
    pub by: String,
    /// Yes or no.
    pub approves: bool,
    /// When.
    pub at: ClusterTime,
}

/// A workflow's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// Names it.
    pub id: WorkflowId,
    /// Whose keys it is about.
    pub tenant: TenantHandle,
    /// What is to be done.
    pub task: Task,
    /// Why, for those who are asked.
    pub reason: String,
    /// Who asked.
    pub initiator: String,
    /// What the others said.
    pub votes: Vec<Vote>,
    /// As it was left; see [`Workflow::state_at`].
    pub state: WorkflowState,
    /// How it ended, for people; empty before.
    pub outcome: String,
    /// When it was opened.
    pub created: ClusterTime,
    /// When it ends by itself.
    pub expires: ClusterTime,
    /// Log index of the last change.
    pub revision: LogIndex,
}

/// What somebody does about a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Its initiator asks the others.
    Submit,
    /// Another person says yes.
    Approve,
    /// Another person says no.
    Reject,
    /// Its initiator says yes, knowing that the others did.
    Confirm,
    /// Its initiator takes it back.
    Revoke,
    /// It was done.
    Succeed,
    /// It could not be done.
    Fail(String),
}

/// Why a step cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The workflow is elsewhere.
    State(WorkflowState),
    /// Another person must take it.
    Person,
}

impl Workflow {
    /// Where it is at a moment: what nobody finished in time has expired, unless its deed was done. That has been
    /// successful by then, though its initiator never came back to hear it.
    #[must_use]
    pub fn state_at(&self, now: ClusterTime) -> WorkflowState {
        match self.state {
            WorkflowState::Settling if now >= self.expires.plus_ms(SETTLED_MS) => WorkflowState::Successful,
            WorkflowState::Initial
            | WorkflowState::WaitingApproval
            | WorkflowState::WaitingConfirmation
            | WorkflowState::Executing
                if now >= self.expires =>
            {
                WorkflowState::Expired
            }
            state => state,
        }
    }

    /// How many said yes.
    #[must_use]
    pub fn approvals(&self) -> u8 {
        u8::try_from(self.votes.iter().filter(|vote| vote.approves).count()).unwrap_or(u8::MAX)
    }

    /// The workflow after a step by a person; `wanted` is how many approvals its tenant wants.
    ///
    /// # Errors
    /// [`Blocked`]; nothing has changed.
    pub fn step(&self, step: &Step, by: &str, wanted: u8, now: ClusterTime) -> Result<Self, Blocked> {
        use WorkflowState::{
            Executing, Failed, Initial, Rejected, Revoked, Settling, Successful, WaitingApproval,
            WaitingConfirmation,
        };
        let state = self.state_at(now);
        let own = self.initiator == by;
        let voted = self.votes.iter().any(|vote| vote.by == by);
        let (from, may): (&[WorkflowState], bool) = match step {
            Step::Submit => (&[Initial], own),
            Step::Approve | Step::Reject => (&[WaitingApproval], !own && !voted),
            Step::Confirm => (&[WaitingConfirmation], own),
            Step::Revoke => (&[Initial, WaitingApproval, WaitingConfirmation], own),
            // What needs no approval, such as wanting more of them, settles nothing.
            Step::Succeed => (&[Executing, Settling], own),
            Step::Fail(_) => (&[Executing], own),
        };
        if !from.contains(&state) {
            return Err(Blocked::State(state));
        }
        if !may {
            return Err(Blocked::Person);
        }
        let mut next = self.clone();
        if matches!(step, Step::Approve | Step::Reject) {
            next.votes.push(Vote { by: by.to_owned(), approves: *step == Step::Approve, at: now });
        }
        next.state = match step {
            Step::Submit | Step::Approve if next.approvals() >= wanted => WaitingConfirmation,
            Step::Submit | Step::Approve => WaitingApproval,
            Step::Reject => Rejected,
            // The tenant may want more than when the last one said yes.
            Step::Confirm if self.approvals() < wanted => WaitingApproval,
            Step::Confirm => Executing,
            Step::Revoke => Revoked,
            Step::Succeed => Successful,
            Step::Fail(_) => Failed,
        };
        if let Step::Fail(why) = step {
            next.outcome.clone_from(why);
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: ClusterTime = ClusterTime(1_000);

    fn draft() -> Workflow {
        Workflow {
            id: WorkflowId([1; 16]),
            tenant: TenantHandle([2; 4]),
            task: Task::TerminateTenant,
            reason: "moved away".to_owned(),
            initiator: "ann".to_owned(),
            votes: Vec::new(),
            state: WorkflowState::Initial,
            outcome: String::new(),
            created: ClusterTime(0),
            expires: ClusterTime(WORKFLOW_MS),
            revision: LogIndex(1),
        }
    }

    /// Takes steps with two approvals wanted; the state at the end, or what was in the way.
    fn walk(steps: &[(Step, &str)]) -> Result<WorkflowState, Blocked> {
        let mut workflow = draft();
        for (step, by) in steps {
            workflow = workflow.step(step, by, 2, NOW)?;
        }
        Ok(workflow.state)
    }

    #[test]
    fn four_eyes_are_four() {
        use Step::{Approve, Confirm, Submit, Succeed};
        let good = [(Submit, "ann"), (Approve, "bob"), (Approve, "cy"), (Confirm, "ann"), (Succeed, "ann")];
        assert_eq!(walk(&good), Ok(WorkflowState::Successful));
        assert_eq!(walk(&good[..3]), Ok(WorkflowState::WaitingConfirmation));
        assert_eq!(walk(&[(Submit, "ann"), (Approve, "ann")]), Err(Blocked::Person), "one's own eyes");
        assert_eq!(walk(&[(Submit, "ann"), (Approve, "bob"), (Approve, "bob")]), Err(Blocked::Person));
        assert_eq!(walk(&[(Submit, "bob")]), Err(Blocked::Person));
        assert_eq!(
            walk(&[(Submit, "ann"), (Approve, "bob"), (Confirm, "ann")]),
            Err(Blocked::State(WorkflowState::WaitingApproval))
        );
        assert_eq!(walk(&[(Confirm, "ann")]), Err(Blocked::State(WorkflowState::Initial)));
    }

    #[test]
    fn a_no_ends_it_and_so_does_time() {
        use Step::{Approve, Reject, Revoke, Submit};
        assert_eq!(walk(&[(Submit, "ann"), (Approve, "bob"), (Reject, "cy")]), Ok(WorkflowState::Rejected));
        assert_eq!(walk(&[(Submit, "ann"), (Revoke, "ann")]), Ok(WorkflowState::Revoked));
        assert_eq!(walk(&[(Submit, "ann"), (Revoke, "bob")]), Err(Blocked::Person));
        let late = ClusterTime(WORKFLOW_MS);
        assert_eq!(draft().state_at(late), WorkflowState::Expired);
        assert_eq!(draft().step(&Submit, "ann", 0, late), Err(Blocked::State(WorkflowState::Expired)));
    }

    #[test]
    fn time_does_not_undo_what_was_done() {
        let settling = Workflow { state: WorkflowState::Settling, ..draft() };
        let last = ClusterTime(WORKFLOW_MS + SETTLED_MS - 1);
        assert_eq!(settling.state_at(last), WorkflowState::Settling, "a node may still answer as before");
        assert_eq!(
            settling.step(&Step::Succeed, "ann", 0, last).map(|done| done.state),
            Ok(WorkflowState::Successful)
        );
        assert_eq!(settling.state_at(ClusterTime(last.0 + 1)), WorkflowState::Successful);
        let left = Workflow { state: WorkflowState::Executing, ..draft() };
        assert_eq!(left.state_at(draft().expires), WorkflowState::Expired, "nobody did it");
    }

    #[test]
    fn who_wants_more_meanwhile_is_asked_again() {
        let submitted = draft().step(&Step::Submit, "ann", 1, NOW).expect("submitted");
        let approved = submitted.step(&Step::Approve, "bob", 1, NOW).expect("approved");
        let more = approved.step(&Step::Confirm, "ann", 2, NOW).expect("back to the others");
        assert_eq!(more.state, WorkflowState::WaitingApproval);
    }
}
