//! Encryption under a password: the schemes a PKCS#12 file names.

use der::asn1::{AnyRef, ObjectIdentifier};
use zeroize::Zeroizing;

use super::kdf::{self, Purpose};
use super::read::{children, integer, octets, oid};
use super::{Pkcs12Error, ROUNDS_MAX, bmp};
use crate::services::cipher::{self, CipherAlgorithm, CipherSpec, Mode, Padding};
use crate::services::{Hash, derive};

const TRIPLE_DES_3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const TRIPLE_DES_2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4");
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");

/// Decrypts under the scheme an AlgorithmIdentifier names.
pub(super) fn decrypt(
    algorithm: AnyRef<'_>,
    data: &[u8],
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let fields = children(algorithm)?;
    let parameters = *fields.get(1).ok_or(Pkcs12Error::Unsupported)?;
    let scheme = match oid(fields[0])? {
        TRIPLE_DES_3 => triple_des(parameters, password, 24)?,
        TRIPLE_DES_2 => triple_des(parameters, password, 16)?,
        PBES2 => pbes2(parameters, password)?,
        _ => return Err(Pkcs12Error::Unsupported),
    };
    let mut spec = CipherSpec::new(scheme.cipher, Some(Mode::Cbc));
    (spec.padding, spec.iv) = (Padding::Pkcs5, &scheme.iv);
    // Wrong padding means a wrong password, where no code told so before.
    cipher::decrypt(&spec, &scheme.key, data, None).map_err(|_| Pkcs12Error::WrongPassword)
}

struct Scheme {
    cipher: CipherAlgorithm,
    key: Zeroizing<Vec<u8>>,
    iv: Zeroizing<Vec<u8>>,
}

fn triple_des(parameters: AnyRef<'_>, password: &str, key_bytes: usize) -> Result<Scheme, Pkcs12Error> {
    let fields = children(parameters)?;
    let [salt, rounds] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
    let (salt, rounds, password) = (octets(*salt)?, checked(integer(*rounds)?)?, bmp(password));
    let derive = |purpose, bytes| kdf::derive(Hash::Sha1, purpose, &password, salt, rounds, bytes);
    let (key, iv) = (derive(Purpose::Key, key_bytes), derive(Purpose::Iv, 8));
    Ok(Scheme { cipher: CipherAlgorithm::TripleDes, key, iv })
}

fn pbes2(parameters: AnyRef<'_>, password: &str) -> Result<Scheme, Pkcs12Error> {
    let fields = children(parameters)?;
    let [derivation, encryption] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
    let (derivation, encryption) = (children(*derivation)?, children(*encryption)?);
    let [encryption, iv] = encryption.as_slice() else { return Err(Pkcs12Error::Unsupported) };
    let [function, parameters] = derivation.as_slice() else { return Err(Pkcs12Error::Unsupported) };
    if oid(*function)? != PBKDF2 {
        return Err(Pkcs12Error::Unsupported);
    }
    let (cipher, bytes) = match oid(*encryption)?.to_string().as_str() {
        "2.16.840.1.101.3.4.1.2" => (CipherAlgorithm::Aes, 16),
        "2.16.840.1.101.3.4.1.22" => (CipherAlgorithm::Aes, 24),
        "2.16.840.1.101.3.4.1.42" => (CipherAlgorithm::Aes, 32),
        "1.2.840.113549.3.7" => (CipherAlgorithm::TripleDes, 24),
        _ => return Err(Pkcs12Error::Unsupported),
    };
    let parameters = children(*parameters)?;
    let [salt, rounds, more @ ..] = parameters.as_slice() else { return Err(Pkcs12Error::Malformed) };
    let hash = match more.iter().find(|field| children(**field).is_ok()) {
        Some(function) => prf(*function)?,
        None => Hash::Sha1,
    };
    let rounds = checked(integer(*rounds)?)?;
    let key = derive::pbkdf2(hash, password.as_bytes(), octets(*salt)?, rounds, bytes)?;
    Ok(Scheme { cipher, key, iv: Zeroizing::new(octets(*iv)?.to_vec()) })
}

fn prf(algorithm: AnyRef<'_>) -> Result<Hash, Pkcs12Error> {
    let fields = children(algorithm)?;
    Ok(match oid(*fields.first().ok_or(Pkcs12Error::Malformed)?)?.to_string().as_str() {
        "1.2.840.113549.2.7" => Hash::Sha1,
        "1.2.840.113549.2.8" => Hash::Sha224,
        "1.2.840.113549.2.9" => Hash::Sha256,
        "1.2.840.113549.2.10" => Hash::Sha384,
        "1.2.840.113549.2.11" => Hash::Sha512,
        _ => return Err(Pkcs12Error::Unsupported),
    })
}

pub(super) fn checked(rounds: u32) -> Result<u32, Pkcs12Error> {
    if (1..=ROUNDS_MAX).contains(&rounds) { Ok(rounds) } else { Err(Pkcs12Error::Unsupported) }
}
