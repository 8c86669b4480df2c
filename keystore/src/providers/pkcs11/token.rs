//! The seam between our threads and a token: blocking calls, plain values.
//!
//! Today its one implementation calls a module loaded into this process. A vendor's library can
//! hang or crash us; behind this trait it can move into a process of its own.

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

/// What a token made of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The IV: ours, or the token's own where it insists on making it.
    pub iv: [u8; IV_BYTES],
    /// Ciphertext and tag.
    pub sealed: [u8; L1Payload::LEN + TAG_BYTES],
}

/// Magic and mechanism: 01 is AES-GCM.
const MAGIC: &[u8; 5] = b"KRP1\x01";

impl Blob {
    /// `"KRP1" ‖ 01 ‖ iv ‖ ciphertext ‖ tag`.
    pub fn encode(&self) -> Vec<u8> {
        [MAGIC.as_slice(), &self.iv, &self.sealed].concat()
    }

    /// The inverse of [`Blob::encode`]; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (iv, sealed) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        Some(Self { iv: *iv, sealed: sealed.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_has_one_encoding_of_one_length() {
        let blob = Blob { iv: [1; 12], sealed: [2; 80] };
        let bytes = blob.encode();
        assert_eq!(bytes.len(), 97);
        assert_eq!(Blob::decode(&bytes), Some(blob));
        for cut in 0..bytes.len() {
            assert_eq!(Blob::decode(&bytes[..cut]), None, "{cut} bytes");
        }
        assert_eq!(Blob::decode(&[bytes.as_slice(), &[0]].concat()), None);
        for i in 0..MAGIC.len() {
            let mut altered = bytes.clone();
            altered[i] ^= 1;
            assert_eq!(Blob::decode(&altered), None, "byte {i}");
        }
    }
}
