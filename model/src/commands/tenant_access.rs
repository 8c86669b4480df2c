//! What a tenant's owner allows its root to be used for: the kill switch, and read-only.
//!
//! Unlinking and disabling stand beside suspension: ending one never ends the other.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::id::TenantHandle;
use crate::refusal::Refusal;
use crate::state::{At, Changes, Effect, State};
use crate::tenant::{Access, Tenant};
use crate::workflow::Task;

/// The kill switch: every key of the tenant leaves every node's memory, and nothing is answered until it is
/// linked again. Unlinking twice is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlinkTenant {
    /// Which tenant.
    pub tenant: TenantHandle,
}

/// Ends [`UnlinkTenant`]; the proposer has seen a root unwrap the tenant's key. A tenant that was never
/// unlinked stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelinkTenant {
    /// Which tenant.
    pub tenant: TenantHandle,
}

/// Existing keys are given, no new ones are made. An unlinked tenant must be linked again first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisableTenant {
    /// Which tenant.
    pub tenant: TenantHandle,
}

/// Ends [`DisableTenant`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnableTenant {
    /// Which tenant.
    pub tenant: TenantHandle,
}

impl Apply for UnlinkTenant {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        let tenant = state.living_tenant(self.tenant)?;
        // Doing again what is done needs nobody's word.
        if tenant.access == Access::Unlinked {
            return Ok(());
        }
        state.approved(self.tenant, &Task::UnlinkTenant, at.time)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        allow(state, self.tenant, Access::Unlinked, at, changes);
        changes.effects.push(Effect::PurgeTenant(self.tenant));
        Answer::Done
    }
}

impl Apply for RelinkTenant {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        if state.tenants[&self.tenant].access == Access::Unlinked {
            allow(state, self.tenant, Access::Open, at, changes);
        }
        Answer::Done
    }
}

impl Apply for DisableTenant {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.linked_tenant(self.tenant).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        allow(state, self.tenant, Access::ReadOnly, at, changes);
        Answer::Done
    }
}

impl Apply for EnableTenant {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.linked_tenant(self.tenant).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        allow(state, self.tenant, Access::Open, at, changes);
        Answer::Done
    }
}

fn allow(state: &mut State, handle: TenantHandle, access: Access, at: &At, changes: &mut Changes) {
    let tenant = state.tenants[&handle].as_ref().clone();
    let withdrawn_at = if access == Access::Open { tenant.withdrawn_at } else { at.index };
    state.put_tenant(Tenant { access, revision: at.index, withdrawn_at, ..tenant }, changes);
}
