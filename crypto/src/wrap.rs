//! KRW1 records: authenticated encryption that commits to its key (DESIGN 3).
//!
//! ```text
//! record = "KRW1" ‖ 01 ‖ salt 32 ‖ commit 32 ‖ AES-256-GCM(key, iv, plaintext, aad)
//! key ‖ commit ‖ iv = KDF1(root, "keyraft/v1/wrap", lp(aad, salt), 76)
//! ```
//!
//! Each record has a key of its own, so no counter guards the 2³² limit of random IVs. GCM does not
//! commit to its key; the commitment does, and is compared in constant time before anything is
//! opened. An AAD starts with a unique label and names the one place the record may be opened in.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Tag};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::arena::ArenaError;
use crate::kdf::{self, Kdf};
use crate::secret::Secret;
use crate::stack::with_scrubbed_leaf;
use crate::{labels, random};

/// First bytes of a record: magic and format.
const MAGIC: &[u8; 5] = b"KRW1\x01";
const SALT: std::ops::Range<usize> = 5..37;
const COMMIT: std::ops::Range<usize> = 37..69;
const TAG_BYTES: usize = 16;

/// Bytes a record is longer than its plaintext.
pub const OVERHEAD_BYTES: usize = COMMIT.end + TAG_BYTES;

/// Seals `plaintext` for the place named by `aad`, with a fresh salt.
///
/// # Panics
/// If `aad` is longer than 65,535 bytes; it is ours, built of bounded parts.
#[must_use]
pub fn seal(root: &Secret, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    seal_with_salt(root, aad, &random::bytes(), plaintext)
}

/// As [`seal`]. A salt must never serve twice under one root and AAD, so only tests choose it.
pub(crate) fn seal_with_salt(root: &Secret, aad: &[u8], salt: &[u8; 32], plaintext: &[u8]) -> Vec<u8> {
    with_scrubbed_leaf(|| {
        let keys = RecordKeys::derive(root, aad, salt);
        let mut record = Vec::with_capacity(plaintext.len() + OVERHEAD_BYTES);
        record.extend_from_slice(MAGIC);
        record.extend_from_slice(salt);
        record.extend_from_slice(keys.commit());
        record.extend_from_slice(plaintext);
        let tag = keys.encrypt(aad, &mut record[COMMIT.end..]);
        record.extend_from_slice(&tag);
        record
    })
}

/// Opens a record into a buffer that is wiped when dropped.
///
/// # Errors
/// [`WrapError::Malformed`], [`WrapError::NotAuthentic`].
pub fn open(root: &Secret, aad: &[u8], record: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    with_scrubbed_leaf(|| {
        let record = Record::parse(record)?;
        let keys = record.checked_keys(root, aad)?;
        let mut plaintext = Zeroizing::new(record.ciphertext.to_vec());
        keys.decrypt(aad, &mut plaintext, record.tag)?;
        Ok(plaintext)
    })
}

/// Opens a record of exactly 32 bytes straight into the arena.
///
/// # Errors
/// [`WrapError`].
pub fn open_secret(root: &Secret, aad: &[u8], record: &[u8]) -> Result<Secret, WrapError> {
    with_scrubbed_leaf(|| {
        let record = Record::parse(record)?;
        let keys = record.checked_keys(root, aad)?;
        let ciphertext: &[u8; 32] = record.ciphertext.try_into().map_err(|_| WrapError::Malformed)?;
        Secret::try_fill(|out| {
            *out = *ciphertext;
            keys.decrypt(aad, out, record.tag)
        })
    })
}

/// A record that does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// Too short, another format, or another length than a key's.
    #[error("not a sealed record of this format and length")]
    Malformed,
    /// The commitment or the tag does not match: another key, another place, or altered bytes.
    #[error("the record was altered or does not belong in this place")]
    NotAuthentic,
    /// No slot for the opened key.
    #[error(transparent)]
    Arena(#[from] ArenaError),
}

/// The parts of a record.
struct Record<'a> {
    salt: &'a [u8; 32],
    commit: &'a [u8; 32],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG_BYTES],
}

impl<'a> Record<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, WrapError> {
        let (head, tag) = bytes.split_last_chunk().ok_or(WrapError::Malformed)?;
        if head.len() < COMMIT.end || !head.starts_with(MAGIC) {
            return Err(WrapError::Malformed);
        }
        let field = |range: std::ops::Range<usize>| head[range].try_into().expect("the range has 32 bytes");
        Ok(Self { salt: field(SALT), commit: field(COMMIT), ciphertext: &head[COMMIT.end..], tag })
    }

    /// The record's keys, if the root and place are the ones it was sealed with.
    fn checked_keys(&self, root: &Secret, aad: &[u8]) -> Result<RecordKeys, WrapError> {
        let keys = RecordKeys::derive(root, aad, self.salt);
        if keys.commit().ct_eq(self.commit).into() { Ok(keys) } else { Err(WrapError::NotAuthentic) }
    }
}

/// `key ‖ commit ‖ iv` of one record.
pub(crate) struct RecordKeys(Zeroizing<[u8; 76]>);

impl RecordKeys {
    fn derive(root: &Secret, aad: &[u8], salt: &[u8; 32]) -> Self {
        let mut out = Zeroizing::new([0; 76]);
        root.with(|key| kdf::derive(Kdf::Hkdf, key, labels::WRAP, &[aad, salt], &mut *out));
        Self(out)
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 76]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    fn commit(&self) -> &[u8; 32] {
        self.0[32..64].try_into().expect("32 bytes")
    }

    fn iv(&self) -> &[u8; 12] {
        self.0[64..].try_into().expect("12 bytes")
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(&self.0[..32]).expect("AES-256 takes 32 bytes")
    }

    pub(crate) fn encrypt(&self, aad: &[u8], buffer: &mut [u8]) -> [u8; TAG_BYTES] {
        let tag = self.cipher().encrypt_inout_detached(self.iv().into(), aad, buffer.into());
        tag.expect("a record is far below GCM's 64 GiB").into()
    }

    pub(crate) fn decrypt(
        &self,
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), WrapError> {
        let opened =
            self.cipher().decrypt_inout_detached(self.iv().into(), aad, buffer.into(), &Tag::from(*tag));
        opened.map_err(|_| WrapError::NotAuthentic)
    }
}
