//! What an L1 root of trust wraps: 64 bytes that know where they belong (DESIGN 3).
//!
//! ```text
//! payload = key ‖ HMAC-SHA-256(key, label ‖ 00 ‖ place)      exactly 64 bytes, else corrupt
//! tenant's L2:    label "keyraft/v1/l2-bind",  place lp(realm, tenant, u16be(version), l1_ref)
//! barrier's KEK:  label "keyraft/v1/kek-bind", place lp(realm, l1_ref)
//! ```
//!
//! Some roots (PKCS#11 key wrap, Azure) take no associated data, so the place travels inside.
//! `l1_ref` is `<provider>:<immutable key id incl. version>`, kept with the wrapped key and never taken from
//! configuration that can be edited. The payload rests in the arena; a root that must copy it into
//! a request does so inside [`L1Payload::with`].

use model::id::{L2Version, Realm, TenantHandle};
use subtle::ConstantTimeEq;

use crate::arena::ArenaError;
use crate::hierarchy::{L2, L2Commitment};
use crate::secret::{Secret, SecretBytes};
use crate::stack::with_scrubbed_leaf;
use crate::{kdf, labels};

/// Longest `l1_ref`: a cloud key's full resource name with version stays below 512 bytes.
pub const L1_REF_BYTES_MAX: usize = 1024;

/// The 64 bytes given to a root of trust, and got back from it.
pub struct L1Payload(SecretBytes<64>);

/// The barrier's key-encryption key: seals the keyring, itself wrapped by a platform root.
pub struct Kek(Secret);

impl Kek {
    /// A fresh random key.
    ///
    /// # Errors
    /// [`ArenaError`].
    pub fn generate() -> Result<Self, ArenaError> {
        Secret::generate().map(Self)
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

impl L1Payload {
    /// Length in bytes.
    pub const LEN: usize = 64;

    /// The payload that carries a tenant's L2 key to its root.
    ///
    /// # Errors
    /// [`L1PayloadError::RefTooLong`], [`L1PayloadError::Arena`].
    pub fn of_l2(l2: &L2, l1_ref: &str) -> Result<Self, L1PayloadError> {
        let (realm, tenant, version) = l2.place();
        let version = version.0.to_be_bytes();
        let place: [&[u8]; 4] = [realm.as_bytes(), tenant.as_bytes(), &version, check_ref(l1_ref)?];
        l2.with(|key| Self::bind(key, labels::L2_BIND, &place))
    }

    /// The payload that carries the barrier's key-encryption key to a platform root.
    ///
    /// # Errors
    /// [`L1PayloadError::RefTooLong`], [`L1PayloadError::Arena`].
    pub fn of_kek(kek: &Kek, realm: Realm, l1_ref: &str) -> Result<Self, L1PayloadError> {
        let place: [&[u8]; 2] = [realm.as_bytes(), check_ref(l1_ref)?];
        kek.0.with(|key| Self::bind(key, labels::KEK_BIND, &place))
    }

    /// Takes what a root unwrapped. The caller wipes its own copy.
    ///
    /// # Errors
    /// [`L1PayloadError::Length`] unless there are exactly 64 bytes, [`L1PayloadError::Arena`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, L1PayloadError> {
        let bytes: &[u8; Self::LEN] =
            bytes.try_into().map_err(|_| L1PayloadError::Length { given: bytes.len() })?;
        Ok(Self(SecretBytes::fill(|out| *out = *bytes)?))
    }

    /// Lends the 64 bytes to a root of trust.
    pub fn with<R>(&self, read: impl FnOnce(&[u8; Self::LEN]) -> R) -> R {
        self.0.with(read)
    }

    /// The L2 key inside, if the payload was made for this place and holds the committed key. Both
    /// checks take constant time.
    ///
    /// # Errors
    /// [`L1PayloadError::WrongPlace`], [`L1PayloadError::WrongKey`] (raise an alarm: the root
    /// answered with another key), [`L1PayloadError::RefTooLong`], [`L1PayloadError::Arena`].
    pub fn into_l2(
        self,
        realm: Realm,
        tenant: TenantHandle,
        version: L2Version,
        l1_ref: &str,
        commitment: &L2Commitment,
    ) -> Result<L2, L1PayloadError> {
        let version_bytes = version.0.to_be_bytes();
        let place: [&[u8]; 4] = [realm.as_bytes(), tenant.as_bytes(), &version_bytes, check_ref(l1_ref)?];
        let key = self.checked_key(labels::L2_BIND, &place)?;
        let l2 = L2::from_secret(key, realm, tenant, version);
        if l2.matches(commitment) { Ok(l2) } else { Err(L1PayloadError::WrongKey) }
    }

    /// The barrier's key-encryption key inside, if the payload was made for this place.
    ///
    /// # Errors
    /// [`L1PayloadError::WrongPlace`], [`L1PayloadError::RefTooLong`], [`L1PayloadError::Arena`].
    pub fn into_kek(self, realm: Realm, l1_ref: &str) -> Result<Kek, L1PayloadError> {
        let place: [&[u8]; 2] = [realm.as_bytes(), check_ref(l1_ref)?];
        self.checked_key(labels::KEK_BIND, &place).map(Kek)
    }

    fn bind(key: &[u8; 32], label: &str, place: &[&[u8]]) -> Result<Self, L1PayloadError> {
        let payload = with_scrubbed_leaf(|| {
            SecretBytes::fill(|out: &mut [u8; 64]| {
                out[..32].copy_from_slice(key);
                out[32..].copy_from_slice(&kdf::labelled_mac(key, label, place));
            })
        })?;
        Ok(Self(payload))
    }

    fn checked_key(&self, label: &str, place: &[&[u8]]) -> Result<Secret, L1PayloadError> {
        let check_and_copy = |payload: &[u8; Self::LEN], out: &mut [u8; 32]| {
            let (key, bound) = payload.split_at(32);
            let key: &[u8; 32] = key.try_into().expect("32 of 64 bytes");
            if kdf::labelled_mac(key, label, place).ct_eq(bound).into() {
                out.copy_from_slice(key);
                Ok(())
            } else {
                Err(L1PayloadError::WrongPlace)
            }
        };
        with_scrubbed_leaf(|| Secret::try_fill(|out| self.0.with(|payload| check_and_copy(payload, out))))
    }
}

fn check_ref(l1_ref: &str) -> Result<&[u8], L1PayloadError> {
    if l1_ref.len() > L1_REF_BYTES_MAX {
        return Err(L1PayloadError::RefTooLong { given: l1_ref.len() });
    }
    Ok(l1_ref.as_bytes())
}

/// Why a payload was not made or not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum L1PayloadError {
    /// The root gave back something else than a payload.
    #[error("the root of trust gave {given} bytes where a payload has exactly 64")]
    Length {
        /// Bytes received.
        given: usize,
    },
    /// The payload belongs to another realm, tenant, version or root key, or was altered.
    #[error("the payload was made for another realm, tenant, version or root key, or was altered")]
    WrongPlace,
    /// The payload holds another key than the one the cluster committed to.
    #[error("the root of trust gave back another key than the cluster committed to")]
    WrongKey,
    /// A root reference beyond [`L1_REF_BYTES_MAX`].
    #[error("the root reference has {given} bytes, at most 1024 are allowed")]
    RefTooLong {
        /// Its length in bytes.
        given: usize,
    },
    /// No slot for the payload or the key.
    #[error(transparent)]
    Arena(#[from] ArenaError),
}
