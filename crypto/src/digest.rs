//! SHA-256 over public bytes: tokens' hashes, idempotency keys, fingerprints.

use sha2::{Digest as _, Sha256};

/// SHA-256 (FIPS 180-4) over the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
