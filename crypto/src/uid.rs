//! The tag of an identifier: who may say that a key exists.
//!
//! The tag's key comes from the uid root, not from L2, so identifiers can be checked (and keys
//! revoked) while L1 is down. The tag covers the commitments of L2 and seed: an identifier made
//! under a key that was lost is not found, never answered with other bytes.

use model::id::{BootId, ClusterId, Realm, TenantHandle};
use model::uid::{Header, Uid};
use subtle::{Choice, ConstantTimeEq};

use crate::arena::ArenaError;
use crate::hierarchy::{L2Commitment, SeedCommitment};
use crate::kdf::{self, Kdf};
use crate::labels;
use crate::secret::Secret;

/// The root of all identifier tags: 32 random bytes made once per realm, never rotated.
pub struct UidRoot {
    key: Secret,
    realm: Realm,
}

impl UidRoot {
    pub(crate) fn from_secret(key: Secret, realm: Realm) -> Self {
        Self { key, realm }
    }

    /// A tenant's tag key. It costs one derivation; keep it with the tenant.
    ///
    /// # Errors
    /// [`ArenaError`].
    pub fn tenant_key(&self, tenant: TenantHandle) -> Result<UidKey, ArenaError> {
        let context: [&[u8]; 2] = [self.realm.as_bytes(), tenant.as_bytes()];
        let key = Secret::fill(|out| {
            self.key.with(|root| kdf::derive(Kdf::Hkdf, root, labels::UID_MAC, &context, out));
        })?;
        Ok(UidKey { key, tenant })
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.key
    }
}

/// The commitments an identifier's tag is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitments {
    /// Of the tenant's L2 key in the identifier's version.
    pub l2: L2Commitment,
    /// Of the service's seed.
    pub seed: SeedCommitment,
}

/// One tenant's key for identifier tags (`k_uid`) and server-made IVs.
pub struct UidKey {
    key: Secret,
    tenant: TenantHandle,
}

impl UidKey {
    /// The tenant whose identifiers this key makes.
    #[must_use]
    pub fn tenant(&self) -> TenantHandle {
        self.tenant
    }

    /// Makes the identifier of `header`.
    ///
    /// # Panics
    /// If the header names another tenant: the caller mixed two tenants up, and must stop.
    #[must_use]
    pub fn make(&self, header: Header, commitments: &Commitments) -> Uid {
        assert_eq!(header.fields().tenant, self.tenant, "an identifier is made with its own tenant's key");
        Uid { header, tag: self.tag(&header, commitments) }
    }

    /// Whether the identifier was made by this cluster for this tenant under these commitments. The
    /// time it takes does not depend on the answer.
    #[must_use]
    pub fn verify(&self, uid: &Uid, commitments: &Commitments) -> bool {
        let own = uid.header.fields().tenant.as_bytes().ct_eq(self.tenant.as_bytes());
        let genuine: Choice = self.tag(&uid.header, commitments).ct_eq(&uid.tag);
        (own & genuine).into()
    }

    fn tag(&self, header: &Header, commitments: &Commitments) -> [u8; 8] {
        let parts: [&[u8]; 5] =
            [labels::UID.as_bytes(), &[0], &commitments.l2.0, &commitments.seed.0, header.as_bytes()];
        let mac = self.key.with(|key| kdf::mac(key, &parts));
        mac[..8].try_into().expect("eight of 32 bytes")
    }

    /// The fixed field of this key's GCM IVs in one process life (DESIGN 3).
    pub(crate) fn gcm_iv_prefix(&self, header: &Header, cluster: ClusterId, boot: BootId) -> [u8; 7] {
        let context: [&[u8]; 3] = [header.as_bytes(), cluster.as_bytes(), &boot.0.to_be_bytes()];
        let mac = self.key.with(|key| kdf::labelled_mac(key, labels::GCM_IV, &context));
        mac[..7].try_into().expect("seven of 32 bytes")
    }

    /// The code that binds a message in parts to what it was begun for.
    ///
    /// # Panics
    /// If there are more than six parts, or one is longer than 65,535 bytes.
    #[must_use]
    pub fn stream_code(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mac = self.key.with(|key| kdf::labelled_mac(key, labels::STREAM, parts));
        mac[..16].try_into().expect("sixteen of 32 bytes")
    }

    #[cfg(test)]
    pub(crate) fn secret(&self) -> &Secret {
        &self.key
    }
}
