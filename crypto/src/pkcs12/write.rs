//! Writing a PKCS#12 file: everything under PBES2 with AES-256, and one integrity code.

use der::Encode as _;
use der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

use super::kdf::{self, Purpose};
use super::read::{CERTIFICATE_BAG, DATA, ENCRYPTED_DATA, FRIENDLY_NAME, SHROUDED_KEY_BAG, X509};
use super::{Bundle, Pkcs12Error, bmp};
use crate::der_write::{BMP_STRING, EXPLICIT_0, IMPLICIT_0, INTEGER, NULL, OCTETS, SEQUENCE, SET, oid, tlv};
use crate::random;
use crate::services::cipher::{self, CipherAlgorithm, CipherSpec, Mode, Padding};
use crate::services::mac::{MacAlgorithm, mac};
use crate::services::{Hash, derive};

/// Rounds of PBKDF2 and of the code's derivation: a few milliseconds each, and what OpenSSL's users choose
/// when they choose; the file's strength is its password's.
const ROUNDS: u32 = 10_000;

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const AES_256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");

pub(super) fn seal(bundle: &Bundle, password: &str) -> Result<Vec<u8>, Pkcs12Error> {
    let mut parts = Vec::new();
    if !bundle.certificates.is_empty() {
        let bags: Vec<Vec<u8>> = bundle.certificates.iter().map(|der| certificate_bag(der)).collect();
        let (algorithm, data) = encrypted(&tlv(SEQUENCE, &slices(&bags)), password)?;
        let info = tlv(SEQUENCE, &[&oid(DATA), &algorithm, &tlv(IMPLICIT_0, &[&data])]);
        let content = tlv(SEQUENCE, &[&tlv(INTEGER, &[&[0]]), &info]);
        parts.push(tlv(SEQUENCE, &[&oid(ENCRYPTED_DATA), &tlv(EXPLICIT_0, &[&content])]));
    }
    if let Some(key) = &bundle.key {
        let (algorithm, data) = encrypted(key, password)?;
        let shrouded = tlv(SEQUENCE, &[&algorithm, &tlv(OCTETS, &[&data])]);
        let bag = tlv(
            SEQUENCE,
            &[
                &oid(SHROUDED_KEY_BAG),
                &tlv(EXPLICIT_0, &[&shrouded]),
                &attributes(bundle.friendly_name.as_deref()),
            ],
        );
        parts.push(data_content(&tlv(SEQUENCE, &[&bag])));
    }
    let safe = tlv(SEQUENCE, &slices(&parts));
    let code = code(&safe, password)?;
    Ok(tlv(SEQUENCE, &[&tlv(INTEGER, &[&[3]]), &data_content(&safe), &code]))
}

fn certificate_bag(der: &[u8]) -> Vec<u8> {
    let value = tlv(SEQUENCE, &[&oid(X509), &tlv(EXPLICIT_0, &[&tlv(OCTETS, &[der])])]);
    tlv(SEQUENCE, &[&oid(CERTIFICATE_BAG), &tlv(EXPLICIT_0, &[&value])])
}

fn attributes(friendly_name: Option<&str>) -> Vec<u8> {
    let Some(name) = friendly_name else { return Vec::new() };
    let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let attribute = tlv(SEQUENCE, &[&oid(FRIENDLY_NAME), &tlv(SET, &[&tlv(BMP_STRING, &[&units])])]);
    tlv(SET, &[&attribute])
}

fn data_content(data: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[&oid(DATA), &tlv(EXPLICIT_0, &[&tlv(OCTETS, &[data])])])
}

/// The AlgorithmIdentifier and the ciphertext.
fn encrypted(plain: &[u8], password: &str) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), Pkcs12Error> {
    let (salt, iv): ([u8; 16], [u8; 16]) = (random::bytes(), random::bytes());
    let key = derive::pbkdf2(Hash::Sha256, password.as_bytes(), &salt, ROUNDS, 32)?;
    let mut spec = CipherSpec::new(CipherAlgorithm::Aes, Some(Mode::Cbc));
    (spec.padding, spec.iv) = (Padding::Pkcs5, &iv);
    let data = cipher::encrypt(&spec, &key, plain)?.data;
    let prf = tlv(SEQUENCE, &[&oid(HMAC_SHA256), &tlv(NULL, &[])]);
    let derivation = tlv(SEQUENCE, &[&tlv(OCTETS, &[&salt]), &rounds(), &prf]);
    let derivation = tlv(SEQUENCE, &[&oid(PBKDF2), &derivation]);
    let encryption = tlv(SEQUENCE, &[&oid(AES_256_CBC), &tlv(OCTETS, &[&iv])]);
    let algorithm = tlv(SEQUENCE, &[&oid(PBES2), &tlv(SEQUENCE, &[&derivation, &encryption])]);
    Ok((algorithm, data))
}

fn code(safe: &[u8], password: &str) -> Result<Vec<u8>, Pkcs12Error> {
    let salt: [u8; 16] = random::bytes();
    let key = kdf::derive(Hash::Sha256, Purpose::Mac, &bmp(password), &salt, ROUNDS, 32);
    let digest = mac(MacAlgorithm::Hmac(Hash::Sha256), &key, &[safe])?;
    let algorithm = tlv(SEQUENCE, &[&oid(SHA256), &tlv(NULL, &[])]);
    let info = tlv(SEQUENCE, &[&algorithm, &tlv(OCTETS, &[&digest])]);
    Ok(tlv(SEQUENCE, &[&info, &tlv(OCTETS, &[&salt]), &rounds()]))
}

fn rounds() -> Vec<u8> {
    ROUNDS.to_der().expect("a small integer has a DER")
}

fn slices(parts: &[Vec<u8>]) -> Vec<&[u8]> {
    parts.iter().map(Vec::as_slice).collect()
}
