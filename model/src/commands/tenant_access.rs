//! What a tenant's owner allows its root to be used for: the kill switch, and read-only.
//!
//! Unlinking and disabling stand beside suspension and beside each other: ending one never ends another.

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

/// Ends [`UnlinkTenant`] and nothing else; the proposer has seen a root unwrap the tenant's key. A tenant that
/// was never unlinked stays as it is.
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
        if tenant.access.is_unlinked() {
            return Ok(());
        }
        state.approved(self.tenant, &Task::UnlinkTenant, at.time)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let access = state.tenants[&self.tenant].access;
        if !access.is_unlinked() {
            state.use_up_approval(self.tenant, &Task::UnlinkTenant, at, changes);
        }
        allow(state, self.tenant, access.unlinked(), at, changes);
        changes.effects.push(Effect::PurgeTenant(self.tenant));
        Answer::Done
    }
}

impl Apply for RelinkTenant {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant).map(drop)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let tenant = state.tenants[&self.tenant].as_ref().clone();
        if tenant.access.is_unlinked() {
            // Withdrawn since the lock, if it is read-only now: this command takes nothing away.
            let access = tenant.access.linked();
            state.put_tenant(Tenant { access, revision: at.index, ..tenant }, changes);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Action, Command, Stamp};
    use crate::commands::SetRootPolicy;
    use crate::commands::create_tenant::fixture::{TENANT, tenant_a};
    use crate::id::{CommandId, LogIndex};
    use crate::root::{PROBE_EVERY_MS_MIN, ROTATE_AFTER_MS_MIN};
    use crate::time::ClusterTime;

    /// A tenant after these actions, the first of which is entry 2.
    fn after(actions: Vec<Action>) -> Tenant {
        let mut state = State::new("eu");
        for (index, action) in (1..).zip([tenant_a().into()].into_iter().chain(actions)) {
            let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
            let applied =
                state.apply(LogIndex(index), &Command { stamp, idempotency: None, action: action.clone() });
            assert!(!matches!(applied.answer, Answer::Refused(_)), "{action:?}: {:?}", applied.answer);
        }
        state.tenant(TENANT).expect("it was made").as_ref().clone()
    }

    #[test]
    fn a_disabled_tenant_is_disabled_still_when_it_is_linked_again() {
        let (disable, enable) = (DisableTenant { tenant: TENANT }, EnableTenant { tenant: TENANT });
        let (unlink, relink) = (UnlinkTenant { tenant: TENANT }, RelinkTenant { tenant: TENANT });
        let policy = SetRootPolicy {
            tenant: TENANT,
            l1_grace_ms: 1_000,
            probe_every_ms: PROBE_EVERY_MS_MIN,
            rotate_after_ms: ROTATE_AFTER_MS_MIN,
        };
        let locked =
            || -> Vec<Action> { vec![disable.clone().into(), policy.clone().into(), unlink.clone().into()] };
        let and = |more: Vec<Action>| after(locked().into_iter().chain(more).collect());
        let access = |more: Vec<Action>| and(more).access;
        assert_eq!(access(vec![]), Access::UnlinkedReadOnly);
        assert_eq!(access(vec![unlink.clone().into()]), Access::UnlinkedReadOnly, "unlinked twice");
        assert!(access(vec![]).is_disabled(), "it will be again, and that is shown");
        let linked = and(vec![relink.clone().into()]);
        assert_eq!((linked.access, linked.access.as_str()), (Access::ReadOnly, "disabled"));
        let indices = (linked.withdrawn_at, linked.revision);
        assert_eq!(indices, (LogIndex(4), LogIndex(5)), "relinking is no withdrawal");
        assert_eq!(access(vec![relink.clone().into(), enable.clone().into()]), Access::Open);
        assert!(!after(vec![unlink.clone().into()]).access.is_disabled());
        assert_eq!(after(vec![unlink.into(), relink.clone().into()]).access, Access::Open);
        let never_unlinked = after(vec![disable.into(), relink.into()]);
        assert_eq!(never_unlinked.access, Access::ReadOnly);
    }
}
