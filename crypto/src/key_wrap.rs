//! Wrapping a key under another for export: AES Key Wrap (RFC 3394, SP 800-38F KW), its padded form
//! (RFC 5649, KWP) and AES-GCM (SP 800-38D).
//!
//! KW and KWP are deterministic and check their own integrity; GCM takes a nonce that must never serve
//! twice under one key. Whether the wrapping key may do this at all is decided above.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, Tag};
use aes_kw::cipher::consts::U12;
use aes_kw::{KeyInit, KwAes128, KwAes192, KwAes256, KwpAes128, KwpAes192, KwpAes256};
use zeroize::Zeroizing;

use crate::stack::with_scrubbed_leaf;

/// Bytes of the integrity check in front of what KW wraps.
const SEMIBLOCK_BYTES: usize = 8;
/// Bytes of a full GCM tag.
const TAG_BYTES: usize = 16;
/// Bytes of the nonce GCM is used with here.
pub const GCM_NONCE_BYTES: usize = 12;

/// How a key is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyWrap {
    /// AES Key Wrap: for 16 bytes and more, in multiples of 8.
    Kw,
    /// AES Key Wrap with Padding: for any length above zero.
    Kwp,
    /// AES-GCM with a 12-byte nonce; the 16-byte tag follows the ciphertext.
    Gcm([u8; GCM_NONCE_BYTES]),
}

/// Why a key was not wrapped or unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyWrapError {
    /// AES keys have 16, 24 or 32 bytes.
    #[error("a wrapping key has 16, 24 or 32 bytes, this one has {bytes}")]
    KekLength {
        /// How many it has.
        bytes: usize,
    },
    /// KW takes multiples of 8 from 16 up, KWP and GCM at least one byte.
    #[error("{bytes} bytes cannot be wrapped or unwrapped this way")]
    DataLength {
        /// How many were given.
        bytes: usize,
    },
    /// Another key wrapped it, or it was altered.
    #[error("the wrapped key does not open under this wrapping key")]
    Integrity,
}

