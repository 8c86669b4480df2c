//! What a data key must look like: the closed table of algorithms and lengths, and the wrapping of
//! material that is not derived (DESIGN 3).
//!
//! KMIP counts 3DES and SKIPJACK in bits of key strength, everything else in bits of material. 3DES is also known by
//! its material, parity bits included: that is how PyKMIP and libraries of ciphers count.

use model::id::Realm;
use model::uid::Header;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::labels;
use crate::secret::Secret;
use crate::wrap::{self, WrapError};

/// KMIP Cryptographic Algorithm numbers with rules of their own (KMIP 2.1, 11.12).
const TRIPLE_DES: u8 = 0x02;
const AES: u8 = 0x03;
const SKIPJACK: u8 = 0x18;

/// Public-key algorithms: their keys have structure and are never derived.
/// RSA DSA ECDSA, DH ECDH ECMQV, EC, SM2, GOST R 34.10-2012, XMSS to McEliece-8192128, Ed25519, Ed448.
const ASYMMETRIC: [u8; 16] =
    [0x04, 0x05, 0x06, 0x0d, 0x0e, 0x0f, 0x1a, 0x2b, 0x2e, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38];

/// Bytes of material of a derived key, from KMIP's Cryptographic Algorithm and Length (bits).
/// `None`: such a key is not derived; the object is recorded with its material (kind 3).
#[must_use]
pub fn material_bytes(algorithm: u32, length_bits: u32) -> Option<u8> {
    let algorithm = u8::try_from(algorithm).ok().filter(|a| *a != 0 && !ASYMMETRIC.contains(a))?;
    match (algorithm, length_bits) {
        (TRIPLE_DES, 112 | 128) => Some(16),
        (TRIPLE_DES, 168 | 192) => Some(24),
        (SKIPJACK, 80) => Some(10),
        (TRIPLE_DES | SKIPJACK, _) => None,
        (_, bits) if bits.is_multiple_of(8) => u8::try_from(bits / 8).ok().filter(|bytes| *bytes != 0),
        _ => None,
    }
}

/// The Cryptographic Length (bits) that an identifier's algorithm and material bytes stand for, as KMIP
/// counts: the inverse of [`material_bytes`]. `None` if the table has no such key.
#[must_use]
pub fn cryptographic_length(algorithm: u8, bytes: u8) -> Option<u16> {
    let bits = match (algorithm, bytes) {
        (TRIPLE_DES, 16) => 112,
        (TRIPLE_DES, 24) => 168,
        (_, bytes) => u16::from(bytes) * 8,
    };
    (material_bytes(algorithm.into(), bits.into()) == Some(bytes)).then_some(bits)
}

/// Gives derived bytes the form their algorithm demands; `false` asks for another draw.
pub(crate) fn make_sound(algorithm: u8, key: &mut [u8]) -> bool {
    match algorithm {
        TRIPLE_DES => {
            set_odd_parity(key);
            has_distinct_components(key)
        }
        // Two AES keys side by side for XTS (IEEE 1619, SP 800-38E). A single AES-256 key with equal
        // halves is as unlikely and as little missed, so the identifier need not say which it is.
        AES if matches!(key.len(), 32 | 64) => {
            let (left, right) = key.split_at(key.len() / 2);
            left.ct_ne(right).into()
        }
        _ => true,
    }
}

/// Each byte's low bit makes its number of ones odd (FIPS 46-3).
fn set_odd_parity(key: &mut [u8]) {
    for byte in key {
        let ones = (*byte & 0xfe).count_ones();
        *byte = *byte & 0xfe | u8::from(ones.is_multiple_of(2));
    }
}

/// All of the two or three 8-byte keys differ: equal ones cancel out (SP 800-67r2 3.3).
fn has_distinct_components(key: &[u8]) -> bool {
    let differs_from_later = |(i, a): (usize, &[u8])| key.chunks(8).skip(i + 1).all(|b| a.ct_ne(b).into());
    key.chunks(8).enumerate().all(differs_from_later)
}

/// The key that wraps one registered object's material, and the place it is bound to.
pub struct MaterialRoot {
    key: Secret,
    realm: Realm,
    header: Header,
}

