//! The key hierarchy below L1: L2 and seed make L3, L3 and an identifier make a data key (DESIGN 3).
//!
//! Each key knows its place (realm, tenant, service, version) and refuses to be combined with a key
//! or an identifier of another place. That check is a second lock: the place also stands in every
//! derivation's context, so a mix-up could only yield bytes that belong to nobody.

use model::id::{L2Version, ServiceHandle, TenantHandle};
use model::uid::{Fields, Header, Kdf, Kind};

use crate::arena::ArenaError;

mod l2;
mod l3;
mod seed;

pub use l2::{L2, L2Commitment};
pub use l3::{L3, L3Place};
pub use seed::{Seed, SeedCommitment};

/// KMIP usage mask bit Derive Key (KMIP 2.1, 11.16): the only use of a service root.
const MASK_DERIVE_KEY: u32 = 0x200;

/// The header of a service root: the kind 5 identifier that Derive Key starts from. It names a
/// service, not a key; no material is ever derived for it.
#[must_use]
pub fn service_root(kdf: Kdf, tenant: TenantHandle, service: ServiceHandle, l2_version: L2Version) -> Header {
    Header::new(&Fields {
        kind: Kind::Context,
        kdf,
        tenant,
        service,
        l2_version,
        created_s: 0,
        algorithm: 0,
        length_bytes: 0,
        usage_mask: MASK_DERIVE_KEY,
        nonce: [0; 12],
    })
}

/// Why a key was not derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// The identifier or the other key belongs to another tenant, service, version or function.
    #[error("the key belongs to another realm, tenant, service, L2 version or KDF")]
    WrongPlace,
    /// This identifier has no derived material: a registered object, a service root, or an algorithm
    /// and length outside the closed table.
    #[error("an identifier of this kind, algorithm and length has no derived key")]
    NotDerived,
    /// A recorded key needs its record's salt, all others have none.
    #[error("a recorded key is derived with its record's salt, any other without")]
    Salt,
    /// The buffer does not have the identifier's length.
    #[error("the identifier says {expected} bytes, the buffer has {given}")]
    Length {
        /// Bytes the identifier names.
        expected: usize,
        /// Bytes the caller gave.
        given: usize,
    },
    /// A salt or info of a context key is too long to be a part of a context.
    #[error("salt and info of a context key have at most 65,535 bytes each")]
    ContextTooLong,
    /// 256 draws gave no sound key; for an honest function this never happens.
    #[error("no sound key of this algorithm in 256 draws")]
    NoSoundKey,
    /// No slot for the result.
    #[error(transparent)]
    Arena(#[from] ArenaError),
}
