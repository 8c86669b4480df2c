//! A service's seed: replicated, sealed by the barrier; erasing it shreds the service.

use model::id::{Realm, ServiceHandle, TenantHandle};
use subtle::ConstantTimeEq;

use crate::arena::ArenaError;
use crate::secret::Secret;
use crate::{kdf, labels};

/// 32 random bytes per (tenant, service), for ever: half of what an L3 key is made of.
pub struct Seed {
    key: Secret,
    realm: Realm,
    tenant: TenantHandle,
    service: ServiceHandle,
}

/// The public commitment to a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedCommitment(pub [u8; 32]);

impl Seed {
    /// A fresh random seed.
    ///
    /// # Errors
    /// [`ArenaError`].
    #[cfg(not(feature = "danger-known-keys"))]
    pub fn generate(realm: Realm, tenant: TenantHandle, service: ServiceHandle) -> Result<Self, ArenaError> {
        Ok(Self::from_secret(Secret::generate()?, realm, tenant, service))
    }

    /// DANGER: the documented seed of [`crate::danger::known_seed`], so that a memory scan knows
    /// what to look for.
    ///
    /// # Errors
    /// [`ArenaError`].
    #[cfg(feature = "danger-known-keys")]
    pub fn generate(realm: Realm, tenant: TenantHandle, service: ServiceHandle) -> Result<Self, ArenaError> {
        let key = crate::stack::with_scrubbed_stack(|| {
            Secret::fill(|out| *out = crate::danger::known_seed(tenant, service))
        })?;
        Ok(Self::from_secret(key, realm, tenant, service))
    }

    pub(crate) fn from_secret(
        key: Secret,
        realm: Realm,
        tenant: TenantHandle,
        service: ServiceHandle,
    ) -> Self {
        Self { key, realm, tenant, service }
    }

    /// The commitment that the cluster keeps beside the sealed seed.
    #[must_use]
    pub fn commitment(&self) -> SeedCommitment {
        let mut out = [0; 32];
        let context: [&[u8]; 3] = [self.realm.as_bytes(), self.tenant.as_bytes(), self.service.as_bytes()];
        self.key.with(|key| kdf::derive(kdf::Kdf::Hkdf, key, labels::SEED_COMMIT, &context, &mut out));
        SeedCommitment(out)
    }

    /// Whether this is the seed committed to; constant time.
    #[must_use]
    pub fn matches(&self, commitment: &SeedCommitment) -> bool {
        self.commitment().0.ct_eq(&commitment.0).into()
    }

    /// Lends the bytes to L3 and to the barrier.
    pub(crate) fn with<R>(&self, read: impl FnOnce(&[u8; 32]) -> R) -> R {
        self.key.with(read)
    }

    pub(crate) fn place(&self) -> (Realm, TenantHandle, ServiceHandle) {
        (self.realm, self.tenant, self.service)
    }
}
