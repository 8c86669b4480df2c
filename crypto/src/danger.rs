//! DANGER: keys everybody knows, and a leak on purpose. Never part of a release.
//!
//! A memory or disk scan proves nothing unless it knows what to look for and shows that it would have
//! found it. With the feature `danger-known-keys`, `L2::generate` and `Seed::generate` return the
//! bytes below, from which a scanner derives every L3 and L4, and [`danger_leak`] is its positive control.

use model::id::{L2Version, ServiceHandle, TenantHandle};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// The known L2: SHA-256("keyraft danger known L2" ‖ tenant ‖ u16be(version)).
#[must_use]
pub fn known_l2(tenant: TenantHandle, version: L2Version) -> [u8; 32] {
    known(b"keyraft danger known L2", &[tenant.as_bytes(), &version.0.to_be_bytes()])
}

/// The known seed: SHA-256("keyraft danger known seed" ‖ tenant ‖ service).
#[must_use]
pub fn known_seed(tenant: TenantHandle, service: ServiceHandle) -> [u8; 32] {
    known(b"keyraft danger known seed", &[tenant.as_bytes(), service.as_bytes()])
}

/// Leaves a copy of a key on the heap for ever, where a scan must find it.
pub fn danger_leak(secret: &Secret) -> &'static [u8; 32] {
    secret.with(|bytes| Box::leak(Box::new(*bytes)))
}

fn known(what: &[u8], place: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(what);
    for part in place {
        hash.update(part);
    }
    hash.finalize().into()
}
