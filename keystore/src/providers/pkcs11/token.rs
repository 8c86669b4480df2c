//! The seam between our threads and a token: blocking calls, plain values.
//!
//! Its one implementation calls a module loaded into this process, which is the worker's.

use crypto::L1Payload;

use super::fault::Fault;
use crate::KeyAttributes;

/// One key in one token, reached by blocking calls from one thread.
///
/// Every call finds its way back by itself after a lost session or a restarted token, once.
pub trait Token {
    /// Encrypts the payload under the key, with `aad` authenticated.
    fn wrap(&mut self, aad: &[u8], payload: &L1Payload) -> Result<Blob, Fault>;

    /// Decrypts what [`Token::wrap`] made with the same `aad`.
    fn unwrap(&mut self, aad: &[u8], blob: &Blob) -> Result<L1Payload, Fault>;

    /// Finds the key anew and reads what the token says about it.
    fn inspect(&mut self) -> Result<KeyFacts, Fault>;
}

/// Who holds the key, and what it says about it.
#[derive(Clone, Debug)]
pub struct KeyFacts {
    /// Serial number of the token.
    pub serial: String,
    /// The token in words.
    pub token: String,
    /// What it states about the key.
    pub attributes: KeyAttributes,
}

/// Bytes of a GCM IV (SP 800-38D 5.2.1.1: 96 bits are used as they are).
pub const IV_BYTES: usize = 12;

/// Bytes of a GCM tag, the longest there is.
pub const TAG_BYTES: usize = 16;

/// Bytes that AES key wrap adds (RFC 3394).
const KEY_WRAP_EXTRA: usize = 8;

/// How a token protects a payload, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `CKM_AES_GCM`: authenticates the place.
    Gcm,
    /// `CKM_AES_KEY_WRAP` by `C_Encrypt`: authenticates the payload, which carries its place inside.
    KeyWrap,
}

impl How {
    /// The best first.
    pub const ALL: [Self; 2] = [Self::Gcm, Self::KeyWrap];
}

/// What a token made of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blob {
    /// By [`How::Gcm`].
    Gcm {
        /// The IV: ours, or the token's own where it insists on making it.
        iv: [u8; IV_BYTES],
        /// Ciphertext and tag.
        sealed: [u8; L1Payload::LEN + TAG_BYTES],
    },
    /// By [`How::KeyWrap`].
    KeyWrap {
        /// The whole of it.
        sealed: [u8; L1Payload::LEN + KEY_WRAP_EXTRA],
    },
}

/// Magic and mechanism: 01 is AES-GCM, 02 AES key wrap.
const GCM: &[u8; 5] = b"KRP1\x01";
const KEY_WRAP: &[u8; 5] = b"KRP1\x02";

impl Blob {
    /// `"KRP1" ‖ 01 ‖ iv ‖ ciphertext ‖ tag`, or `"KRP1" ‖ 02 ‖ wrapped`.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Gcm { iv, sealed } => [GCM.as_slice(), iv, sealed].concat(),
            Self::KeyWrap { sealed } => [KEY_WRAP.as_slice(), sealed].concat(),
        }
    }

    /// The inverse of [`Blob::encode`]; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if let Some(rest) = bytes.strip_prefix(KEY_WRAP) {
            return Some(Self::KeyWrap { sealed: rest.try_into().ok()? });
        }
        let (iv, sealed) = bytes.strip_prefix(GCM)?.split_first_chunk()?;
        Some(Self::Gcm { iv: *iv, sealed: sealed.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_has_one_encoding_of_one_length() {
        let blobs = [Blob::Gcm { iv: [1; 12], sealed: [2; 80] }, Blob::KeyWrap { sealed: [3; 72] }];
        for (blob, length) in blobs.into_iter().zip([97, 77]) {
            let bytes = blob.encode();
            assert_eq!(bytes.len(), length);
            assert_eq!(Blob::decode(&bytes), Some(blob));
            for cut in 0..bytes.len() {
                assert_eq!(Blob::decode(&bytes[..cut]), None, "{cut} bytes");
            }
            assert_eq!(Blob::decode(&[bytes.as_slice(), &[0]].concat()), None);
            for i in 0..GCM.len() {
                let mut altered = bytes.clone();
                altered[i] ^= 4;
                assert_eq!(Blob::decode(&altered), None, "byte {i}");
            }
        }
    }
}
