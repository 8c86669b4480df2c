//! Hash functions by name, in one piece or in parts.

use digest::DynDigest;
use md5::Md5;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use zeroize::Zeroizing;

/// The hash functions offered. MD5 and SHA-1 collide at will; they are here because HMAC, PBKDF2 and old
/// signatures with them are still read, and a client must name them to get them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // their own names
pub enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512_224,
    Sha512_256,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
    Ripemd160,
}

/// Evaluates `$body` with `$D` as the type behind `$hash`.
macro_rules! with_hash {
    ($hash:expr, $D:ident => $body:expr) => {
        match $hash {
            $crate::services::Hash::Md5 => {
                type $D = md5::Md5;
                $body
            }
            $crate::services::Hash::Sha1 => {
                type $D = sha1::Sha1;
                $body
            }
            $crate::services::Hash::Sha224 => {
                type $D = sha2::Sha224;
                $body
            }
            $crate::services::Hash::Sha256 => {
                type $D = sha2::Sha256;
                $body
            }
            $crate::services::Hash::Sha384 => {
                type $D = sha2::Sha384;
                $body
            }
            $crate::services::Hash::Sha512 => {
                type $D = sha2::Sha512;
                $body
            }
            $crate::services::Hash::Sha512_224 => {
                type $D = sha2::Sha512_224;
                $body
            }
            $crate::services::Hash::Sha512_256 => {
                type $D = sha2::Sha512_256;
                $body
            }
            $crate::services::Hash::Sha3_224 => {
                type $D = sha3::Sha3_224;
                $body
            }
            $crate::services::Hash::Sha3_256 => {
                type $D = sha3::Sha3_256;
                $body
            }
            $crate::services::Hash::Sha3_384 => {
                type $D = sha3::Sha3_384;
                $body
            }
            $crate::services::Hash::Sha3_512 => {
                type $D = sha3::Sha3_512;
                $body
            }
            $crate::services::Hash::Ripemd160 => {
                type $D = ripemd::Ripemd160;
                $body
            }
        }
    };
}
pub(super) use with_hash;

impl Hash {
    /// Bytes of output.
    #[must_use]
    pub const fn output_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 | Self::Ripemd160 => 20,
            Self::Sha224 | Self::Sha512_224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha512_256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// The hash of the concatenation of `parts`.
    #[must_use]
    pub fn digest(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        let mut hasher = Hasher::new(self);
        for part in parts {
            hasher.update(part);
        }
        hasher.finish()
    }
}

/// A hash under way.
pub struct Hasher(Box<dyn DynDigest + Send>);

impl Hasher {
    /// Of nothing yet.
    #[must_use]
    pub fn new(hash: Hash) -> Self {
        Self(match hash {
            Hash::Md5 => Box::<Md5>::default(),
            Hash::Sha1 => Box::<Sha1>::default(),
            Hash::Sha224 => Box::<Sha224>::default(),
            Hash::Sha256 => Box::<Sha256>::default(),
            Hash::Sha384 => Box::<Sha384>::default(),
            Hash::Sha512 => Box::<Sha512>::default(),
            Hash::Sha512_224 => Box::<Sha512_224>::default(),
            Hash::Sha512_256 => Box::<Sha512_256>::default(),
            Hash::Sha3_224 => Box::<Sha3_224>::default(),
            Hash::Sha3_256 => Box::<Sha3_256>::default(),
            Hash::Sha3_384 => Box::<Sha3_384>::default(),
            Hash::Sha3_512 => Box::<Sha3_512>::default(),
            Hash::Ripemd160 => Box::<Ripemd160>::default(),
        })
    }

    /// Takes the next part.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The hash of all parts. It may be a key's: it is wiped like one.
    #[must_use]
    pub fn finish(mut self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(vec![0; self.0.output_size()]);
        self.0.finalize_into_reset(&mut out).expect("the buffer has the function's own size");
        out
    }
}
