//! A tenant's key is rotated when it is old enough. A new version is one command that names its
//! predecessor, so it needs no job: done twice, the second is refused.

use model::commands::AddL2Version;
use model::id::{L2Version, TenantHandle};
use model::root::Gate;
use model::state::State;
use model::tenant::{Access, L2, Level, Tenant, TenantState};
use model::time::ClusterTime;

use crate::engine::Engine;
use crate::refused::Refused;
use crate::roots::unavailable;

/// What is told when a tenant's key was rotated; the words are those of every interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// The tenant's name.
    pub tenant_id: String,
    /// Whose root wraps it.
    pub level: Level,
    /// The version that makes new keys from then on.
    pub version: L2Version,
    /// From when on, in cluster time.
    pub effective_time: ClusterTime,
}

impl KeyRotation {
    /// The event of one version, while the tenant has the roots it has.
    #[must_use]
    pub fn of(tenant: &Tenant, l2: &L2) -> Self {
        Self {
            tenant_id: tenant.name.to_string(),
            level: tenant.level(),
            version: l2.version,
            effective_time: l2.created,
        }
    }
}

/// Whether a tenant's key is old enough, and may be rotated now.
pub(crate) fn is_due(state: &State, tenant: &Tenant, now: ClusterTime) -> bool {
    let old = tenant.primary().is_some_and(|l2| l2.created.plus_ms(tenant.rotate_after_ms) <= now);
    old && tenant.state == TenantState::Active
        && tenant.access == Access::Open
        && state.running_job(tenant.handle).is_none()
        && state.gate(tenant, now) == Gate::Open
}

/// Rotates a tenant's key by age; whether it went well.
pub(crate) async fn rotate(engine: &Engine, tenant: TenantHandle) -> bool {
    let Ok(generation) = engine.store.read_index().await else { return false };
    let Some(tenant) = generation.state.tenant(tenant) else { return true };
    if !is_due(&generation.state, tenant, engine.store.now()) {
        return true;
    }
    match engine.next_version(&generation.state, tenant).await {
        Ok(command) => {
            let target = tenant.l2_name(command.version);
            let done = engine.act_alone(Some(tenant.handle), &target, command).await;
            if done.is_ok() {
                announce(engine, tenant.handle);
            }
            done.is_ok()
        }
        Err(refused) => {
            tracing::warn!(tenant = %tenant.name, %refused, "a key that is old enough could not be rotated");
            false
        }
    }
}

/// Tells that a tenant has a new primary version.
pub(crate) fn announce(engine: &Engine, tenant: TenantHandle) {
    let generation = engine.store.generation();
    let Some(tenant) = generation.state.tenant(tenant) else { return };
    let Some(primary) = tenant.primary() else { return };
    let KeyRotation { tenant_id, level, version, effective_time } = KeyRotation::of(tenant, primary);
    let level = level.as_str();
    tracing::info!(event = "key_rotation", %tenant_id, level, %version, %effective_time, "key rotated");
}

impl Engine {
    /// The command that makes a tenant's next version, wrapped by each of its roots.
    pub(crate) async fn next_version(&self, state: &State, tenant: &Tenant) -> Result<AddL2Version, Refused> {
        let conflict = Refused::Refused(model::refusal::Refusal::VersionConflict);
        let version = tenant.next_version().ok_or(conflict)?;
        let made = self.roots.make_l2(state, tenant.handle, &tenant.roots, version).await;
        let (commitment, wraps) = made.map_err(unavailable)?;
        Ok(AddL2Version { tenant: tenant.handle, version, commitment: commitment.0, wraps })
    }
}
