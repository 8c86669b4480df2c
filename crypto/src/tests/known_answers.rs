//! Every known answer of DESIGN 3. A change of one of them is a change of every customer's keys.

use hex_literal::hex;
use model::id::{BootId, ClusterId};
use model::uid::{Fields, Header, Kdf, Kind};

use super::{REALM, SALT, SERVICE, TENANT, VERSION, count_from, l2, seed, uid_root};
use crate::hierarchy::{L3, service_root};
use crate::iv::GcmIvSource;
use crate::l1_payload::L1Payload;
use crate::uid::Commitments;

const BOTH: [Kdf; 2] = [Kdf::Hkdf, Kdf::Counter];

fn fields(kind: Kind, kdf: Kdf) -> Fields {
    Fields {
        kind,
        kdf,
        tenant: TENANT,
        service: SERVICE,
        l2_version: VERSION,
        created_s: 0x65f0_a1b2,
        algorithm: 3,
        length_bytes: 32,
        usage_mask: 0x0c,
        nonce: count_from(0x80),
    }
}

fn l3(kdf: Kdf) -> L3 {
    l2().l3(kdf, &seed()).unwrap()
}

fn check_uid(header: &Header, expected: &str) {
    let key = uid_root().tenant_key(TENANT).unwrap();
    let commitments = Commitments { l2: l2().commitment(), seed: seed().commitment() };
    let uid = key.make(*header, &commitments);
    assert_eq!(uid.to_string(), expected);
    assert!(key.verify(&uid, &commitments));
}

fn check_l4(header: &Header, salt: Option<&[u8; 32]>, expected: &[u8]) {
    let mut out = vec![0xff; expected.len()];
    l3(header.fields().kdf).l4(header, salt, &mut out).unwrap();
    assert_eq!(hex::encode(out), hex::encode(expected));
}

/// Checks the identifier and key of one header under both functions.
fn check(header: impl Fn(Kdf) -> Header, salt: Option<&[u8; 32]>, uids: [&str; 2], keys: [&[u8]; 2]) {
    for ((kdf, uid), key) in BOTH.into_iter().zip(uids).zip(keys) {
        check_uid(&header(kdf), uid);
        check_l4(&header(kdf), salt, key);
    }
}

#[test]
fn identifier_key_and_commitments() {
    uid_root().tenant_key(TENANT).unwrap().secret().with(|k_uid| {
        assert_eq!(*k_uid, hex!("c3c83450a9c0c2bf2cda945b54c75956a213398158105f3e9fcdbc335c052af2"));
    });
    assert_eq!(l2().commitment().0, hex!("c6a9a4b8ec50907b2a66673063809910aa6e3c47d68a3a36a2d9aa6a537a4a59"));
    assert_eq!(
        seed().commitment().0,
        hex!("5aabb1cda6b501bf29e1b1c5d7026c347db001cc84b7efbcf8b56e2748f76525")
    );
}

#[test]
fn l3_of_both_functions() {
    let expected = [
        hex!("e365c669d4158beb83ac32015fdfa0acb9add336dbe062a66e0f149853a55a22"),
        hex!("3b3b6c990a324e4919d1a4b78c06044f369088506d1177a18d02649392d4027c"),
    ];
    for (kdf, expected) in BOTH.into_iter().zip(expected) {
        l3(kdf).with(|key| assert_eq!(*key, expected));
    }
}

#[test]
fn kind_1_ephemeral_pre_active() {
    check(
        |kdf| Header::new(&fields(Kind::EphemeralPreActive, kdf)),
        None,
        [
            "ceabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkfx7vrsoov2uabn",
            "ciabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkfxq7pkb57x237b",
        ],
        [
            &hex!("976df6c5b850cf89a6f844cc695221ffc92343ac2707ada1179b76565029ef4e"),
            &hex!("76d0123ffd428edc01172d8a4d41914429cb7bbf100d396d5d9bf66e50a48871"),
        ],
    );
}

#[test]
fn kind_4_ephemeral_active() {
    check(
        |kdf| Header::new(&fields(Kind::EphemeralActive, kdf)),
        None,
        [
            "ieabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkf2yamsajdw3oai",
            "iiabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkf37ubjvwnksvrz",
        ],
        [
            &hex!("a11b149750d0ef9dbc0d737fb43727df4e9e45111d98a007486df240c25d6813"),
            &hex!("5a28b9660ff2ca6e6b2596855104f1c789f29689116bf9cf463345ccba401e21"),
        ],
    );
}

#[test]
fn kind_2_recorded() {
    check(
        |kdf| Header::new(&fields(Kind::Recorded, kdf)),
        Some(&SALT),
        [
            "eeabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkf3xggza3nhkqef",
            "eiabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkftpcco5gfjn3ja",
        ],
        [
            &hex!("7b1845f1536a5a772e87145443e69f7eff2b798ddb647195364a43758206c864"),
            &hex!("505fd8e095d5e1156dc8bcd58a1fe511a8e93152b04b6e2f448c6e8946680bb5"),
        ],
    );
}

