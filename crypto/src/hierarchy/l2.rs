//! L2: a tenant's key in one version. Durable only wrapped by L1; in memory only while it unwraps.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};
use model::uid::Kdf;
use subtle::ConstantTimeEq;

use super::{DeriveError, L3, L3Place, Seed};
use crate::arena::ArenaError;
use crate::secret::Secret;
use crate::{kdf, labels};

/// A tenant's key: 32 random bytes per (tenant, version).
///
/// Drop it as soon as the L3 keys it was unwrapped for are made.
pub struct L2 {
    key: Secret,
    realm: Realm,
    tenant: TenantHandle,
    version: L2Version,
    /// Dropped after the key.
    _counted: Counted,
}

/// The public commitment to an L2 key: it names the key without telling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L2Commitment(pub [u8; 32]);

impl L2 {
    /// A fresh random key.
    ///
    /// # Errors
    /// [`ArenaError`].
    #[cfg(not(feature = "danger-known-keys"))]
    pub fn generate(realm: Realm, tenant: TenantHandle, version: L2Version) -> Result<Self, ArenaError> {
        Ok(Self::from_secret(Secret::generate()?, realm, tenant, version))
    }

    /// DANGER: the documented key of [`crate::danger::known_l2`], so that a memory scan knows what
    /// to look for.
    ///
    /// # Errors
    /// [`ArenaError`].
    #[cfg(feature = "danger-known-keys")]
    pub fn generate(realm: Realm, tenant: TenantHandle, version: L2Version) -> Result<Self, ArenaError> {
        let key = crate::stack::with_scrubbed_stack(|| {
            Secret::fill(|out| *out = crate::danger::known_l2(tenant, version))
        })?;
        Ok(Self::from_secret(key, realm, tenant, version))
    }

    pub(crate) fn from_secret(key: Secret, realm: Realm, tenant: TenantHandle, version: L2Version) -> Self {
        Self { key, realm, tenant, version, _counted: Counted::new(tenant) }
    }

    /// How many keys of a tenant exist in this process. Each lives for one call of a root or a few, in whatever job or
    /// request: nothing else knows of all of them.
    #[must_use]
    pub fn alive(tenant: TenantHandle) -> usize {
        alive().get(&tenant).copied().unwrap_or_default()
    }

    /// The commitment that the cluster keeps beside the wrapped key.
    #[must_use]
    pub fn commitment(&self) -> L2Commitment {
        let mut out = [0; 32];
        let version = self.version.0.to_be_bytes();
        let context: [&[u8]; 3] = [self.realm.as_bytes(), self.tenant.as_bytes(), &version];
        self.key.with(|key| kdf::derive(kdf::Kdf::Hkdf, key, labels::L2_COMMIT, &context, &mut out));
        L2Commitment(out)
    }

    /// Whether this is the key committed to; constant time.
    #[must_use]
    pub fn matches(&self, commitment: &L2Commitment) -> bool {
        self.commitment().0.ct_eq(&commitment.0).into()
    }

    /// The service's key under this version.
    ///
    /// # Errors
    /// [`DeriveError::WrongPlace`] if the seed is another realm's or tenant's, [`DeriveError::Arena`].
    pub fn l3(&self, kdf: Kdf, seed: &Seed) -> Result<L3, DeriveError> {
        let (realm, tenant, service) = seed.place();
        if (realm, tenant) != (self.realm, self.tenant) {
            return Err(DeriveError::WrongPlace);
        }
        let place = L3Place { tenant, service, l2_version: self.version, kdf };
        Ok(L3::from_secret(self.l3_secret(kdf, service, seed)?, realm, place))
    }

    fn l3_secret(&self, kdf: Kdf, service: ServiceHandle, seed: &Seed) -> Result<Secret, ArenaError> {
        let version = self.version.0.to_be_bytes();
        let (realm, tenant, service) = (self.realm.as_bytes(), self.tenant.as_bytes(), service.as_bytes());
        Secret::fill(|out| {
            self.key.with(|key| {
                seed.with(|seed| {
                    kdf::derive(kdf, key, labels::L3, &[realm, tenant, service, &version, seed], out);
                });
            });
        })
    }

    /// Lends the bytes to the L1 payload.
    pub(crate) fn with<R>(&self, read: impl FnOnce(&[u8; 32]) -> R) -> R {
        self.key.with(read)
    }

    pub(crate) fn place(&self) -> (Realm, TenantHandle, L2Version) {
        (self.realm, self.tenant, self.version)
    }
}

/// The tenants that have keys here, and how many.
static ALIVE: Mutex<BTreeMap<TenantHandle, usize>> = Mutex::new(BTreeMap::new());

fn alive() -> MutexGuard<'static, BTreeMap<TenantHandle, usize>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A key of this tenant, counted until this is dropped.
struct Counted(TenantHandle);

impl Counted {
    fn new(tenant: TenantHandle) -> Self {
        *alive().entry(tenant).or_default() += 1;
        Self(tenant)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut alive = alive();
        if let Some(keys) = alive.get_mut(&self.0) {
            *keys -= 1;
            if *keys == 0 {
                alive.remove(&self.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_keys_are_counted_as_long_as_they_exist() {
        let (tenant, other) = (TenantHandle([0xc7; 4]), TenantHandle([0xc8; 4]));
        let make = |version| L2::generate(Realm([1; 16]), tenant, L2Version(version)).unwrap();
        assert_eq!(L2::alive(tenant), 0);
        let (one, two) = (make(1), make(2));
        assert_eq!((L2::alive(tenant), L2::alive(other)), (2, 0));
        let moved = one;
        assert_eq!(L2::alive(tenant), 2, "it is the same key");
        drop(moved);
        assert_eq!(L2::alive(tenant), 1);
        drop(two);
        assert_eq!(L2::alive(tenant), 0);
    }
}
