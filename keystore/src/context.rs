//! The place a wrap belongs to, as associated data of the root that wraps it.

use model::id::{L2Version, Realm, TenantHandle};
use model::sealer::lp;

/// First part of the associated data of every wrap.
const AAD_L1: &str = "keyraft/v1/aad/l1";

/// What is wrapped, and where it belongs. Roots that take associated data authenticate it; for the
/// others the payload carries its place inside (DESIGN 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The cluster's realm.
    pub realm: Realm,
    /// What is wrapped.
    pub purpose: Purpose,
}

/// What is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One version of a tenant's L2 key.
    TenantL2 {
        /// The tenant.
        tenant: TenantHandle,
        /// The version of its key.
        version: L2Version,
    },
    /// The key-encryption key of the barrier keyring.
    BarrierKek,
    /// Random bytes, to see whether the root works.
    Probe,
}

impl Context {
    /// The place of random probe bytes: no realm, so it can be probed before a cluster exists.
    pub(crate) const PROBE: Self = Self { realm: Realm([0; Realm::LEN]), purpose: Purpose::Probe };

    /// A tenant's L2 key of one version.
    #[must_use]
    pub fn tenant_l2(realm: Realm, tenant: TenantHandle, version: L2Version) -> Self {
        Self { realm, purpose: Purpose::TenantL2 { tenant, version } }
    }

    /// The barrier's key-encryption key.
    #[must_use]
    pub fn barrier_kek(realm: Realm) -> Self {
        Self { realm, purpose: Purpose::BarrierKek }
    }

    /// `lp(label, realm, l1_ref, purpose, …)`: no two places share an encoding.
    pub(crate) fn aad(&self, l1_ref: &str) -> Vec<u8> {
        let place = |purpose: &str, rest: [&[u8]; 2]| {
            let [tenant, version] = rest;
            lp(&[
                AAD_L1.as_bytes(),
                self.realm.as_bytes(),
                l1_ref.as_bytes(),
                purpose.as_bytes(),
                tenant,
                version,
            ])
        };
        match self.purpose {
            Purpose::TenantL2 { tenant, version } => {
                place("l2", [tenant.as_bytes(), &version.0.to_be_bytes()])
            }
            Purpose::BarrierKek => place("kek", [&[], &[]]),
            Purpose::Probe => place("probe", [&[], &[]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_part_of_the_place_changes_the_associated_data() {
        let (realm, other_realm) = (Realm([1; 16]), Realm([2; 16]));
        let (tenant, other_tenant) = (TenantHandle([3; 4]), TenantHandle([4; 4]));
        let places = [
            (Context::tenant_l2(realm, tenant, L2Version(1)), "l1:a"),
            (Context::tenant_l2(realm, tenant, L2Version(1)), "l1:b"),
            (Context::tenant_l2(realm, tenant, L2Version(2)), "l1:a"),
            (Context::tenant_l2(realm, other_tenant, L2Version(1)), "l1:a"),
            (Context::tenant_l2(other_realm, tenant, L2Version(1)), "l1:a"),
            (Context::barrier_kek(realm), "l1:a"),
            (Context { realm, purpose: Purpose::Probe }, "l1:a"),
        ];
        let distinct: BTreeSet<_> = places.iter().map(|(ctx, l1_ref)| ctx.aad(l1_ref)).collect();
        assert_eq!(distinct.len(), places.len());
    }
}
