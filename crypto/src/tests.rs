//! Tests that need what the public interface rightly hides: chosen keys and chosen salts; and that it hides them.
#![allow(clippy::unwrap_used)] // A scene that cannot be set up is a failed test.

mod closed;
mod known_answers;
mod properties;
mod vectors;

use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};

use crate::hierarchy::{L2, Seed};
use crate::secret::Secret;
use crate::uid::UidRoot;

/// `N` bytes counting up from `first`.
const fn count_from<const N: usize>(first: u8) -> [u8; N] {
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = first + i as u8;
        i += 1;
    }
    out
}

fn secret(bytes: [u8; 32]) -> Secret {
    Secret::fill(|out| *out = bytes).unwrap()
}

// The fixture of DESIGN 3.
const REALM: Realm = Realm(count_from(0));
const TENANT: TenantHandle = TenantHandle([0x00, 0x11, 0x22, 0x33]);
const SERVICE: ServiceHandle = ServiceHandle([0, 0, 0, 0x2a]);
const VERSION: L2Version = L2Version(3);
const SALT: [u8; 32] = count_from(0x60);

fn l2() -> L2 {
    L2::from_secret(secret(count_from(0)), REALM, TENANT, VERSION)
}

fn seed() -> Seed {
    Seed::from_secret(secret(count_from(0x20)), REALM, TENANT, SERVICE)
}

fn uid_root() -> UidRoot {
    UidRoot::from_secret(secret(count_from(0x40)), REALM)
}
