//! A tenant's own roots: configured after a test, given new credentials after another, removed when nothing hangs on
//! them; and what a tenant decides about all of them.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::event::What;
use crate::id::{LogIndex, RootHandle, RootName, TenantHandle};
use crate::refusal::{Limit, Refusal};
use crate::root::{
    Gate, L1_GRACE_MS_MAX, L1_REF_BYTES_MAX, PROBE_EVERY_MS_MAX, PROBE_EVERY_MS_MIN, ROOT_SETTINGS_BYTES_MAX,
    ROOTS_MAX, ROTATE_AFTER_MS_MIN, Root,
};
use crate::state::{At, Changes, Effect, State};
use crate::tenant::Tenant;

/// A root that passed its test. It wraps nothing until a job makes it the tenant's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigureRoot {
    /// The tenant it belongs to.
    pub tenant: TenantHandle,
    /// Drawn at random by the proposer.
    pub handle: RootHandle,
    /// Unique in the tenant.
    pub name: RootName,
    /// Name of its provider.
    pub provider: String,
    /// The key reference the root told.
    pub l1_ref: String,
    /// Its configuration, sealed by the barrier keyring.
    pub settings: Vec<u8>,
}

/// Replaces what proves us to a root, whether it is in use or not. Which key it is stays as it was: the proposer has
/// seen the new credentials open that very key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceRootCredentials {
    /// The tenant it belongs to.
    pub tenant: TenantHandle,
    /// Which root.
    pub root: RootHandle,
    /// The revision its caller has read, if it insists on that.
    pub if_revision: Option<LogIndex>,
    /// Its configuration with the new credentials, sealed by the barrier keyring.
    pub settings: Vec<u8>,
}

/// Forgets a root that wraps nothing, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveRoot {
    /// The tenant it belongs to.
    pub tenant: TenantHandle,
    /// Which root.
    pub root: RootHandle,
}

/// How long a tenant's hot keys outlive the silence of its roots, how often those are probed, and when its key is
/// rotated by age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRootPolicy {
    /// Which tenant.
    pub tenant: TenantHandle,
    /// Grace in milliseconds.
    pub l1_grace_ms: u64,
    /// Between two probes, in milliseconds.
    pub probe_every_ms: u64,
    /// Age of the primary version in milliseconds.
    pub rotate_after_ms: u64,
}

impl Apply for ConfigureRoot {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant)?;
        if state.root(self.tenant, self.handle).is_some() {
            return Err(Refusal::HandleTaken);
        }
        let mut known = state.roots(self.tenant);
        if known.any(|root| root.name == self.name || root.l1_ref == self.l1_ref) {
            return Err(Refusal::RootExists);
        }
        if state.roots(self.tenant).count() >= ROOTS_MAX {
            return Err(Refusal::LimitReached { what: Limit::Roots, max: ROOTS_MAX as u64 });
        }
        fits(self.settings.len() <= ROOT_SETTINGS_BYTES_MAX && self.l1_ref.len() <= L1_REF_BYTES_MAX)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let root = Root {
            tenant: self.tenant,
            handle: self.handle,
            name: self.name.clone(),
            provider: self.provider.clone(),
            l1_ref: self.l1_ref.clone(),
            settings: self.settings.clone(),
            created: at.time,
            revision: at.index,
        };
        state.put_root(root, changes);
        Answer::Root(self.handle)
    }
}

fn fits(fits: bool) -> Result<(), Refusal> {
    let max = ROOT_SETTINGS_BYTES_MAX as u64;
    if fits { Ok(()) } else { Err(Refusal::LimitReached { what: Limit::RootSettings, max }) }
}

impl Apply for ReplaceRootCredentials {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant)?;
        let root = state.root(self.tenant, self.root).ok_or(Refusal::RootUnknown)?;
        if self.if_revision.is_some_and(|revision| revision != root.revision) {
            return Err(Refusal::RevisionConflict { now: root.revision });
        }
        fits(self.settings.len() <= ROOT_SETTINGS_BYTES_MAX)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let root = state.roots[&(self.tenant, self.root)].as_ref().clone();
        changes.tell(Some(self.tenant), What::RootCredentialsReplaced(root.name.clone()));
        let changed = Root { settings: self.settings.clone(), revision: at.index, ..root };
        state.put_root(changed, changes);
        Answer::Root(self.root)
    }
}

impl Apply for RemoveRoot {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let tenant = state.living_tenant(self.tenant)?;
        state.root(self.tenant, self.root).ok_or(Refusal::RootUnknown)?;
        let in_job = state
            .running_job(self.tenant)
            .is_some_and(|job| job.from.contains(&self.root) || job.to.contains(&self.root));
        if tenant.roots.contains(&self.root) || in_job {
            return Err(Refusal::RootInUse);
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, _: &At, changes: &mut Changes) -> Answer {
        if let Some(root) = state.root(self.tenant, self.root) {
            changes.tell(Some(self.tenant), What::RootRemoved(root.name.clone()));
        }
        state.remove_root(self.tenant, self.root, changes);
        Answer::Done
    }
}

