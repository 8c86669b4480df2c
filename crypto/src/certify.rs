//! Making X.509 certificates (RFC 5280): version 3, signed by a private key that stays here.
//!
//! Names and public keys come in DER and go in as they are; nothing here decides whom to certify.

use std::time::Duration;

use der::Encode as _;
use der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime};

use crate::der_write::{
    BITS, BOOLEAN, EXPLICIT_0, EXPLICIT_3, IA5, IMPLICIT_0, INTEGER, NULL, OCTETS, PRINTABLE, SEQUENCE, SET,
    UTF8, oid, tlv,
};
use crate::digest::sha256;
use crate::formats::{FormatError, PrivateKey};
use crate::services::{self, Hash, ServiceError, SignatureScheme};

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Certification<'a> {
    /// Serial number, positive and never used before by this issuer.
    pub serial: [u8; 16],
    /// The issuer's name in DER.
    pub issuer: &'a [u8],
    /// The subject's name in DER.
    pub subject: &'a [u8],
    /// Alternative names of the subject: GeneralName in DER each.
    pub alternative_names: &'a [Vec<u8>],
    /// From when on it holds, seconds since 1970.
    pub not_before: u64,
    /// Until when it holds, seconds since 1970.
    pub not_after: u64,
    /// The subject's public key, a SubjectPublicKeyInfo.
    pub public_key: &'a [u8],
    /// The issuer's public key, a SubjectPublicKeyInfo.
    pub issuer_key: &'a [u8],
    /// Whether the subject may certify others.
    pub is_authority: bool,
}

/// Why no certificate came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertifyError {
    /// The signing key is of a kind that signs no certificates here.
    #[error("certificates are signed with RSA, EC and Ed25519 keys")]
    KeyKind,
    /// A moment no certificate can name.
    #[error("a certificate's dates lie between 1970 and 9999")]
    Date,
    /// The signing key does not read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The primitive refused.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const AUTHORITY_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// keyCertSign and cRLSign (RFC 5280, section 4.2.1.3): 7 bits, the last unused.
const AUTHORITY_USAGE: [u8; 4] = [BITS, 2, 1, 0x06];

/// GeneralName [2]: a DNS name.
const DNS_NAME: u8 = 0x82;

/// 2050-01-01: from then on dates are GeneralizedTime (RFC 5280, section 4.1.2.5).
const GENERALIZED_FROM: u64 = 2_524_608_000;

impl Certification<'_> {
    /// Signs the certificate; its DER comes back.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub fn sign(&self, key: &PrivateKey) -> Result<Vec<u8>, CertifyError> {
        let (algorithm, hash, scheme) = signature(key)?;
        let signed = self.to_be_signed(&algorithm)?;
        let digest = hash.map(|hash| hash.digest(&[&signed]));
        let private = services::PrivateKey::from_der(&key.to_pkcs8()?)?;
        let signature = private.sign(&scheme, digest.as_ref().map_or(&signed, |digest| digest))?;
        Ok(tlv(SEQUENCE, &[&signed, &algorithm, &tlv(BITS, &[&[0], &signature])]))
    }

    fn to_be_signed(&self, algorithm: &[u8]) -> Result<Vec<u8>, CertifyError> {
        let version = tlv(EXPLICIT_0, &[&tlv(INTEGER, &[&[2]])]);
        let mut serial = self.serial;
        // Positive, and never shorter than it looks.
        serial[0] = serial[0] & 0x7f | 0x40;
        let validity = tlv(SEQUENCE, &[&time(self.not_before)?, &time(self.not_after)?]);
        let extensions = tlv(EXPLICIT_3, &[&tlv(SEQUENCE, &[&self.extensions()])]);
        Ok(tlv(
            SEQUENCE,
            &[
                &version,
                &tlv(INTEGER, &[&serial]),
                algorithm,
                self.issuer,
                &validity,
                self.subject,
                self.public_key,
                &extensions,
            ],
        ))
    }

    fn extensions(&self) -> Vec<u8> {
        let authority = tlv(BOOLEAN, &[&[0xff]]);
        let constraints = tlv(SEQUENCE, &[if self.is_authority { &authority } else { &[] }]);
        let mut all = extension(BASIC_CONSTRAINTS, true, &constraints);
        if self.is_authority {
            all.extend(extension(KEY_USAGE, true, &AUTHORITY_USAGE));
        }
        all.extend(extension(SUBJECT_KEY, false, &tlv(OCTETS, &[&key_identifier(self.public_key)])));
        let issuer = tlv(SEQUENCE, &[&tlv(IMPLICIT_0, &[&key_identifier(self.issuer_key)])]);
        all.extend(extension(AUTHORITY_KEY, false, &issuer));
        if !self.alternative_names.is_empty() {
            let names: Vec<&[u8]> = self.alternative_names.iter().map(Vec::as_slice).collect();
            all.extend(extension(ALTERNATIVE_NAME, false, &tlv(SEQUENCE, &names)));
        }
        all
    }
}

