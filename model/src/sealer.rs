//! How floors above seal what they store, without this floor knowing a key.
//!
//! `model` defines the trait, `crypto` implements it over the barrier keyring, `node` hands the
//! implementation to `raft-store`. There is no key type in these signatures on purpose.

use crate::id::{Realm, TenantHandle};

/// Length in bytes of a row key's PRF parts (CONSISTENCY 8).
pub const ROW_PRF_LEN: usize = 16;

/// Seals and opens log payloads and rows under the barrier keyring, each bound to its place.
pub trait Sealer: Send + Sync + 'static {
    /// The realm all records are bound to.
    fn realm(&self) -> Realm;

    /// Seals `plaintext` under the keyring's current term: `u32be(term) ‖ KRW1 record` (CONSISTENCY 8).
    fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8>;

    /// Opens a record of any term in the keyring.
    ///
    /// # Errors
    /// [`Unopenable`] says why: another place, altered bytes, an unknown term.
    fn open(&self, aad: &[u8], record: &[u8]) -> Result<Vec<u8>, Unopenable>;

    /// The prefix under which all rows of a tenant lie: a PRF of the tenant's handle.
    fn row_prefix(&self, tenant: TenantHandle) -> [u8; ROW_PRF_LEN];

    /// A PRF of a name within a tenant's rows: exact match, no ranges.
    fn row_name(&self, tenant: TenantHandle, name: &[u8]) -> [u8; ROW_PRF_LEN];

    /// The keyed hash of one row for the additive set hash of a (tenant, table): absence has
    /// integrity (CONSISTENCY 8). 256 bits, to be added modulo 2²⁵⁶.
    fn set_hash(&self, key: &[u8], value: &[u8]) -> [u8; 32];
}

/// A sealed record that does not open here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopenable {
    /// Too short, or not a sealed record at all.
    #[error("not a sealed record")]
    Malformed,
    /// Sealed under a barrier term this keyring does not hold.
    #[error("sealed under barrier term {term}, which the keyring does not hold")]
    UnknownTerm {
        /// The term named by the record.
        term: u32,
    },
    /// The commitment or the authentication tag does not match: altered, moved, or another key's.
    #[error("the record was altered or does not belong in this place")]
    NotAuthentic,
}

/// `lp(a, b, …)`: for each part a 2-byte big-endian length, then the bytes (DESIGN 3).
///
/// # Panics
/// If a part is longer than 65,535 bytes: every part is of a bounded kind, so this is our own error.
#[must_use]
pub fn lp(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 2).sum());
    for part in parts {
        let length = u16::try_from(part.len()).expect("a part of lp() has at most 65,535 bytes");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}
