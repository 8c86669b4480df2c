//! The plaintext of a sealed keyring: `uid_root 32 ‖ prf_root 32 ‖ u32be(current term) ‖ (u32be(term) ‖ key 32) …`,
//! terms strictly ascending, the current one among them. It exists only in buffers that are wiped when dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{KeyringError, TERMS_MAX, Terms};
use crate::secret::Secret;

const ROOTS_BYTES: usize = 64;
const CURRENT_BYTES: usize = 4;
const TERM_BYTES: usize = 4 + 32;

pub(super) fn write(uid_root: &Secret, prf_root: &Secret, terms: &Terms) -> Zeroizing<Vec<u8>> {
    // Exact capacity: a buffer that grew would leave key bytes behind.
    let capacity = ROOTS_BYTES + CURRENT_BYTES + terms.keys.len() * TERM_BYTES;
    let mut body = Zeroizing::new(Vec::with_capacity(capacity));
    uid_root.with(|key| body.extend_from_slice(key));
    prf_root.with(|key| body.extend_from_slice(key));
    body.extend_from_slice(&terms.current.to_be_bytes());
    for (term, key) in &terms.keys {
        body.extend_from_slice(&term.to_be_bytes());
        key.with(|key| body.extend_from_slice(key));
    }
    assert_eq!(body.len(), capacity, "the buffer was sized exactly");
    body
}

pub(super) fn read(body: &[u8]) -> Result<(Secret, Secret, Terms), KeyringError> {
    let (roots, rest) = body.split_first_chunk::<ROOTS_BYTES>().ok_or(KeyringError::Malformed)?;
    let (current, rest) = rest.split_first_chunk::<CURRENT_BYTES>().ok_or(KeyringError::Malformed)?;
    let (entries, []) = rest.as_chunks::<TERM_BYTES>() else { return Err(KeyringError::Malformed) };
    if entries.is_empty() || entries.len() > TERMS_MAX {
        return Err(KeyringError::Malformed);
    }
    let mut keys = BTreeMap::new();
    for entry in entries {
        let (term, key) = entry.split_first_chunk().expect("an entry has 36 bytes");
        let term = u32::from_be_bytes(*term);
        if keys.last_key_value().is_some_and(|(last, _)| *last >= term) {
            return Err(KeyringError::Malformed);
        }
        keys.insert(term, Arc::new(secret(key)?));
    }
    let current = u32::from_be_bytes(*current);
    if !keys.contains_key(&current) {
        return Err(KeyringError::Malformed);
    }
    Ok((secret(&roots[..32])?, secret(&roots[32..])?, Terms { keys, current }))
}

/// Whether two keys are the same; constant time.
pub(super) fn equal(a: &Secret, b: &Secret) -> bool {
    a.with(|a| b.with(|b| a.ct_eq(b))).into()
}

fn secret(bytes: &[u8]) -> Result<Secret, KeyringError> {
    Ok(Secret::fill(|out| out.copy_from_slice(bytes))?)
}
