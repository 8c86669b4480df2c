//! PKCS#12 files (RFC 7292): a private key with its certificates, behind a password.
//!
//! Read: integrity by password (HMAC), bags in the clear, under PBES2 (RFC 8018) or under the two 3DES
//! schemes of PKCS#12. RC2, which no one should meet any more, is refused. Written: PBES2 with AES-256 and
//! HMAC-SHA-256 throughout. Only DER is read, not BER of indefinite length.

mod kdf;
mod pbe;
mod read;
mod write;

use zeroize::Zeroizing;

use crate::formats::SecretDer;
use crate::services::ServiceError;

/// Most rounds a file may ask for: the most anybody recommends for PBKDF2. They are ours to compute, too.
const ROUNDS_MAX: u32 = 600_000;

/// What a file holds that is of use here.
#[derive(Default)]
pub struct Bundle {
    /// The private key in PKCS#8.
    pub key: Option<SecretDer>,
    /// The name of the key.
    pub friendly_name: Option<String>,
    /// Certificates, in the file's order.
    pub certificates: Vec<Vec<u8>>,
}

/// Why a file was not read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs12Error {
    /// Not PKCS#12 in DER.
    #[error("the bytes are not a PKCS#12 file in DER")]
    Malformed,
    /// The integrity code does not fit: another password, or an altered file.
    #[error("the password does not open the PKCS#12 file")]
    WrongPassword,
    /// RC2, public-key modes, or anything else that is not read here.
    #[error("the PKCS#12 file is protected in a way that is not read here")]
    Unsupported,
    /// A primitive refused.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Bundle {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Pkcs12Error`].
    pub fn open(file: &[u8], password: &str) -> Result<Self, Pkcs12Error> {
        read::open(file, password)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// [`Pkcs12Error::Service`].
    pub fn seal(&self, password: &str) -> Result<Vec<u8>, Pkcs12Error> {
        write::seal(self, password)
    }
}

/// A password as PKCS#12's own derivation takes it: UTF-16, big-endian, ended by a zero.
fn bmp(password: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * password.len() + 2));
    for unit in password.encode_utf16().chain([0]) {
        bytes.extend_from_slice(&unit.to_be_bytes());
    }
    bytes
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::formats::PrivateKey;
    use crate::keypair::KeyPairSpec;

    fn bundle() -> Bundle {
        let key = KeyPairSpec::Ec(crate::formats::Curve::P256).generate().expect("a key");
        Bundle {
            key: Some(key.to_pkcs8().expect("PKCS#8")),
            friendly_name: Some("alias ä".to_owned()),
            certificates: vec![vec![0x30, 0x01, 0x00], vec![0x30, 0x00]],
        }
    }

    #[test]
    fn what_was_sealed_opens_with_its_password_alone() {
        let bundle = bundle();
        let file = bundle.seal("pass wörd").expect("sealed");
        let opened = Bundle::open(&file, "pass wörd").expect("opens");
        assert_eq!(opened.key, bundle.key);
        assert_eq!(opened.friendly_name, bundle.friendly_name);
        assert_eq!(opened.certificates, bundle.certificates);
        assert!(PrivateKey::from_pkcs8(&opened.key.expect("a key")).is_ok());
        assert_eq!(Bundle::open(&file, "password").err(), Some(Pkcs12Error::WrongPassword));
    }

    #[test]
    fn truncated_and_altered_files_are_refused() {
        let file = bundle().seal("x").expect("sealed");
        for end in (0..file.len()).step_by(7) {
            assert!(Bundle::open(&file[..end], "x").is_err());
        }
        for position in (20..file.len()).step_by(5) {
            let mut altered = file.clone();
            altered[position] ^= 1;
            assert!(Bundle::open(&altered, "x").is_err(), "byte {position}");
        }
    }
}