#[test]
fn triple_des_has_odd_parity() {
    check(
        |kdf| {
            Header::new(&Fields { algorithm: 2, length_bytes: 24, ..fields(Kind::EphemeralPreActive, kdf) })
        },
        None,
        [
            "ceabcirtaaaaakqaans7binsaimaaaamqcayfa4eqwdipcejrkf3blspyvq5idfx",
            "ciabcirtaaaaakqaans7binsaimaaaamqcayfa4eqwdipcejrkfrvtfq6szi5fkc",
        ],
        [
            &hex!("b9b6e9ceab4ff7b0f4d316df261097cb97a8f1496e1c8f57"),
            &hex!("23c8ced38aaddcbcae9245797c2a7343ba548640b5b60ed5"),
        ],
    );
}

#[test]
fn kind_5_context_key() {
    check(
        |kdf| {
            let nonce = l3(kdf).context_nonce(b"", b"orders/2026").unwrap();
            Header::new(&Fields { created_s: 0, nonce, ..fields(Kind::Context, kdf) })
        },
        None,
        [
            "keabcirtaaaaakqaamaaaaaaamqaaaam6qo55meqdz5ghxdgsqmiwuiegw6lq4zt",
            "kiabcirtaaaaakqaamaaaaaaamqaaaamkl7zuflowqwvkr5uu7zgyhnmm7vo6p2h",
        ],
        [
            &hex!("452670b6d4d59f3c2ed9a2dcb8ca88c1f59ababa6bfca2b1094548ebdd044267"),
            &hex!("a2c535b4840354a743ae03126d793f6535a56b959503c4432f68ba7b3e31d99d"),
        ],
    );
}

#[test]
fn service_roots_are_identifiers_without_a_key() {
    let uids = [
        "keabcirtaaaaakqaamaaaaaaaaaaaaqaaaaaaaaaaaaaaaaaaaadcmehjeetghzn",
        "kiabcirtaaaaakqaamaaaaaaaaaaaaqaaaaaaaaaaaaaaaaaaaamhftth7zpp4kj",
    ];
    for (kdf, uid) in BOTH.into_iter().zip(uids) {
        let header = service_root(kdf, TENANT, SERVICE, VERSION);
        check_uid(&header, uid);
        assert!(l3(kdf).l4(&header, None, &mut []).is_err());
    }
}

#[test]
fn kind_3_registered_material() {
    let uids = [
        "geabcirtaaaaakqaans7binsaaaaaaaaqcayfa4eqwdipcejrkf5brpzkcauas3j",
        "giabcirtaaaaakqaans7binsaaaaaaaaqcayfa4eqwdipcejrkf5rpu2vuiw46ut",
    ];
    let roots = [
        hex!("d343b895aa47badaae9724b1006de52100880556d256ad240530e43b932af3a2"),
        hex!("50c244b140ab50815828f1d39907c360410476d64b5c78e5aa03ad288f3f16a0"),
    ];
    let after_salt: [[u8; 64]; 2] = [
        hex!(
            "afc1568f77d1f07a1052c0366ca5d9c1211ca1412ea33a0cdf0ec07fab1d0034"
            "3eceb92d5e29ac1543037d3279f815f9ede056d30a20a7f54f8e7995458297d1"
        ),
        hex!(
            "aeac140679b3501d78f23b163864f4b31479c0805bc37014c244c85709000ce6"
            "289a604730c6140a440f64e06d9630fe90ef88f93f0a1a960ffd2c65a07336b4"
        ),
    ];
    for (i, kdf) in BOTH.into_iter().enumerate() {
        let header = Header::new(&Fields {
            algorithm: 0,
            length_bytes: 0,
            usage_mask: 0,
            ..fields(Kind::Registered, kdf)
        });
        check_uid(&header, uids[i]);
        let root = l3(kdf).material_root(&header, &SALT).unwrap();
        root.secret().with(|key| assert_eq!(*key, roots[i]));

        let wrap_salt = count_from(0xa0);
        let record = root.wrap_with_salt(2, 1, &wrap_salt, &[0x11; 16]);
        let expected = [&hex!("4b52573101")[..], &wrap_salt, &after_salt[i]].concat();
        assert_eq!(hex::encode(&record), hex::encode(expected));
        assert_eq!(**root.unwrap(2, 1, &record).unwrap(), [0x11; 16]);
    }
}

#[test]
fn l1_payload() {
    let payload = L1Payload::of_l2(&l2(), "l1:test").unwrap();
    payload.with(|bytes| {
        assert_eq!(bytes[..32], count_from::<32>(0));
        assert_eq!(bytes[32..], hex!("444b2539b74ddf016dbae181e2e795b0fed87780b6111f02cbc3c6ee9fd4d9aa"));
    });
    assert!(payload.into_l2(REALM, TENANT, VERSION, "l1:test", &l2().commitment()).is_ok());
}

#[test]
fn server_gcm_iv() {
    let key = uid_root().tenant_key(TENANT).unwrap();
    let expected = [hex!("d31f1004c073460000000001"), hex!("e25e2d042055a10000000001")];
    for (kdf, expected) in BOTH.into_iter().zip(expected) {
        let source = GcmIvSource::new(ClusterId(count_from(0xf0)), BootId(7));
        let header = Header::new(&fields(Kind::EphemeralPreActive, kdf));
        assert_eq!(source.next(&key, &header).unwrap(), expected);
        assert_eq!(source.next(&key, &header).unwrap()[7..], [0, 0, 0, 0, 2]);
    }
}
