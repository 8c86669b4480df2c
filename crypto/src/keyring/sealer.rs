//! The barrier as the storage sees it: [`Sealer`] over the keyring.

use model::id::{Realm, TenantHandle};
use model::sealer::{ROW_PRF_LEN, Sealer, Unopenable};

use super::{Keyring, KeyringError};
use crate::kdf::{self, Kdf};
use crate::labels;

impl Sealer for Keyring {
    fn realm(&self) -> Realm {
        self.realm
    }

    fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        self.seal_under_current(aad, plaintext)
    }

    fn open(&self, aad: &[u8], record: &[u8]) -> Result<Vec<u8>, Unopenable> {
        match self.open_bytes(aad, record) {
            Ok(mut plaintext) => Ok(std::mem::take(&mut *plaintext)),
            Err(KeyringError::UnknownTerm { term }) => Err(Unopenable::UnknownTerm { term }),
            Err(KeyringError::Malformed) => Err(Unopenable::Malformed),
            Err(_) => Err(Unopenable::NotAuthentic),
        }
    }

    /// KDF1(prf_root, "keyraft/v1/row", lp(realm, tenant), 16).
    fn row_prefix(&self, tenant: TenantHandle) -> [u8; ROW_PRF_LEN] {
        self.row_prf(&[self.realm.as_bytes(), tenant.as_bytes()])
    }

    /// KDF1(prf_root, "keyraft/v1/row", lp(realm, tenant, name), 16): one part more than the prefix,
    /// so the two never meet.
    fn row_name(&self, tenant: TenantHandle, name: &[u8]) -> [u8; ROW_PRF_LEN] {
        self.row_prf(&[self.realm.as_bytes(), tenant.as_bytes(), name])
    }

    /// HMAC-SHA-256(k_set, u64be(len(key)) ‖ key ‖ value): the length keeps (key, value) apart.
    fn set_hash(&self, key: &[u8], value: &[u8]) -> [u8; 32] {
        let length = (key.len() as u64).to_be_bytes();
        self.set_key.with(|set_key| kdf::mac(set_key, &[&length, key, value]))
    }
}

impl Keyring {
    fn row_prf(&self, context: &[&[u8]]) -> [u8; ROW_PRF_LEN] {
        let mut out = [0; ROW_PRF_LEN];
        self.prf_root.with(|root| kdf::derive(Kdf::Hkdf, root, labels::ROW, context, &mut out));
        out
    }
}
