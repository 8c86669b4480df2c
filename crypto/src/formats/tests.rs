//! Every form of every kind of key, there and back.

use hex_literal::hex;

use super::*;

/// secp256k1, as OpenSSL writes it: with parameters and public point.
const SEC1_K256: &[u8] = &hex!(
    "30740201010420"
    "0000000000000000000000000000000000000000000000000000000000000001"
    "a00706052b8104000aa14403420004"
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
);

/// RFC 8410, section 10.3: an Ed25519 key.
const ED25519_PKCS8: &[u8] =
    &hex!("302e020100300506032b657004220420d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842");
/// Its public half (RFC 8410, section 10.1).
const ED25519_SPKI: &[u8] =
    &hex!("302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");

fn n(bytes: &[u8]) -> Number {
    Number::new(bytes)
}

#[test]
fn sec1_comes_back_byte_for_byte() {
    let key = PrivateKey::from_sec1(SEC1_K256, None).expect("parses");
    assert_eq!(&**key.to_sec1().expect("SEC1"), SEC1_K256);
    assert_eq!(key.bits(), 256);
}

#[test]
fn a_point_that_was_not_given_is_computed() {
    let PrivateKey::Ec(mut key) = PrivateKey::from_sec1(SEC1_K256, None).expect("parses") else {
        panic!("an EC key")
    };
    let given = key.point.take();
    assert_eq!(key.public_point(), given);
}

#[test]
fn edwards_keys_follow_rfc_8410() {
    let key = PrivateKey::from_pkcs8(ED25519_PKCS8).expect("parses");
    assert_eq!(&**key.to_pkcs8().expect("PKCS#8"), ED25519_PKCS8);
    assert_eq!(key.public().expect("public").to_spki().expect("SPKI"), ED25519_SPKI);
    assert_eq!(PublicKey::from_spki(ED25519_SPKI), key.public());
}

#[test]
fn rsa_numbers_survive_pkcs1_and_pkcs8() {
    // 61 and 53: the textbook's key.
    let textbook = PrivateKey::Rsa(RsaPrivateKey {
        modulus: n(&3233_u32.to_be_bytes()),
        public_exponent: n(&[17]),
        private_exponent: n(&2753_u32.to_be_bytes()),
        crt: Some(RsaCrt {
            p: n(&[61]),
            q: n(&[53]),
            exponent_p: n(&[53]),
            exponent_q: n(&[49]),
            coefficient: n(&[38]),
        }),
    });
    let pkcs1 = textbook.to_pkcs1().expect("PKCS#1");
    let again = PrivateKey::from_pkcs8(&textbook.to_pkcs8().expect("PKCS#8")).expect("parses");
    assert_eq!(again.to_pkcs1().expect("PKCS#1"), pkcs1);
    assert_eq!(pkcs1[..5], hex!("301d020100"));
    let public = textbook.public().expect("public");
    assert_eq!(PublicKey::from_pkcs1(&public.to_pkcs1().expect("PKCS#1")), Ok(public.clone()));
    assert_eq!(PublicKey::from_spki(&public.to_spki().expect("SPKI")), Ok(public));
}

#[test]
fn dsa_and_dh_keys_carry_their_domain() {
    let dsa = PrivateKey::Dsa(DsaPrivateKey { p: n(&[23]), q: n(&[11]), g: n(&[4]), x: n(&[7]) });
    let PrivateKey::Dsa(again) = PrivateKey::from_pkcs8(&dsa.to_pkcs8().expect("PKCS#8")).expect("parses")
    else {
        panic!("a DSA key")
    };
    assert_eq!((again.p.bytes(), again.q.bytes(), again.x.bytes()), (&[23][..], &[11][..], &[7][..]));
    for q in [None, Some(n(&[11]))] {
        let dh = PublicKey::Dh(DhPublicKey { p: n(&[23]), q, g: n(&[5]), j: None, y: n(&[8]) });
        assert_eq!(PublicKey::from_spki(&dh.to_spki().expect("SPKI")), Ok(dh));
    }
}

#[test]
fn forms_a_kind_does_not_have_are_refused() {
    let key = PrivateKey::from_pkcs8(ED25519_PKCS8).expect("parses");
    assert!(matches!(key.to_pkcs1(), Err(FormatError::NoSuchForm { .. })));
    assert!(matches!(key.to_sec1(), Err(FormatError::NoSuchForm { .. })));
    let bare = PrivateKey::Rsa(RsaPrivateKey {
        modulus: n(&[143]),
        public_exponent: n(&[7]),
        private_exponent: n(&[103]),
        crt: None,
    });
    assert!(matches!(bare.to_pkcs8(), Err(FormatError::Incomplete { .. })));
}

#[test]
fn truncated_keys_are_refused_at_every_length() {
    for end in 0..SEC1_K256.len() {
        assert!(PrivateKey::from_sec1(&SEC1_K256[..end], None).is_err());
    }
    for end in 0..ED25519_SPKI.len() {
        assert!(PublicKey::from_spki(&ED25519_SPKI[..end]).is_err());
    }
    for end in 0..ED25519_PKCS8.len() {
        assert!(PrivateKey::from_pkcs8(&ED25519_PKCS8[..end]).is_err());
    }
}

#[test]
fn big_integers_are_never_negative_and_whole_words() {
    for (bytes, expected) in [
        (&[][..], &[0; 8][..]),
        (&[0x7f], &hex!("000000000000007f")),
        (&hex!("80000000000000ff"), &hex!("000000000000000080000000000000ff")),
    ] {
        assert_eq!(**n(bytes).to_big_integer(), *expected);
    }
    assert_eq!(n(&[0, 0, 5]).bits(), 3);
    assert!(n(&[1, 0]).padded(1).is_none());
}

#[test]
fn numbers_never_print_themselves() {
    assert_eq!(format!("{:?}", n(&[0xff, 0xff])), "[16 bits]");
}
