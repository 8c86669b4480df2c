//! What must hold for any input: nothing opens in another place, nothing altered opens, keys of
//! different places differ.

use model::id::{L2Version, Realm, ServiceHandle, TenantHandle};
use model::sealer::{Sealer, Unopenable, lp};
use model::uid::{Fields, Header, Kdf, Kind};
use proptest::prelude::*;

use super::{REALM, SALT, SERVICE, TENANT, VERSION, count_from, l2, secret, seed, uid_root};
use crate::hierarchy::{DeriveError, L2, Seed};
use crate::keyring::{Keyring, KeyringError};
use crate::l1_payload::{Kek, L1Payload, L1PayloadError};
use crate::uid::Commitments;
use crate::wrap::{self, WrapError};

fn config() -> ProptestConfig {
    ProptestConfig { cases: 1000, ..ProptestConfig::default() }
}

fn header(kind: Kind, nonce: [u8; 12]) -> Header {
    Header::new(&Fields {
        kind,
        kdf: Kdf::Hkdf,
        tenant: TENANT,
        service: SERVICE,
        l2_version: VERSION,
        created_s: 1,
        algorithm: 3,
        length_bytes: 32,
        usage_mask: 0x0c,
        nonce,
    })
}

fn arb_kdf() -> impl Strategy<Value = Kdf> {
    prop_oneof![Just(Kdf::Hkdf), Just(Kdf::Counter)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_record_opens_where_it_was_sealed(plain in any::<Vec<u8>>(), aad in any::<Vec<u8>>()) {
        let root = secret(count_from(1));
        let record = wrap::seal(&root, &aad, &plain);
        prop_assert_eq!(record.len(), plain.len() + wrap::OVERHEAD_BYTES);
        prop_assert_eq!(&**wrap::open(&root, &aad, &record).unwrap(), &plain[..]);
    }

    #[test]
    fn a_changed_record_does_not_open(
        plain in any::<Vec<u8>>(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let root = secret(count_from(1));
        let mut record = wrap::seal(&root, b"place", &plain);
        let at = at.index(record.len());
        record[at] ^= flip;
        prop_assert!(wrap::open(&root, b"place", &record).is_err());
    }

    #[test]
    fn a_shortened_record_does_not_open(plain in any::<Vec<u8>>(), keep in any::<prop::sample::Index>()) {
        let root = secret(count_from(1));
        let record = wrap::seal(&root, b"place", &plain);
        prop_assert!(wrap::open(&root, b"place", &record[..keep.index(record.len())]).is_err());
    }

    #[test]
    fn a_changed_place_does_not_open(
        parts in prop::collection::vec(any::<Vec<u8>>(), 1..5),
        at in any::<prop::sample::Index>(),
        other in any::<Vec<u8>>(),
    ) {
        let mut moved = parts.clone();
        let at = at.index(parts.len());
        moved[at] = other;
        prop_assume!(moved != parts);
        let place = |parts: &[Vec<u8>]| lp(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let root = secret(count_from(1));
        let record = wrap::seal(&root, &place(&parts), b"plaintext");
        prop_assert_eq!(wrap::open(&root, &place(&moved), &record).unwrap_err(), WrapError::NotAuthentic);
    }

    #[test]
    fn another_key_does_not_open(key in any::<[u8; 32]>()) {
        prop_assume!(key != count_from(1));
        let record = wrap::seal(&secret(count_from(1)), b"place", b"plaintext");
        let opened = wrap::open(&secret(key), b"place", &record);
        prop_assert_eq!(opened.unwrap_err(), WrapError::NotAuthentic);
    }

    #[test]
    fn opening_faces_anything(record in any::<Vec<u8>>(), aad in any::<Vec<u8>>()) {
        prop_assert!(wrap::open(&secret(count_from(1)), &aad, &record).is_err());
        prop_assert!(L1Payload::from_bytes(&record).is_err() || record.len() == 64);
    }

    #[test]
    fn another_place_gives_another_l3(
        realm in any::<[u8; 16]>(),
        tenant in any::<[u8; 4]>(),
        service in any::<[u8; 4]>(),
        version in any::<u16>(),
        seed_bytes in any::<[u8; 32]>(),
        kdf in arb_kdf(),
    ) {
        let make = |realm, tenant, service, version, seed_bytes| {
            let l2 = L2::from_secret(secret(count_from(0)), realm, tenant, version);
            let seed = Seed::from_secret(secret(seed_bytes), realm, tenant, service);
            l2.l3(kdf, &seed).unwrap().with(|key| *key)
        };
        let known = (REALM, TENANT, SERVICE, VERSION, count_from(0x20));
        let base = make(known.0, known.1, known.2, known.3, known.4);
        if realm != REALM.0 {
            prop_assert_ne!(make(Realm(realm), known.1, known.2, known.3, known.4), base);
        }
        if tenant != TENANT.0 {
            prop_assert_ne!(make(known.0, TenantHandle(tenant), known.2, known.3, known.4), base);
        }
        if service != SERVICE.0 {
            prop_assert_ne!(make(known.0, known.1, ServiceHandle(service), known.3, known.4), base);
        }
        if version != VERSION.0 {
            prop_assert_ne!(make(known.0, known.1, known.2, L2Version(version), known.4), base);
        }
        if seed_bytes != known.4 {
            prop_assert_ne!(make(known.0, known.1, known.2, known.3, seed_bytes), base);
        }
    }

    #[test]
    fn another_header_bit_gives_another_key_and_no_tag(bit in 88usize..256) {
        let good = header(Kind::EphemeralActive, count_from(0x80));
        let mut bytes = *good.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Some(forged) = Header::parse(bytes) else { return Ok(()) };

        let key = uid_root().tenant_key(TENANT).unwrap();
        let commitments = Commitments { l2: l2().commitment(), seed: seed().commitment() };
        let mut uid = key.make(good, &commitments);
        uid.header = forged;
        prop_assert!(!key.verify(&uid, &commitments));

        let l3 = l2().l3(Kdf::Hkdf, &seed()).unwrap();
        let l4 = |header: &Header| {
            let mut out = vec![0; header.fields().length_bytes.into()];
            l3.l4(header, None, &mut out).map(|()| out)
        };
        if let Ok(other) = l4(&forged) {
            let base = l4(&good).unwrap();
            let shared = base.len().min(other.len()).min(8);
            prop_assert!(shared < 8 || base[..8] != other[..8], "a prefix is shared");
        }
    }

    #[test]
    fn a_tag_is_bound_to_tenant_and_commitments(
        tenant in any::<[u8; 4]>(),
        l2_bit in 0usize..256,
        seed_bit in 0usize..256,
        tag_bit in 0usize..64,
    ) {
        let key = uid_root().tenant_key(TENANT).unwrap();
        let good = Commitments { l2: l2().commitment(), seed: seed().commitment() };
        let uid = key.make(header(Kind::EphemeralActive, [0; 12]), &good);
        let mut other = good;
        other.l2.0[l2_bit / 8] ^= 1 << (l2_bit % 8);
        prop_assert!(!key.verify(&uid, &other));
        other = good;
        other.seed.0[seed_bit / 8] ^= 1 << (seed_bit % 8);
        prop_assert!(!key.verify(&uid, &other));
        let mut altered = uid;
        altered.tag[tag_bit / 8] ^= 1 << (tag_bit % 8);
        prop_assert!(!key.verify(&altered, &good));
        if tenant != TENANT.0 {
            prop_assert!(!uid_root().tenant_key(TenantHandle(tenant)).unwrap().verify(&uid, &good));
        }
    }

    #[test]
    fn an_l1_payload_is_bound_to_its_place(at in 0usize..64, flip in 1u8..) {
        let payload = L1Payload::of_l2(&l2(), "l1:test").unwrap();
        let bytes = payload.with(|bytes| *bytes);
        let commitment = l2().commitment();
        let open = |bytes: &[u8], tenant, version, l1_ref: &str| {
            L1Payload::from_bytes(bytes)?.into_l2(REALM, tenant, version, l1_ref, &commitment).map(|_| ())
        };
        prop_assert_eq!(open(&bytes, TENANT, VERSION, "l1:test"), Ok(()));
        let wrong = Err(L1PayloadError::WrongPlace);
        prop_assert_eq!(open(&bytes, TenantHandle([9; 4]), VERSION, "l1:test"), wrong);
        prop_assert_eq!(open(&bytes, TENANT, L2Version(4), "l1:test"), wrong);
        prop_assert_eq!(open(&bytes, TENANT, VERSION, "l1:test2"), wrong);
        let mut altered = bytes;
        altered[at] ^= flip;
        prop_assert_eq!(open(&altered, TENANT, VERSION, "l1:test"), wrong);
        prop_assert_eq!(open(&bytes[1..], TENANT, VERSION, "l1:test"), Err(L1PayloadError::Length { given: 63 }));
    }

    #[test]
    fn rows_do_not_reveal_or_share_names(a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
        let keyring = Keyring::generate(REALM).unwrap();
        prop_assume!(a != b);
        prop_assert_ne!(keyring.row_name(TENANT, &a), keyring.row_name(TENANT, &b));
        prop_assert_ne!(keyring.row_name(TENANT, &a), keyring.row_name(TenantHandle([9; 4]), &a));
        prop_assert_ne!(keyring.row_name(TENANT, &a), keyring.row_prefix(TENANT));
        // Bytes that move from the value to the key make another row.
        if !b.is_empty() {
            prop_assert_ne!(keyring.set_hash(&a, &b), keyring.set_hash(&[&a[..], &b[..]].concat(), &[]));
        }
    }
}

#[test]
fn another_key_in_an_honest_payload_is_an_alarm() {
    let other = L2::from_secret(secret(count_from(1)), REALM, TENANT, VERSION);
    let payload = L1Payload::of_l2(&other, "l1:test").unwrap();
    let opened = payload.into_l2(REALM, TENANT, VERSION, "l1:test", &l2().commitment());
    assert_eq!(opened.err(), Some(L1PayloadError::WrongKey));
}

#[test]
fn a_tenant_payload_is_not_the_barriers_key() {
    let kek = Kek::generate().unwrap();
    assert!(L1Payload::of_kek(&kek, REALM, "l1:test").unwrap().into_kek(REALM, "l1:test").is_ok());
    let theirs = L1Payload::of_l2(&l2(), "l1:test").unwrap();
    assert_eq!(theirs.into_kek(REALM, "l1:test").err(), Some(L1PayloadError::WrongPlace));
    let long = "x".repeat(1025);
    assert_eq!(L1Payload::of_kek(&kek, REALM, &long).err(), Some(L1PayloadError::RefTooLong { given: 1025 }));
}

#[test]
fn keys_of_two_places_do_not_combine() {
    let elsewhere = Seed::from_secret(secret([7; 32]), REALM, TenantHandle([9; 4]), SERVICE);
    assert_eq!(l2().l3(Kdf::Hkdf, &elsewhere).err(), Some(DeriveError::WrongPlace));
    let l3 = l2().l3(Kdf::Counter, &seed()).unwrap();
    let mut out = [0xff; 32];
    let other_kdf = header(Kind::EphemeralActive, [0; 12]);
    assert_eq!(l3.l4(&other_kdf, None, &mut out), Err(DeriveError::WrongPlace));
    assert_eq!(out, [0; 32], "a refused derivation leaves no bytes");
    assert_eq!(l3.material_root(&other_kdf, &SALT).err(), Some(DeriveError::WrongPlace));
}

#[test]
fn each_kind_is_derived_in_its_own_way() {
    let l3 = l2().l3(Kdf::Hkdf, &seed()).unwrap();
    let l4 = |kind, salt: Option<&[u8; 32]>, length: usize| {
        l3.l4(&header(kind, [0; 12]), salt, &mut vec![0; length])
    };
    assert_eq!(l4(Kind::EphemeralActive, None, 32), Ok(()));
    assert_eq!(l4(Kind::Recorded, Some(&SALT), 32), Ok(()));
    assert_eq!(l4(Kind::EphemeralActive, Some(&SALT), 32), Err(DeriveError::Salt));
    assert_eq!(l4(Kind::Recorded, None, 32), Err(DeriveError::Salt));
    assert_eq!(l4(Kind::Registered, Some(&SALT), 32), Err(DeriveError::NotDerived));
    let short = Err(DeriveError::Length { expected: 32, given: 31 });
    assert_eq!(l4(Kind::EphemeralActive, None, 31), short);
    let ephemeral = header(Kind::EphemeralActive, [0; 12]);
    assert_eq!(l3.material_root(&ephemeral, &SALT).err(), Some(DeriveError::NotDerived));
    assert_eq!(l3.context_nonce(&vec![0; 65_536], b""), Err(DeriveError::ContextTooLong));
    assert_ne!(l3.context_nonce(b"a", b"b"), l3.context_nonce(b"ab", b""));
}

#[test]
fn the_keyring_survives_its_sealed_form() {
    let kek = Kek::generate().unwrap();
    let keyring = Keyring::generate(REALM).unwrap();
    let early = keyring.seal(b"aad", b"early");
    keyring.install_term(&keyring.propose_term().unwrap()).unwrap();
    let between = keyring.seal(b"aad", b"between");
    assert_eq!(between[..4], [0, 0, 0, 1], "not every node holds the new term yet");
    assert_eq!(Keyring::unseal(REALM, &kek, &keyring.sealed(&kek)).unwrap().current_term(), 1);
    assert_eq!(keyring.seal_with(3), Err(KeyringError::UnknownTerm { term: 3 }));
    keyring.seal_with(2).unwrap();
    keyring.seal_with(1).unwrap();
    let late = keyring.seal(b"aad", b"late");
    assert_eq!(early[..4], [0, 0, 0, 1]);
    assert_eq!(late[..4], [0, 0, 0, 2]);

    let sealed = keyring.sealed(&kek);
    let again = Keyring::unseal(REALM, &kek, &sealed).unwrap();
    assert_eq!(again.current_term(), 2);
    assert_eq!(again.open(b"aad", &early).unwrap(), b"early");
    assert_eq!(again.open(b"aad", &late).unwrap(), b"late");
    assert_eq!(again.open(b"other", &late), Err(Unopenable::NotAuthentic));
    assert_eq!(again.row_name(TENANT, b"name"), keyring.row_name(TENANT, b"name"));
    assert_eq!(again.set_hash(b"k", b"v"), keyring.set_hash(b"k", b"v"));
    let k_uid = |keyring: &Keyring| keyring.uid_root().tenant_key(TENANT).unwrap().secret().with(|k| *k);
    assert_eq!(k_uid(&again), k_uid(&keyring));

    let elsewhere = Keyring::unseal(Realm([9; 16]), &kek, &sealed);
    assert_eq!(elsewhere.err(), Some(KeyringError::NotAuthentic));
    assert_eq!(
        Keyring::unseal(REALM, &Kek::generate().unwrap(), &sealed).err(),
        Some(KeyringError::NotAuthentic)
    );
}

#[test]
fn terms_are_added_in_order_and_once() {
    let keyring = Keyring::generate(REALM).unwrap();
    let (second, rival) = (keyring.propose_term().unwrap(), keyring.propose_term().unwrap());
    assert_eq!(keyring.install_term(&second), Ok(2));
    assert_eq!(keyring.install_term(&second), Ok(2), "replayed");
    assert_eq!(keyring.install_term(&rival), Err(KeyringError::TermConflict { term: 2 }));
    keyring.seal_with(2).unwrap();
    let third = keyring.propose_term().unwrap();
    assert_eq!(third[..8], [0, 0, 0, 3, 0, 0, 0, 2]);
    let mut renumbered = third.clone();
    renumbered[3] = 4;
    assert_eq!(keyring.install_term(&renumbered), Err(KeyringError::NotAuthentic));
    assert_eq!(keyring.install_term(&third), Ok(3));
    assert_eq!(keyring.install_term(&[0, 0]), Err(KeyringError::Malformed));

    keyring.seal_with(3).unwrap();
    let behind = Keyring::generate(REALM).unwrap();
    let record = keyring.seal(b"aad", b"plain");
    assert_eq!(behind.open(b"aad", &record), Err(Unopenable::UnknownTerm { term: 3 }));
    assert_eq!(behind.open(b"aad", b"no"), Err(Unopenable::Malformed));
}

#[test]
fn a_sealed_seed_opens_for_its_service_alone() {
    let keyring = Keyring::generate(REALM).unwrap();
    let record = keyring.seal_seed(&seed());
    let opened = keyring.open_seed(TENANT, SERVICE, &record).unwrap();
    assert!(opened.matches(&seed().commitment()));
    let denied = Some(KeyringError::NotAuthentic);
    assert_eq!(keyring.open_seed(TenantHandle([9; 4]), SERVICE, &record).err(), denied);
    assert_eq!(keyring.open_seed(TENANT, ServiceHandle([9; 4]), &record).err(), denied);
    assert_eq!(Sealer::open(&keyring, b"aad", &record), Err(Unopenable::NotAuthentic));
}
