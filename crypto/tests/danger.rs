//! The known keys of `danger-known-keys` are the ones documented, and the leak is one.
//!
//! Run: `cargo test --release -p crypto --features danger-known-keys --test danger`
#![allow(clippy::unwrap_used)] // A scene that cannot be set up is a failed test.

use crypto::danger::{danger_leak, known_l2, known_seed};
use crypto::{L1Payload, L2, Secret, Seed};
use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};

const REALM: Realm = Realm([1; 16]);
const TENANT: TenantHandle = TenantHandle([0x00, 0x11, 0x22, 0x33]);
const SERVICE: ServiceHandle = ServiceHandle([0, 0, 0, 0x2a]);

#[test]
fn generated_keys_are_the_documented_ones() {
    let l2 = L2::generate(REALM, TENANT, L2Version(3)).unwrap();
    L1Payload::of_l2(&l2, "l1:test")
        .unwrap()
        .with(|bytes| assert_eq!(bytes[..32], known_l2(TENANT, L2Version(3))));
    assert_ne!(known_l2(TENANT, L2Version(3)), known_l2(TENANT, L2Version(4)));
    assert_ne!(known_seed(TENANT, SERVICE), known_seed(SERVICE_AS_TENANT, SERVICE));
    let again = Seed::generate(REALM, TENANT, SERVICE).unwrap();
    assert!(again.matches(&Seed::generate(REALM, TENANT, SERVICE).unwrap().commitment()));
}

const SERVICE_AS_TENANT: TenantHandle = TenantHandle(SERVICE.0);

#[test]
fn the_leak_is_outside_the_arena() {
    let secret = Secret::fill(|out| *out = [7; 32]).unwrap();
    let leaked = danger_leak(&secret);
    drop(secret);
    assert_eq!(*leaked, [7; 32]);
}
