//! A new L2 version becomes the primary; older ones keep answering for older identifiers.

use serde::{Deserialize, Serialize};

use super::jobs::wrapped_by_its_roots;
use crate::command::{Answer, Apply};
use crate::id::{L2Version, TenantHandle};
use crate::refusal::{Limit, Refusal};
use crate::state::{At, Changes, State};
use crate::tenant::{L2, L2_VERSIONS_MAX, WRAP_BYTES_MAX, WRAPS_MAX, Wrap};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddL2Version {
    /// Which tenant.
    pub tenant: TenantHandle,
    /// Must be the tenant's next: two rotations at once make one version.
    pub version: L2Version,
    /// Commitment to the material.
    pub commitment: [u8; 32],
    /// Its wraps.
    pub wraps: Vec<Wrap>,
}

impl Apply for AddL2Version {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let tenant = state.active_tenant(self.tenant)?;
        if state.running_job(self.tenant).is_some() {
            // The job wraps the versions it found when it began.
            return Err(Refusal::JobRunning);
        }
        if tenant.versions.len() >= L2_VERSIONS_MAX {
            return Err(Refusal::LimitReached { what: Limit::L2Versions, max: L2_VERSIONS_MAX as u64 });
        }
        if tenant.next_version() != Some(self.version) {
            return Err(Refusal::VersionConflict);
        }
        // Made while the tenant moved to other roots: a version always opens by the roots it has now.
        if !wrapped_by_its_roots(state, tenant, &self.wraps) {
            return Err(Refusal::VersionConflict);
        }
        check_wraps(&self.wraps)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let mut tenant = state.tenants[&self.tenant].as_ref().clone();
        tenant.versions.push(L2 {
            version: self.version,
            commitment: self.commitment,
            wraps: self.wraps.clone(),
            created: at.time,
        });
        tenant.revision = at.index;
        state.put_tenant(tenant, changes);
        Answer::L2Version(self.version)
    }
}

/// Wraps are few and short.
pub(super) fn check_wraps(wraps: &[Wrap]) -> Result<(), Refusal> {
    if wraps.len() <= WRAPS_MAX && wraps.iter().all(|wrap| wrap.wrapped.len() <= WRAP_BYTES_MAX) {
        return Ok(());
    }
    Err(Refusal::LimitReached { what: Limit::Wraps, max: WRAPS_MAX as u64 })
}
