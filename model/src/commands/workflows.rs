//! Opens workflows, takes their steps, and says how many approvals a tenant wants.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::{TenantHandle, WorkflowId};
use crate::refusal::{Limit, Refusal};
use crate::root::ROOTS_MAX;
use crate::state::{At, Changes, State};
use crate::tenant::Tenant;
use crate::workflow::{
    APPROVALS_MAX, Blocked, PERSON_BYTES_MAX, Step, Task, WORKFLOW_MS, WORKFLOW_TEXT_BYTES_MAX,
    WORKFLOWS_PER_TENANT_MAX, Workflow, WorkflowState,
};

/// Drafts a workflow. Those of the tenant that have ended make room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWorkflow {
    /// Drawn by the proposer.
    pub id: WorkflowId,
    /// Whose keys it is about.
    pub tenant: TenantHandle,
    /// What is to be done.
    pub task: Task,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub by: String,
}

/// Takes a step of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepWorkflow {
    /// Whose keys it is about.
    pub tenant: TenantHandle,
    /// Which.
    pub id: WorkflowId,
    /// What is done about it.
    pub step: Step,
    /// By whom.
    pub by: String,
}

/// Says how many approvals dangerous deeds of a tenant want. To want fewer is such a deed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetApprovals {
    /// Which tenant.
    pub tenant: TenantHandle,
    /// How many, beside the one who asks; 0 for none.
    pub approvals: u8,
}

impl Apply for OpenWorkflow {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant)?;
        if let Task::ShredService(service) = self.task {
            state.living_service(self.tenant, service)?;
        }
        if let Task::SwitchRoots(roots) = &self.task {
            if roots.len() > ROOTS_MAX {
                return Err(Refusal::LimitReached { what: Limit::Roots, max: ROOTS_MAX as u64 });
            }
            if roots.iter().any(|root| state.root(self.tenant, *root).is_none()) {
                return Err(Refusal::RootUnknown);
            }
        }
        if let Task::SetApprovals(approvals) = self.task {
            check_approvals(approvals)?;
        }
        check_texts(&self.reason, &self.by)?;
        if state.workflow(self.tenant, self.id).is_some() {
            return Err(Refusal::ObjectExists);
        }
        let open = state.workflows(self.tenant).filter(|one| !one.state_at(at.time).has_ended()).count();
        if open >= WORKFLOWS_PER_TENANT_MAX {
            let max = WORKFLOWS_PER_TENANT_MAX as u64;
            return Err(Refusal::LimitReached { what: Limit::Workflows, max });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        if state.workflows(self.tenant).count() >= WORKFLOWS_PER_TENANT_MAX {
            let ended = state.workflows(self.tenant).filter(|one| one.state_at(at.time).has_ended());
            let oldest = ended.min_by_key(|one| one.revision).map(|one| one.id);
            let oldest = oldest.expect("check has passed: fewer are open than kept");
            state.remove_workflow(self.tenant, oldest, changes);
        }
        let workflow = Workflow {
            id: self.id,
            tenant: self.tenant,
            task: self.task.clone(),
            reason: self.reason.clone(),
            initiator: self.by.clone(),
            votes: Vec::new(),
            state: WorkflowState::Initial,
            outcome: String::new(),
            created: at.time,
            expires: at.time.plus_ms(WORKFLOW_MS),
            revision: at.index,
        };
        state.put_workflow(workflow, changes);
        Answer::Workflow(self.id)
    }
}

impl StepWorkflow {
    fn next(&self, state: &State, at: &At) -> Result<Workflow, Refusal> {
        let workflow = state.workflow(self.tenant, self.id).ok_or(Refusal::WorkflowUnknown)?;
        let wanted = state.tenant(self.tenant).map_or(0, |tenant| tenant.approvals);
        let next = workflow.step(&self.step, &self.by, wanted, at.time);
        next.map(|next| Workflow { revision: at.index, ..next }).map_err(|blocked| match blocked {
            Blocked::State(state) => Refusal::WorkflowState { state },
            Blocked::Person => Refusal::WorkflowPerson,
        })
    }
}

impl Apply for StepWorkflow {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let outcome = if let Step::Fail(why) = &self.step { why } else { "" };
        check_texts(outcome, &self.by)?;
        self.next(state, at).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let next = self.next(state, at).expect("check has passed on this very state");
        state.put_workflow(next, changes);
        Answer::Done
    }
}

fn check_approvals(approvals: u8) -> Result<(), Refusal> {
    Limit::Approvals.check(approvals.into(), 0..=APPROVALS_MAX.into())
}

fn check_texts(text: &str, by: &str) -> Result<(), Refusal> {
    Limit::WorkflowText.check(text.len() as u64, 0..=WORKFLOW_TEXT_BYTES_MAX as u64)?;
    Limit::WorkflowText.check(by.len() as u64, 0..=PERSON_BYTES_MAX as u64)
}

impl Apply for SetApprovals {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let tenant = state.living_tenant(self.tenant)?;
        check_approvals(self.approvals)?;
        if self.approvals < tenant.approvals {
            state.approved(self.tenant, &Task::SetApprovals(self.approvals), at.time)?;
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        state.use_up_approval(self.tenant, &Task::SetApprovals(self.approvals), at, changes);
        let tenant = state.tenants[&self.tenant].as_ref().clone();
        state.put_tenant(Tenant { approvals: self.approvals, revision: at.index, ..tenant }, changes);
        Answer::Done
    }
}
