//! Message authentication codes: HMAC over any hash, CMAC over AES and 3DES; in one piece or in parts.

use aes::{Aes128, Aes192, Aes256};
use cmac::Cmac;
use des::{TdesEde2, TdesEde3};
use digest::{KeyInit, Mac};
use hmac::SimpleHmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::ServiceError;
use super::hash::{Hash, with_hash};

/// The codes offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// HMAC (FIPS 198-1); a key of any size.
    Hmac(Hash),
    /// CMAC over AES (SP 800-38B).
    AesCmac,
    /// CMAC over 3DES (SP 800-38B).
    TripleDesCmac,
}

/// A code under way. It holds the key's schedule and is wiped when dropped.
pub struct Macer(Box<dyn Part>);

trait Part: Send {
    fn update(&mut self, data: &[u8]);
    fn finish(self: Box<Self>) -> Zeroizing<Vec<u8>>;
}

struct Any<M>(M);

impl<M: Mac + Send> Part for Any<M> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(self: Box<Self>) -> Zeroizing<Vec<u8>> {
        let code = self.0.finalize().into_bytes();
        Zeroizing::new(code.to_vec())
    }
}

fn keyed<M: Mac + KeyInit + Send + 'static>(key: &[u8]) -> Result<Box<dyn Part>, ServiceError> {
    let mac = <M as KeyInit>::new_from_slice(key).map_err(|_| ServiceError::KeyLength(key.len()))?;
    Ok(Box::new(Any(mac)))
}

impl Macer {
    /// Under `key`, over nothing yet.
    ///
    /// # Errors
    /// [`ServiceError::KeyLength`].
    pub fn new(algorithm: MacAlgorithm, key: &[u8]) -> Result<Self, ServiceError> {
        Ok(Self(match (algorithm, key.len()) {
            (MacAlgorithm::Hmac(_), 0) => return Err(ServiceError::KeyLength(0)),
            (MacAlgorithm::Hmac(hash), _) => with_hash!(hash, D => keyed::<SimpleHmac<D>>(key)?),
            (MacAlgorithm::AesCmac, 16) => keyed::<Cmac<Aes128>>(key)?,
            (MacAlgorithm::AesCmac, 24) => keyed::<Cmac<Aes192>>(key)?,
            (MacAlgorithm::AesCmac, 32) => keyed::<Cmac<Aes256>>(key)?,
            (MacAlgorithm::TripleDesCmac, 16) => keyed::<Cmac<TdesEde2>>(key)?,
            (MacAlgorithm::TripleDesCmac, 24) => keyed::<Cmac<TdesEde3>>(key)?,
            (MacAlgorithm::AesCmac | MacAlgorithm::TripleDesCmac, size) => {
                return Err(ServiceError::KeyLength(size));
            }
        }))
    }

    /// Takes the next part.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The code over all parts, in full length.
    #[must_use]
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0.finish()
    }

    /// Whether `code` is the code over all parts; constant time. A shortened code does not count.
    #[must_use]
    pub fn verify(self, code: &[u8]) -> bool {
        self.finish().ct_eq(code).into()
    }
}

/// The code of the concatenation of `parts`.
///
/// # Errors
/// [`ServiceError::KeyLength`].
pub fn mac(algorithm: MacAlgorithm, key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
    let mut macer = Macer::new(algorithm, key)?;
    for part in parts {
        macer.update(part);
    }
    Ok(macer.finish())
}