impl MaterialRoot {
    pub(crate) fn from_secret(key: Secret, realm: Realm, header: Header) -> Self {
        Self { key, realm, header }
    }

    /// Wraps one revision of the material: a KRW1 record, 85 bytes longer than the material.
    #[must_use]
    pub fn wrap(&self, object_type: u32, revision: u32, material: &[u8]) -> Vec<u8> {
        wrap::seal(&self.key, &self.aad(object_type, revision), material)
    }

    /// Unwraps what [`MaterialRoot::wrap`] made for the same object type and revision.
    ///
    /// # Errors
    /// [`WrapError`].
    pub fn unwrap(
        &self,
        object_type: u32,
        revision: u32,
        record: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        wrap::open(&self.key, &self.aad(object_type, revision), record)
    }

    fn aad(&self, object_type: u32, revision: u32) -> Vec<u8> {
        model::sealer::lp(&[
            labels::AAD_MATERIAL.as_bytes(),
            self.realm.as_bytes(),
            self.header.as_bytes(),
            &object_type.to_be_bytes(),
            &revision.to_be_bytes(),
        ])
    }

    #[cfg(test)]
    pub(crate) fn secret(&self) -> &Secret {
        &self.key
    }

    #[cfg(test)]
    pub(crate) fn wrap_with_salt(
        &self,
        object_type: u32,
        revision: u32,
        salt: &[u8; 32],
        plain: &[u8],
    ) -> Vec<u8> {
        wrap::seal_with_salt(&self.key, &self.aad(object_type, revision), salt, plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_both_ways() {
        let rows = [
            (2, 112, Some(16)),
            (2, 168, Some(24)),
            (2, 128, Some(16)),
            (2, 192, Some(24)),
            (2, 64, None),
            (2, 160, None),
            (0x18, 80, Some(10)),
            (0x18, 128, None),
            (3, 128, Some(16)),
            (3, 256, Some(32)),
            (3, 512, Some(64)),
            (9, 2040, Some(255)),
            (9, 2048, None),
            (3, 0, None),
            (3, 100, None),
            (0, 128, None),
            (4, 2048, None),
            (4, 1024, None),
            (256, 128, None),
        ];
        for (algorithm, bits, bytes) in rows {
            assert_eq!(material_bytes(algorithm, bits), bytes, "algorithm {algorithm}, {bits} bits");
        }
        for algorithm in 0..=u8::MAX {
            for bytes in 0..=u8::MAX {
                if let Some(bits) = cryptographic_length(algorithm, bytes) {
                    assert_eq!(material_bytes(algorithm.into(), bits.into()), Some(bytes));
                }
            }
        }
        assert_eq!(cryptographic_length(2, 24), Some(168));
        assert_eq!(cryptographic_length(2, 8), None);
    }

    #[test]
    fn parity_becomes_odd_and_the_other_bits_stay() {
        let mut key: [u8; 24] = std::array::from_fn(|i| i as u8 * 11);
        let before = key;
        assert!(make_sound(TRIPLE_DES, &mut key));
        for (byte, was) in key.iter().zip(before) {
            assert_eq!(byte.count_ones() % 2, 1);
            assert_eq!(byte >> 1, was >> 1);
        }
    }

    #[test]
    fn equal_components_and_halves_ask_for_another_draw() {
        let components = |order: [u8; 3]| order.map(|first| [first, 1, 2, 3, 4, 5, 6, 7]).concat();
        assert!(make_sound(TRIPLE_DES, &mut components([2, 4, 8])));
        for equal in [[2, 2, 8], [2, 4, 2], [2, 4, 4]] {
            assert!(!make_sound(TRIPLE_DES, &mut components(equal)), "{equal:?}");
        }
        // Components that differ in parity bits alone are the same DES key.
        assert!(!make_sound(TRIPLE_DES, &mut components([2, 3, 8])));
        assert!(!make_sound(AES, &mut [7; 64]));
        assert!(make_sound(AES, &mut [7; 16]));
        let mut key = [7; 64];
        key[63] = 8;
        assert!(make_sound(AES, &mut key));
    }
}
