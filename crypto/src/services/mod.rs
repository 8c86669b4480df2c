//! Cryptographic services on behalf of a client: encrypt, sign, authenticate, hash, derive.
//!
//! Pure functions from key bytes and parameters to bytes: nothing here knows a tenant, an identifier or
//! a KMIP number, looks at a clock, or keeps a key longer than the value that was made with it. Whoever
//! calls has already judged whether the key may be used at all. Results that may be secret come in
//! buffers that are wiped and were never reallocated.
//!
//! Everything that is bound to a key by its owner's choice alone (an IV, a salt, a mode without
//! authentication) is taken as it is: clients must be able to read what they wrote twenty years ago.
//! What is refused is what would be a mistake in any message: tags below 12 bytes, IVs of a wrong size,
//! data that does not authenticate.

mod aead;
mod blocks;
pub mod cipher;
pub mod derive;
mod gathered;
pub mod hash;
mod key_wrap;
pub mod mac;
pub mod pkey;
#[cfg(all(test, not(feature = "loom")))]
mod tests;

pub use self::cipher::{Cipher, CipherAlgorithm, CipherSpec, Finished, Mode, Padding};
pub use self::hash::{Hash, Hasher};
pub use self::mac::{MacAlgorithm, Macer};
pub use self::pkey::{PrivateKey, PublicKey, RsaEncryption, SignatureScheme};

/// Why a service gives no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Algorithm, mode, padding or hash are not offered, alone or together.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The key's size is none of the algorithm's.
    #[error("a key of {0} bytes does not fit the algorithm")]
    KeyLength(usize),
    /// The material is not a key of the stated kind.
    #[error("the key material does not decode as a key of the stated format")]
    KeyMaterial,
    /// The mode needs an IV, and none was given.
    #[error("the IV, counter or nonce is missing")]
    IvMissing,
    /// The IV's size is none of the mode's.
    #[error("an IV of {0} bytes does not fit the mode")]
    IvLength(usize),
    /// The data's size does not fit the mode and padding.
    #[error("data of this size does not fit the mode and padding")]
    DataLength,
    /// Shorter tags are guessed too easily (SP 800-38D appendix C); longer ones do not exist.
    #[error("a tag has 12 to 16 bytes")]
    TagLength,
    /// The tag, the padding or the wrapped key is wrong; which of them is not said.
    #[error("the data does not decrypt with this key and these parameters")]
    NotAuthentic,
    /// More output was asked for than the method has.
    #[error("the method does not give that many bytes")]
    OutputLength,
    /// A count or a size beyond what one request may cost.
    #[error("{0}")]
    TooMuch(&'static str),
}