impl Apply for SetRootPolicy {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        state.living_tenant(self.tenant)?;
        Limit::L1Grace.check(self.l1_grace_ms, 0..=L1_GRACE_MS_MAX)?;
        Limit::ProbeEvery.check(self.probe_every_ms, PROBE_EVERY_MS_MIN..=PROBE_EVERY_MS_MAX)?;
        Limit::RotateAfter.check(self.rotate_after_ms, ROTATE_AFTER_MS_MIN..=u64::MAX)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let tenant = state.tenants[&self.tenant].as_ref().clone();
        let cut = self.l1_grace_ms < tenant.l1_grace_ms;
        let changed = Tenant {
            l1_grace_ms: self.l1_grace_ms,
            probe_every_ms: self.probe_every_ms,
            rotate_after_ms: self.rotate_after_ms,
            revision: at.index,
            ..tenant
        };
        state.put_tenant(changed, changes);
        // A grace that ends by this decision purges here: to the next probe the tenant may have been closed before. So
        // does one that had run out already, since no probe may have said so yet.
        if cut && matches!(state.gate_of(self.tenant, at.time), Some(Gate::Closed { .. })) {
            changes.effects.push(Effect::PurgeTenant(self.tenant));
        }
        Answer::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Action, Command, Stamp};
    use crate::commands::create_tenant::fixture::{TENANT, tenant_a};
    use crate::commands::{NoteProbes, Probe};
    use crate::id::{CommandId, LogIndex, NodeId};
    use crate::root::L1State;
    use crate::time::ClusterTime;

    fn heard(second: u64, state: L1State) -> (u64, Action) {
        heard_late(second, second, state)
    }

    /// What a probe brought that began before the cluster could be told.
    fn heard_late(began: u64, second: u64, state: L1State) -> (u64, Action) {
        let (began, detail) = (ClusterTime(began * 1_000), String::new());
        let probe = Probe { root: None, described: None, began, state, detail };
        (second, NoteProbes { by: NodeId(1), probes: vec![probe] }.into())
    }

    fn grace(second: u64, seconds: u64) -> (u64, Action) {
        let policy = SetRootPolicy {
            tenant: TENANT,
            l1_grace_ms: seconds * 1_000,
            probe_every_ms: PROBE_EVERY_MS_MIN,
            rotate_after_ms: ROTATE_AFTER_MS_MIN,
        };
        (second, policy.into())
    }

    /// The second in which each of these purged the tenant.
    fn purged(history: Vec<(u64, Action)>) -> Vec<u64> {
        let mut state = State::new("eu");
        let mut purged = Vec::new();
        for (index, (second, action)) in (1..).zip([(0, tenant_a().into())].into_iter().chain(history)) {
            let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(second * 1_000) };
            let applied =
                state.apply(LogIndex(index), &Command { stamp, idempotency: None, action: action.clone() });
            assert!(!matches!(applied.answer, Answer::Refused(_)), "{action:?}: {:?}", applied.answer);
            let effects = applied.changes.effects;
            assert!(effects.iter().all(|effect| *effect == Effect::PurgeTenant(TENANT)), "{effects:?}");
            purged.extend(effects.iter().map(|_| second));
        }
        purged
    }

    #[test]
    fn a_refusal_purges_when_it_closes_because_nobody_contradicts_it() {
        use L1State::{Enabled, Refused, Unreachable};
        let and = |more: Vec<(u64, Action)>| {
            purged([heard(10, Enabled), heard(20, Refused)].into_iter().chain(more).collect())
        };
        assert_eq!(and(vec![heard(22, Unreachable)]), [0_u64; 0], "somebody may contradict it still");
        let silent = vec![heard(22, Unreachable), heard(24, Unreachable), heard(25, Unreachable)];
        assert_eq!(and(silent), [24]);
        let late = vec![heard_late(23, 25, Unreachable), heard(26, Unreachable)];
        assert_eq!(and(late), [25], "once, although it began before");
        assert_eq!(and(vec![heard(21, Enabled), heard(25, Unreachable)]), [0_u64; 0]);
    }

    #[test]
    fn a_grace_cut_below_what_has_passed_purges_at_once() {
        use L1State::{Enabled, Unreachable};
        let silent_for_20 = || vec![grace(1, 60), heard(10, Enabled), heard(20, Unreachable)];
        let and = |more: &[(u64, Action)]| purged(silent_for_20().into_iter().chain(more.to_vec()).collect());
        assert_eq!(and(&[grace(30, 25)]), [0_u64; 0], "some of the grace is left");
        assert_eq!(and(&[grace(30, 25), heard(36, Unreachable)]), [36], "until it is over");
        assert_eq!(and(&[grace(30, 15)]), [30]);
        assert_eq!(and(&[grace(30, 5), heard(31, Unreachable)]), [30], "closed before the last probe");
        assert_eq!(and(&[grace(75, 5), heard(76, Unreachable)]), [75], "over, and no probe said so");
        assert_eq!(and(&[grace(30, 90), heard(75, Unreachable)]), [0_u64; 0], "longer");
        assert_eq!(and(&[heard(30, Enabled), grace(50, 15)]), [0_u64; 0], "a root that answers has none");
    }
}
