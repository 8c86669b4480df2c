//! Suspends, resumes and terminates a tenant.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::TenantHandle;
use crate::refusal::Refusal;
use crate::state::{At, Changes, Effect, State};
use crate::tenant::{Tenant, TenantState};
use crate::workflow::Task;

/// Refuses every answer for the tenant until it is resumed. Suspending twice is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspendTenant {
    /// Which tenant.
    pub tenant: TenantHandle,
}

/// Ends a suspension. Resuming a tenant that is served is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeTenant {
    /// Which tenant.
    pub tenant: TenantHandle,
}

/// Erases all wraps of the tenant's L2 keys; name and handle stay taken for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminateTenant {
    /// Which tenant.
    pub tenant: TenantHandle,
}

impl Apply for SuspendTenant {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        withdraw(state, self.tenant, TenantState::Suspended, at, changes);
        Answer::Done
    }
}

impl Apply for ResumeTenant {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let tenant = state.tenants[&self.tenant].as_ref().clone();
        let changed = Tenant { state: TenantState::Active, revision: at.index, ..tenant };
        state.put_tenant(changed, changes);
        Answer::Done
    }
}

impl Apply for TerminateTenant {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant)?;
        state.approved(self.tenant, &Task::TerminateTenant, at.time)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        state.use_up_approval(self.tenant, &Task::TerminateTenant, at, changes);
        withdraw(state, self.tenant, TenantState::Terminated, at, changes);
        state.forget_roots(self.tenant, at, changes);
        Answer::Done
    }
}

fn withdraw(state: &mut State, handle: TenantHandle, to: TenantState, at: &At, changes: &mut Changes) {
    let mut tenant = state.tenants[&handle].as_ref().clone();
    tenant.state = to;
    tenant.revision = at.index;
    tenant.withdrawn_at = at.index;
    if to == TenantState::Terminated {
        tenant.versions.clear();
        tenant.roots.clear();
    }
    state.put_tenant(tenant, changes);
    changes.effects.push(Effect::PurgeTenant(handle));
}