impl KeyWrap {
    /// Wraps `key` under `kek`.
    ///
    /// # Errors
    /// [`KeyWrapError::KekLength`], [`KeyWrapError::DataLength`].
    pub fn wrap(self, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, KeyWrapError> {
        with_scrubbed_leaf(|| match self {
            Self::Kw => wrap_kw(kek, key),
            Self::Kwp => wrap_kwp(kek, key),
            Self::Gcm(nonce) => wrap_gcm(kek, &nonce, key),
        })
    }

    /// Unwraps what [`KeyWrap::wrap`] made.
    ///
    /// # Errors
    /// [`KeyWrapError`].
    pub fn unwrap(self, kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyWrapError> {
        with_scrubbed_leaf(|| match self {
            Self::Kw => unwrap_kw(kek, wrapped),
            Self::Kwp => unwrap_kwp(kek, wrapped),
            Self::Gcm(nonce) => unwrap_gcm(kek, &nonce, wrapped),
        })
    }
}

/// Calls with the key schedule of the size the key has.
macro_rules! by_size {
    ($kek:expr, $a128:ty, $a192:ty, $a256:ty, |$cipher:ident| $call:expr) => {
        match $kek.len() {
            16 => by_size!(@one $kek, $a128, |$cipher| $call),
            24 => by_size!(@one $kek, $a192, |$cipher| $call),
            32 => by_size!(@one $kek, $a256, |$cipher| $call),
            bytes => return Err(KeyWrapError::KekLength { bytes }),
        }
    };
    (@one $kek:expr, $aes:ty, |$cipher:ident| $call:expr) => {{
        let $cipher = <$aes>::new_from_slice($kek).expect("the length was just matched");
        $call
    }};
}

fn wrap_kw(kek: &[u8], key: &[u8]) -> Result<Vec<u8>, KeyWrapError> {
    let length = KeyWrapError::DataLength { bytes: key.len() };
    if key.len() < 2 * SEMIBLOCK_BYTES {
        return Err(length);
    }
    let mut out = vec![0; key.len() + SEMIBLOCK_BYTES];
    let done = by_size!(kek, KwAes128, KwAes192, KwAes256, |aes| aes.wrap_key(key, &mut out).is_ok());
    if done { Ok(out) } else { Err(length) }
}

fn unwrap_kw(kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyWrapError> {
    if wrapped.len() < 3 * SEMIBLOCK_BYTES || !wrapped.len().is_multiple_of(SEMIBLOCK_BYTES) {
        return Err(KeyWrapError::DataLength { bytes: wrapped.len() });
    }
    let mut out = Zeroizing::new(vec![0; wrapped.len() - SEMIBLOCK_BYTES]);
    let done = by_size!(kek, KwAes128, KwAes192, KwAes256, |aes| aes.unwrap_key(wrapped, &mut out).is_ok());
    if done { Ok(out) } else { Err(KeyWrapError::Integrity) }
}

fn wrap_kwp(kek: &[u8], key: &[u8]) -> Result<Vec<u8>, KeyWrapError> {
    let length = KeyWrapError::DataLength { bytes: key.len() };
    if key.is_empty() {
        return Err(length);
    }
    let mut out = vec![0; key.len().next_multiple_of(SEMIBLOCK_BYTES) + SEMIBLOCK_BYTES];
    let done = by_size!(kek, KwpAes128, KwpAes192, KwpAes256, |aes| aes.wrap_key(key, &mut out).is_ok());
    if done { Ok(out) } else { Err(length) }
}

fn unwrap_kwp(kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyWrapError> {
    if wrapped.len() < 2 * SEMIBLOCK_BYTES || !wrapped.len().is_multiple_of(SEMIBLOCK_BYTES) {
        return Err(KeyWrapError::DataLength { bytes: wrapped.len() });
    }
    let mut out = Zeroizing::new(vec![0; wrapped.len() - SEMIBLOCK_BYTES]);
    let length = by_size!(kek, KwpAes128, KwpAes192, KwpAes256, |aes| {
        aes.unwrap_key(wrapped, &mut out).map(<[u8]>::len)
    });
    let length = length.map_err(|_| KeyWrapError::Integrity)?;
    out.truncate(length);
    Ok(out)
}

fn wrap_gcm(kek: &[u8], nonce: &[u8; GCM_NONCE_BYTES], key: &[u8]) -> Result<Vec<u8>, KeyWrapError> {
    let length = KeyWrapError::DataLength { bytes: key.len() };
    if key.is_empty() {
        return Err(length);
    }
    let mut out = Vec::with_capacity(key.len() + TAG_BYTES);
    out.extend_from_slice(key);
    let tag = by_size!(kek, AesGcm<Aes128, U12>, AesGcm<Aes192, U12>, AesGcm<Aes256, U12>, |aes| {
        aes.encrypt_inout_detached(nonce.into(), &[], out.as_mut_slice().into())
    });
    out.extend_from_slice(&tag.map_err(|_| length)?);
    Ok(out)
}

fn unwrap_gcm(
    kek: &[u8],
    nonce: &[u8; GCM_NONCE_BYTES],
    wrapped: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyWrapError> {
    let short = KeyWrapError::DataLength { bytes: wrapped.len() };
    let (ciphertext, tag) = wrapped.split_last_chunk::<TAG_BYTES>().ok_or(short)?;
    let tag = Tag::from(*tag);
    let mut out = Zeroizing::new(ciphertext.to_vec());
    let opened = by_size!(kek, AesGcm<Aes128, U12>, AesGcm<Aes192, U12>, AesGcm<Aes256, U12>, |aes| {
        aes.decrypt_inout_detached(nonce.into(), &[], out.as_mut_slice().into(), &tag)
    });
    opened.map_err(|_| KeyWrapError::Integrity)?;
    Ok(out)
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn check(wrap: KeyWrap, kek: &[u8], key: &[u8], expected: &[u8]) {
        assert_eq!(wrap.wrap(kek, key).expect("wraps"), expected);
        assert_eq!(**wrap.unwrap(kek, expected).expect("unwraps"), *key);
        let mut altered = expected.to_vec();
        altered[0] ^= 1;
        assert_eq!(wrap.unwrap(kek, &altered).err(), Some(KeyWrapError::Integrity));
    }

    #[test]
    fn rfc_3394_vectors() {
        let kek = hex!("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
        let key = hex!("00112233445566778899AABBCCDDEEFF0001020304050607");
        check(KeyWrap::Kw, &kek[..16], &key[..16], &hex!("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"));
        check(KeyWrap::Kw, &kek[..24], &key[..16], &hex!("96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D"));
        check(
            KeyWrap::Kw,
            &kek,
            &key,
            &hex!("A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1"),
        );
    }

    #[test]
    fn rfc_5649_vectors() {
        let kek = hex!("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8");
        let long = hex!("c37b7e6492584340bed12207808941155068f738");
        let wrapped = hex!("138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a");
        check(KeyWrap::Kwp, &kek, &long, &wrapped);
        check(KeyWrap::Kwp, &kek, &hex!("466f7250617369"), &hex!("afbeb0f07dfbf5419200f2ccb50bb24f"));
    }

    #[test]
    fn gcm_round_trips_in_every_size_and_refuses_another_nonce() {
        for bytes in [16, 24, 32] {
            let kek = vec![7; bytes];
            let wrapped = KeyWrap::Gcm([1; 12]).wrap(&kek, b"a key").expect("wraps");
            assert_eq!(**KeyWrap::Gcm([1; 12]).unwrap(&kek, &wrapped).expect("unwraps"), *b"a key");
            let other = KeyWrap::Gcm([2; 12]).unwrap(&kek, &wrapped);
            assert_eq!(other.err(), Some(KeyWrapError::Integrity));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_told() {
        let kek = [0; 16];
        for bytes in [0, 8, 17] {
            let told = Some(KeyWrapError::DataLength { bytes });
            assert_eq!(KeyWrap::Kw.wrap(&kek, &vec![0; bytes]).err(), told);
        }
        let told = Some(KeyWrapError::KekLength { bytes: 15 });
        assert_eq!(KeyWrap::Kwp.wrap(&kek[1..], b"key").err(), told);
    }
}
