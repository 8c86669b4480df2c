//! Four eyes, as the state keeps them: what a dangerous deed rests on, and that it serves once.

use std::sync::Arc;

use super::{At, Changes, State};
use crate::id::TenantHandle;
use crate::refusal::Refusal;
use crate::time::ClusterTime;
use crate::workflow::{Task, Workflow, WorkflowState};

impl State {
    /// Whether a dangerous deed may be done: its tenant wants no approvals, or a workflow that has them, and its
    /// initiator's last word, is under way.
    pub(crate) fn approved(
        &self,
        tenant: TenantHandle,
        task: &Task,
        now: ClusterTime,
    ) -> Result<(), Refusal> {
        let wanted = self.approvals_wanted(tenant);
        if wanted == 0 || self.approval(tenant, task, now).is_some() {
            return Ok(());
        }
        Err(Refusal::ApprovalWanted { wanted })
    }

    /// What a dangerous deed rests on is used up by it, whoever does it and whether its tenant wants it or not: the
    /// same people's yes does not count for a second time. To be called before the deed changes anything.
    pub(crate) fn use_up_approval(
        &mut self,
        tenant: TenantHandle,
        task: &Task,
        at: &At,
        changes: &mut Changes,
    ) {
        let Some(workflow) = self.approval(tenant, task, at.time) else { return };
        let workflow = workflow.as_ref().clone();
        let used = Workflow { state: WorkflowState::Settling, revision: at.index, ..workflow };
        self.put_workflow(used, changes);
    }

    /// The workflow that allows a deed now; of several, the one that was confirmed first.
    fn approval(&self, tenant: TenantHandle, task: &Task, now: ClusterTime) -> Option<&Arc<Workflow>> {
        let wanted = self.approvals_wanted(tenant);
        let allows = |workflow: &&Arc<Workflow>| {
            workflow.task == *task
                && workflow.state_at(now) == WorkflowState::Executing
                && workflow.approvals() >= wanted
        };
        self.workflows(tenant).filter(allows).min_by_key(|workflow| workflow.revision)
    }

    fn approvals_wanted(&self, tenant: TenantHandle) -> u8 {
        self.tenant(tenant).map_or(0, |tenant| tenant.approvals)
    }
}
