//! The roots of trust this node has open, and how a tenant's L2 is wrapped and unwrapped by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crypto::{L1Payload, L2, L2Commitment};
use keystore::{Context, RootError, RootKeystore, Wrapped};
use model::id::{L2Version, Realm, TenantHandle};
use model::tenant::{Tenant, Wrap};

use crate::refused::Refused;

/// Every open root by its immutable reference; one of them serves tenants that brought none.
pub struct Roots {
    realm: Realm,
    by_ref: BTreeMap<String, Arc<dyn RootKeystore>>,
    platform: Arc<dyn RootKeystore>,
}

impl Roots {
    /// With the platform's root for tenants.
    #[must_use]
    pub fn new(realm: Realm, platform: Arc<dyn RootKeystore>) -> Self {
        let by_ref = BTreeMap::from([(platform.l1_ref().to_owned(), Arc::clone(&platform))]);
        Self { realm, by_ref, platform }
    }

    /// The platform's root for tenants.
    #[must_use]
    pub fn platform(&self) -> &Arc<dyn RootKeystore> {
        &self.platform
    }

    /// Makes and wraps the L2 key of one version under the platform's root.
    ///
    /// # Errors
    /// [`Refused::KeyUnavailable`] with what the root said.
    pub async fn make_l2(
        &self,
        tenant: TenantHandle,
        version: L2Version,
    ) -> Result<(L2Commitment, Wrap), Refused> {
        let root = &self.platform;
        let l2 = L2::generate(self.realm, tenant, version).map_err(no_memory)?;
        let commitment = l2.commitment();
        let payload = L1Payload::of_l2(&l2, root.l1_ref()).map_err(|_| corrupt())?;
        drop(l2);
        let wrapped = root.wrap(self.context(tenant, version), payload).await.map_err(unavailable)?;
        Ok((commitment, Wrap { revision: 1, l1_ref: wrapped.l1_ref, wrapped: wrapped.blob }))
    }

    /// Unwraps a tenant's L2 key by the first of its roots that does so, and checks the commitment.
    ///
    /// # Errors
    /// [`Refused::KeyUnavailable`] with what the last root said.
    pub async fn unwrap_l2(&self, tenant: &Tenant, version: L2Version) -> Result<L2, Refused> {
        let l2 = tenant.version(version).ok_or(Refused::NotFound { cause: "l2_version_unknown" })?;
        let mut refused = Refused::KeyUnavailable { reason: "no wrap is left of it".to_owned() };
        for wrap in &l2.wraps {
            let Some(root) = self.by_ref.get(&wrap.l1_ref) else {
                refused = Refused::KeyUnavailable {
                    reason: format!("its root {} is not configured on this node", wrap.l1_ref),
                };
                continue;
            };
            let wrapped = Wrapped { l1_ref: wrap.l1_ref.clone(), blob: wrap.wrapped.clone() };
            match root.unwrap(self.context(tenant.handle, version), &wrapped).await {
                Ok(payload) => {
                    let commitment = L2Commitment(l2.commitment);
                    return payload
                        .into_l2(self.realm, tenant.handle, version, &wrap.l1_ref, &commitment)
                        .map_err(|error| {
                            tracing::error!(tenant = %tenant.name, %version, root = %wrap.l1_ref, %error,
                                "a root answered with something else than the tenant's key");
                            corrupt()
                        });
                }
                Err(error) => refused = unavailable(error),
            }
        }
        Err(refused)
    }

    fn context(&self, tenant: TenantHandle, version: L2Version) -> Context {
        Context::tenant_l2(self.realm, tenant, version)
    }
}

fn unavailable(error: RootError) -> Refused {
    tracing::warn!(%error, "a root of trust refused");
    Refused::KeyUnavailable { reason: error.to_string() }
}

fn no_memory(error: crypto::ArenaError) -> Refused {
    tracing::error!(%error, "no secret memory left");
    Refused::NotNow { reason: error.to_string() }
}

fn corrupt() -> Refused {
    Refused::KeyUnavailable { reason: "the root answered with something else than the key".to_owned() }
}
