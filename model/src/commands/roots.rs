//! A tenant's own roots: configured after a test, removed when nothing hangs on them; and what a tenant
//! decides about all of them.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::event::What;
use crate::id::{RootHandle, RootName, TenantHandle};
use crate::refusal::{Limit, Refusal};
use crate::root::{
    L1_GRACE_MS_MAX, L1_REF_BYTES_MAX, PROBE_EVERY_MS_MAX, PROBE_EVERY_MS_MIN, ROOT_SETTINGS_BYTES_MAX,
    ROOTS_MAX, ROTATE_AFTER_MS_MIN, Root,
};
use crate::state::{At, Changes, State};
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
        let fits = self.settings.len() <= ROOT_SETTINGS_BYTES_MAX && self.l1_ref.len() <= L1_REF_BYTES_MAX;
        if fits {
            return Ok(());
        }
        Err(Refusal::LimitReached { what: Limit::RootSettings, max: ROOT_SETTINGS_BYTES_MAX as u64 })
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
        let changed = Tenant {
            l1_grace_ms: self.l1_grace_ms,
            probe_every_ms: self.probe_every_ms,
            rotate_after_ms: self.rotate_after_ms,
            revision: at.index,
            ..tenant
        };
        state.put_tenant(changed, changes);
        Answer::Done
    }
}
