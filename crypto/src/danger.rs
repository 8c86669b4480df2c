//! DANGER: keys everybody knows, and a leak on purpose. Never part of a release.
//!
//! A memory or disk scan proves nothing unless it knows what to look for and shows that it would have
//! found it. With the feature `danger-known-keys`, `L2::generate` and `Seed::generate` return the
//! bytes below, from which a scanner derives every L3 and L4, and [`danger_leak`] is its positive control.

use std::sync::atomic::{AtomicBool, Ordering};

use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};
use sha2::{Digest, Sha256};

use crate::hierarchy::{DeriveError, L2, L3, L3Place, Seed};
use crate::secret::Secret;
use crate::stack::with_scrubbed_stack;

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

/// The L3 key of a place, made from the known L2 and the known seed as a node makes it.
///
/// # Errors
/// [`DeriveError::Arena`].
pub fn known_l3(realm: Realm, place: &L3Place) -> Result<L3, DeriveError> {
    let seed = Seed::generate(realm, place.tenant, place.service)?;
    L2::generate(realm, place.tenant, place.l2_version)?.l3(place.kdf, &seed)
}

/// A copy of an L3 key, for a scanner to look for.
#[must_use]
pub fn expose_l3(l3: &L3) -> [u8; 32] {
    l3.with(|bytes| *bytes)
}

/// The key that is leaked on purpose; it belongs to nobody: SHA-256("keyraft danger control").
#[must_use]
pub fn known_control() -> [u8; 32] {
    known(b"keyraft danger control", &[])
}

/// Leaves a copy of a key on the heap for ever, where a scan must find it.
pub fn danger_leak(secret: &Secret) -> &'static [u8; 32] {
    secret.with(|bytes| Box::leak(Box::new(*bytes)))
}

/// Whether keys rest where a scan can read them.
static ARENA_IS_OPEN: AtomicBool = AtomicBool::new(false);

/// From now on the arena grows by memory that a scan can read, so that it sees what is left there. Call it
/// before the first key is made.
pub fn danger_open_arena() {
    ARENA_IS_OPEN.store(true, Ordering::Relaxed);
}

pub(crate) fn arena_is_open() -> bool {
    ARENA_IS_OPEN.load(Ordering::Relaxed)
}

/// Scrubs the stack behind itself: a node's scan would find what this function left, not what the node did.
fn known(what: &[u8], place: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    with_scrubbed_stack(|| {
        let mut hash = Sha256::new();
        hash.update(what);
        place.iter().for_each(|part| hash.update(part));
        out.copy_from_slice(&hash.finalize());
    });
    out
}