/// A name in DER from its parts, in order: dotted object identifiers and texts. Parts with an identifier
/// that is none are left out.
#[must_use]
pub fn distinguished_name(parts: &[(&str, &str)]) -> Vec<u8> {
    let part = |(identifier, text): &(&str, &str)| {
        let identifier = ObjectIdentifier::new(identifier).ok()?;
        let tag = match identifier.to_string().as_str() {
            // countryName and serialNumber are PrintableString; e-mail and domain components IA5String.
            "2.5.4.6" | "2.5.4.5" => PRINTABLE,
            "1.2.840.113549.1.9.1" | "0.9.2342.19200300.100.1.25" => IA5,
            _ => UTF8,
        };
        let attribute = tlv(SEQUENCE, &[&oid(identifier), &tlv(tag, &[text.as_bytes()])]);
        Some(tlv(SET, &[&attribute]))
    };
    let parts: Vec<Vec<u8>> = parts.iter().filter_map(part).collect();
    tlv(SEQUENCE, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// A DNS name as a GeneralName in DER.
#[must_use]
pub fn dns_name(name: &str) -> Vec<u8> {
    tlv(DNS_NAME, &[name.as_bytes()])
}

/// The AlgorithmIdentifier a key signs with, and how.
fn signature(key: &PrivateKey) -> Result<(Vec<u8>, Option<Hash>, SignatureScheme), CertifyError> {
    let named = |identifier: &str, parameters: &[u8]| {
        let identifier = ObjectIdentifier::new(identifier).expect("a well-formed constant");
        tlv(SEQUENCE, &[&oid(identifier), parameters])
    };
    Ok(match key {
        PrivateKey::Rsa(_) => {
            let scheme = SignatureScheme::RsaPkcs1(Some(Hash::Sha256));
            (named("1.2.840.113549.1.1.11", &tlv(NULL, &[])), Some(Hash::Sha256), scheme)
        }
        PrivateKey::Ec(key) => {
            let (identifier, hash) = match key.curve.bits() {
                521 => ("1.2.840.10045.4.3.4", Hash::Sha512),
                384 => ("1.2.840.10045.4.3.3", Hash::Sha384),
                _ => ("1.2.840.10045.4.3.2", Hash::Sha256),
            };
            (named(identifier, &[]), Some(hash), SignatureScheme::Ecdsa)
        }
        PrivateKey::Okp(key) if key.kind == crate::formats::OkpKind::Ed25519 => {
            (named("1.3.101.112", &[]), None, SignatureScheme::Ed25519)
        }
        PrivateKey::Okp(_) | PrivateKey::Dsa(_) | PrivateKey::Dh(_) => return Err(CertifyError::KeyKind),
    })
}

fn extension(identifier: ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
    let flag = tlv(BOOLEAN, &[&[0xff]]);
    tlv(SEQUENCE, &[&oid(identifier), if critical { &flag } else { &[] }, &tlv(OCTETS, &[value])])
}

/// RFC 7093, section 2, method 4: of the whole SubjectPublicKeyInfo.
fn key_identifier(public_key: &[u8]) -> [u8; 20] {
    let mut identifier = [0; 20];
    identifier.copy_from_slice(&sha256(&[public_key])[..20]);
    identifier
}

fn time(seconds: u64) -> Result<Vec<u8>, CertifyError> {
    let moment = Duration::from_secs(seconds);
    let der = if seconds < GENERALIZED_FROM {
        UtcTime::from_unix_duration(moment).and_then(|time| time.to_der())
    } else {
        GeneralizedTime::from_unix_duration(moment).and_then(|time| time.to_der())
    };
    der.map_err(|_| CertifyError::Date)
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::formats::{Curve, OkpKind};
    use crate::keypair::{KeyPairSpec, RsaBits};

    fn check(spec: KeyPairSpec) {
        let key = spec.generate().expect("a key");
        let spki = key.public().expect("public").to_spki().expect("SPKI");
        let name = distinguished_name(&[("2.5.4.6", "AT"), ("2.5.4.3", "root")]);
        let certification = Certification {
            serial: [0xff; 16],
            issuer: &name,
            subject: &name,
            alternative_names: &[dns_name("db.example")],
            not_before: 1_700_000_000,
            not_after: 2_600_000_000,
            public_key: &spki,
            issuer_key: &spki,
            is_authority: true,
        };
        let der = certification.sign(&key).expect("signed");
        assert_eq!(der[0], SEQUENCE, "{spec:?}");
        // The subject's key stands in it, and both of its dates.
        assert!(der.windows(spki.len()).any(|window| window == spki));
        assert!(der.windows(13).any(|window| window == b"231114221320Z"));
        assert!(der.windows(15).any(|window| window == b"20520522141320Z"));
    }

    #[test]
    fn every_signing_key_makes_a_certificate() {
        check(KeyPairSpec::Ec(Curve::P256));
        check(KeyPairSpec::Ec(Curve::P521));
        check(KeyPairSpec::Okp(OkpKind::Ed25519));
        check(KeyPairSpec::Rsa(RsaBits::Bits2048));
    }

    #[test]
    fn keys_that_do_not_sign_are_refused() {
        let key = KeyPairSpec::Okp(OkpKind::X25519).generate().expect("a key");
        assert_eq!(signature(&key).err(), Some(CertifyError::KeyKind));
    }
}
