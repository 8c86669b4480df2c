//! Asymmetric keys between the forms they travel in: PKCS#1, PKCS#8, SEC1, X.509 SubjectPublicKeyInfo,
//! and the bare numbers of KMIP's transparent formats.
//!
//! A key is parsed once into its numbers, [`PrivateKey`] or [`PublicKey`], and written from them in any
//! form its kind has. Private numbers lie in buffers that are wiped when dropped and never reallocated.
//! Nothing here judges a key (its length, its primes, its point): that is for whoever uses it. No key
//! is used here either, except that a missing public half is computed.

mod curve;
mod error;
mod number;
mod private;
mod public;
#[cfg(all(test, not(feature = "loom")))]
mod tests;

pub use curve::{Curve, OkpKind};
pub use error::FormatError;
pub use number::Number;
pub use private::{
    DhPrivateKey, DsaPrivateKey, EcPrivateKey, OkpPrivateKey, PrivateKey, RsaCrt, RsaPrivateKey,
};
pub use public::{DhPublicKey, DsaPublicKey, EcPublicKey, OkpPublicKey, PublicKey, RsaPublicKey};

use der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

/// DER of a private key, wiped when dropped.
pub type SecretDer = Zeroizing<Vec<u8>>;

/// rsaEncryption (RFC 8017).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-RSASSA-PSS (RFC 8017): the same numbers, bound to one use.
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// id-ecPublicKey (RFC 5480).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// id-dsa (RFC 3279).
const DSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10040.4.1");
/// dhKeyAgreement (PKCS#3).
const DH_PKCS3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.3.1");
/// dhpublicnumber (RFC 3279, X9.42).
const DH_X942: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10046.2.1");
