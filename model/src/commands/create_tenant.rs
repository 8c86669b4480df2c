//! A new tenant with its first L2 version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::l2_version::check_wraps;
use super::tenant_labels::check_labels;
use super::tenant_lease::check_lease;
use crate::command::{Answer, Apply};
use crate::id::{L2Version, LogIndex, TenantHandle, TenantName};
use crate::refusal::Refusal;
use crate::root::{L1_GRACE_MS_DEFAULT, PROBE_EVERY_MS_MAX, ROTATE_AFTER_MS_DEFAULT};
use crate::state::{At, Changes, State};
use crate::tenant::{Access, L2, Tenant, TenantState, Wrap};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTenant {
    /// Drawn at random by the proposer.
    pub handle: TenantHandle,
    /// Unique for ever.
    pub name: TenantName,
    /// Must be the cluster's.
    pub region: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Freshness lease in milliseconds.
    pub lease_ms: u32,
    /// Whether services register themselves on first contact.
    pub auto_register: bool,
    /// Commitment to the first L2 version.
    pub l2_commitment: [u8; 32],
    /// Its wraps.
    pub wraps: Vec<Wrap>,
}

impl Apply for CreateTenant {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        if state.tenant_named(&self.name).is_some() {
            return Err(Refusal::TenantNameTaken);
        }
        if state.tenant(self.handle).is_some() {
            return Err(Refusal::HandleTaken);
        }
        if self.region != state.cluster.region {
            let (tenant, cluster) = (self.region.clone(), state.cluster.region.clone());
            return Err(Refusal::WrongRegion { tenant, cluster });
        }
        check_lease(self.lease_ms)?;
        check_wraps(&self.wraps)?;
        check_labels(&self.labels)
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        let first = L2 {
            version: L2Version(1),
            commitment: self.l2_commitment,
            wraps: self.wraps.clone(),
            created: at.time,
        };
        let tenant = Tenant {
            handle: self.handle,
            name: self.name.clone(),
            region: self.region.clone(),
            labels: self.labels.clone(),
            state: TenantState::Active,
            access: Access::Open,
            roots: Vec::new(),
            l1_grace_ms: L1_GRACE_MS_DEFAULT,
            probe_every_ms: PROBE_EVERY_MS_MAX,
            rotate_after_ms: ROTATE_AFTER_MS_DEFAULT,
            lease_ms: self.lease_ms,
            lowered: None,
            auto_register: self.auto_register,
            versions: vec![first],
            l2_floor: L2Version(1),
            created: at.time,
            revision: at.index,
            approvals: 0,
            withdrawn_at: LogIndex(0),
        };
        state.put_tenant(tenant, changes);
        Answer::Tenant(self.handle)
    }
}

/// A tenant for the tests of commands.
#[cfg(test)]
pub(super) mod fixture {
    use super::*;
    use std::collections::BTreeMap;

    use crate::tenant::Wrap;

    pub const TENANT: TenantHandle = TenantHandle([1; 4]);

    /// Creates tenant-a, whose key the platform's root wraps.
    pub fn tenant_a() -> CreateTenant {
        CreateTenant {
            handle: TENANT,
            name: TenantName::parse("tenant-a").expect("a name"),
            region: "eu".to_owned(),
            labels: BTreeMap::new(),
            lease_ms: 3_000,
            auto_register: true,
            l2_commitment: [0; 32],
            wraps: vec![Wrap { revision: 1, l1_ref: "software:root-1".to_owned(), wrapped: vec![6; 64] }],
        }
    }
}
