//! What an X.509 certificate says of itself, as attributes (1.x sections 3.8 to 3.16, 2.x section 4.8 on).
//!
//! Reading is all that happens here: no signature is checked.

use crypto::formats::PublicKey;
use kmip::{
    Attribute, ByteString, CertificateIdentifier, CertificateIssuer, CertificateSubject, CertificateType,
    DigitalSignatureAlgorithm, KeyFormatType, X509CertificateIdentifier, X509CertificateIssuer,
    X509CertificateSubject,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, Tag};
use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::blocks::public_algorithm;
use crate::failure::Failure;

/// The attributes a certificate has of itself. One that is not X.509 or does not parse has its type and
/// length alone: it is kept, and nothing is known of it.
pub fn attributes_of(kind: CertificateType, value: &[u8]) -> Vec<Attribute> {
    let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
    let mut list = vec![
        Attribute::CertificateType(kind),
        Attribute::CertificateLength(length),
        // A certificate has no Key Block; the published cases call its format Raw.
        Attribute::KeyFormatType(KeyFormatType::Raw),
    ];
    if kind == CertificateType::X509
        && let Ok((_, certificate)) = X509Certificate::from_der(value)
    {
        push_key(&certificate, &mut list);
        push_names(&certificate, &mut list);
        if let Some(algorithm) = signature_algorithm(&certificate.signature_algorithm.algorithm) {
            list.push(Attribute::DigitalSignatureAlgorithm(algorithm));
        }
    }
    list
}

/// As the published cases show a certificate that came in a PKCS#12 file: its serial number without the
/// header of its DER.
pub fn with_bare_serial(mut attribute: Attribute) -> Attribute {
    if let Attribute::X509CertificateIdentifier(identifier) = &mut attribute
        && let [2, _, content @ ..] = identifier.serial_number.0.as_slice()
    {
        identifier.serial_number = ByteString(content.to_vec());
    }
    attribute
}

/// As the published cases of 1.0 show a serial number: upper case, and without a leading zero byte.
pub fn as_in_1_0(attribute: &mut Attribute) {
    if let Attribute::CertificateIdentifier(CertificateIdentifier { serial_number: Some(serial), .. }) =
        attribute
    {
        *serial = serial.strip_prefix("00").unwrap_or(serial).to_ascii_uppercase();
    }
}

/// The public key a certificate is about.
///
/// # Errors
/// Invalid Field for bytes that are no X.509 certificate, or a key that is not read here.
pub fn public_key_of(value: &[u8]) -> Result<PublicKey, Failure> {
    let unreadable = Failure::invalid_field("the certificate is not X.509 with a key that is known here");
    let (_, certificate) = X509Certificate::from_der(value).map_err(|_| unreadable.clone())?;
    PublicKey::from_spki(certificate.public_key().raw).map_err(|_| unreadable)
}

fn push_key(certificate: &X509Certificate<'_>, list: &mut Vec<Attribute>) {
    let Ok(key) = PublicKey::from_spki(certificate.public_key().raw) else { return };
    list.push(Attribute::CryptographicAlgorithm(public_algorithm(&key)));
    if let Ok(bits) = i32::try_from(key.bits()) {
        list.push(Attribute::CryptographicLength(bits));
    }
}

fn push_names(certificate: &X509Certificate<'_>, list: &mut Vec<Attribute>) {
    let (issuer, subject) = (certificate.issuer(), certificate.subject());
    let mut alternatives = Alternatives::default();
    certificate.extensions().iter().for_each(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => {
            alternatives.subject = (general_names(extension.value), texts(&names.general_names));
        }
        ParsedExtension::IssuerAlternativeName(names) => {
            alternatives.issuer = (general_names(extension.value), texts(&names.general_names));
        }
        _ => {}
    });
    let der = |name: &X509Name<'_>| ByteString(name.as_raw().to_vec());
    list.extend([
        Attribute::X509CertificateIdentifier(X509CertificateIdentifier {
            issuer_distinguished_name: der(issuer),
            serial_number: ByteString(integer(certificate.raw_serial())),
        }),
        Attribute::X509CertificateIssuer(X509CertificateIssuer {
            distinguished_name: der(issuer),
            alternative_names: alternatives.issuer.0,
        }),
        Attribute::X509CertificateSubject(X509CertificateSubject {
            distinguished_name: der(subject),
            alternative_names: alternatives.subject.0,
        }),
        Attribute::CertificateIdentifier(CertificateIdentifier {
            issuer: distinguished_name(issuer),
            serial_number: Some(hexadecimal(certificate.raw_serial())),
        }),
        Attribute::CertificateIssuer(CertificateIssuer {
            distinguished_name: distinguished_name(issuer),
            alternative_names: alternatives.issuer.1,
        }),
        Attribute::CertificateSubject(CertificateSubject {
            distinguished_name: distinguished_name(subject),
            alternative_names: alternatives.subject.1,
        }),
    ]);
    push_parts(subject, &SUBJECT, list);
    push_parts(issuer, &ISSUER, list);
}

/// Alternative names, in DER and in text.
#[derive(Default)]
struct Alternatives {
    subject: (Vec<ByteString>, Vec<String>),
    issuer: (Vec<ByteString>, Vec<String>),
}

/// A part of a distinguished name: its object identifier, its name in RFC 4514, and its attribute (2.x).
type Part = (&'static str, &'static str, fn(String) -> Attribute);

const SUBJECT: [Part; 12] = [
    ("2.5.4.3", "CN", Attribute::CertificateSubjectCn),
    ("2.5.4.10", "O", Attribute::CertificateSubjectO),
    ("2.5.4.11", "OU", Attribute::CertificateSubjectOu),
    ("1.2.840.113549.1.9.1", "E", Attribute::CertificateSubjectEmail),
    ("2.5.4.6", "C", Attribute::CertificateSubjectC),
    ("2.5.4.8", "ST", Attribute::CertificateSubjectSt),
    ("2.5.4.7", "L", Attribute::CertificateSubjectL),
    ("0.9.2342.19200300.100.1.1", "UID", Attribute::CertificateSubjectUid),
    ("2.5.4.5", "SERIALNUMBER", Attribute::CertificateSubjectSerialNumber),
    ("2.5.4.12", "T", Attribute::CertificateSubjectTitle),
    ("0.9.2342.19200300.100.1.25", "DC", Attribute::CertificateSubjectDc),
    ("2.5.4.46", "DNQ", Attribute::CertificateSubjectDnQualifier),
];

const ISSUER: [Part; 12] = [
    ("2.5.4.3", "CN", Attribute::CertificateIssuerCn),
    ("2.5.4.10", "O", Attribute::CertificateIssuerO),
    ("2.5.4.11", "OU", Attribute::CertificateIssuerOu),
    ("1.2.840.113549.1.9.1", "E", Attribute::CertificateIssuerEmail),
    ("2.5.4.6", "C", Attribute::CertificateIssuerC),
    ("2.5.4.8", "ST", Attribute::CertificateIssuerSt),
    ("2.5.4.7", "L", Attribute::CertificateIssuerL),
    ("0.9.2342.19200300.100.1.1", "UID", Attribute::CertificateIssuerUid),
    ("2.5.4.5", "SERIALNUMBER", Attribute::CertificateIssuerSerialNumber),
    ("2.5.4.12", "T", Attribute::CertificateIssuerTitle),
    ("0.9.2342.19200300.100.1.25", "DC", Attribute::CertificateIssuerDc),
    ("2.5.4.46", "DNQ", Attribute::CertificateIssuerDnQualifier),
];

fn push_parts(name: &X509Name<'_>, parts: &[Part; 12], list: &mut Vec<Attribute>) {
    for entry in name.iter_attributes() {
        let oid = entry.attr_type().to_id_string();
        let part = parts.iter().find(|(known, ..)| *known == oid);
        if let (Some((_, _, attribute)), Ok(text)) = (part, entry.as_str()) {
            list.push(attribute(text.to_owned()));
        }
    }
}

/// A distinguished name as RFC 4514 writes it: the last part first.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut written: Vec<String> = name
        .iter_rdn()
        .map(|rdn| {
            let parts: Vec<String> = rdn
                .iter()
                .map(|entry| {
                    let oid = entry.attr_type().to_id_string();
                    let short = SUBJECT.iter().find(|(known, ..)| *known == oid).map(|(_, short, _)| *short);
                    let text = entry.as_str().unwrap_or_default();
                    format!("{}={}", short.unwrap_or(&oid), escaped(text))
                })
                .collect();
            parts.join("+")
        })
        .collect();
    written.reverse();
    written.join(",")
}

/// RFC 4514, section 2.4.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (position, character) in text.chars().enumerate() {
        let special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (position == 0 && matches!(character, ' ' | '#'))
            || (position == last && character == ' ');
        match character {
            '\0' => out.push_str("\\00"),
            _ if special => out.extend(['\\', character]),
            _ => out.push(character),
        }
    }
    out
}

fn texts(names: &[GeneralName<'_>]) -> Vec<String> {
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some((*text).to_owned())
        }
        _ => None,
    };
    names.iter().filter_map(text).collect()
}

/// The DER of each GeneralName in a GeneralNames.
pub fn general_names(der: &[u8]) -> Vec<ByteString> {
    let mut names = Vec::new();
    let Ok((_, sequence)) = Any::from_der(der) else { return names };
    if sequence.tag() != Tag::Sequence {
        return names;
    }
    let mut rest = sequence.data;
    while let Ok((after, _)) = Any::from_der(rest) {
        names.push(ByteString(rest[..rest.len() - after.len()].to_vec()));
        rest = after;
    }
    names
}

/// The DER INTEGER around the bytes of a serial number, which X.509 keeps to 20.
fn integer(content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX).min(127);
    let mut der = vec![2, length];
    der.extend(content.iter().take(length.into()));
    der
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signature_algorithm(oid: &Oid<'_>) -> Option<DigitalSignatureAlgorithm> {
    use DigitalSignatureAlgorithm as Algorithm;
    Some(match oid.to_id_string().as_str() {
        "1.2.840.113549.1.1.2" => Algorithm::Md2WithRsaEncryptionPkcs1V1_5,
        "1.2.840.113549.1.1.4" => Algorithm::Md5WithRsaEncryptionPkcs1V1_5,
        "1.2.840.113549.1.1.5" => Algorithm::Sha1WithRsaEncryptionPkcs1V1_5,
        "1.2.840.113549.1.1.14" => Algorithm::Sha224WithRsaEncryptionPkcs1V1_5,
        "1.2.840.113549.1.1.11" => Algorithm::Sha256WithRsaEncryptionPkcs1V1_5,
        "1.2.840.113549.1.1.12" => Algorithm::Sha384WithRsaEncryptionPkcs1V1_5,
        "1.2.840.113549.1.1.13" => Algorithm::Sha512WithRsaEncryptionPkcs1V1_5,
        "1.2.840.113549.1.1.10" => Algorithm::RsassaPss,
        "1.2.840.10040.4.3" => Algorithm::DsaWithSha1,
        "2.16.840.1.101.3.4.3.1" => Algorithm::DsaWithSha224,
        "2.16.840.1.101.3.4.3.2" => Algorithm::DsaWithSha256,
        "1.2.840.10045.4.1" => Algorithm::EcdsaWithSha1,
        "1.2.840.10045.4.3.1" => Algorithm::EcdsaWithSha224,
        "1.2.840.10045.4.3.2" => Algorithm::EcdsaWithSha256,
        "1.2.840.10045.4.3.3" => Algorithm::EcdsaWithSha384,
        "1.2.840.10045.4.3.4" => Algorithm::EcdsaWithSha512,
        "2.16.840.1.101.3.4.3.14" => Algorithm::Sha3_256WithRsaEncryption,
        "2.16.840.1.101.3.4.3.15" => Algorithm::Sha3_384WithRsaEncryption,
        "2.16.840.1.101.3.4.3.16" => Algorithm::Sha3_512WithRsaEncryption,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguished_names_escape_what_rfc_4514_says() {
        for (text, expected) in [("a,b", "a\\,b"), (" x ", "\\ x\\ "), ("#1", "\\#1"), ("é", "é")] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn a_certificate_tells_its_names_key_and_signature() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        let mut parameters =
            rcgen::CertificateParams::new(vec!["db.example".to_owned()]).expect("parameters");
        parameters.distinguished_name.push(rcgen::DnType::CountryName, "AT");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "a, b");
        let certificate = parameters.self_signed(&key).expect("signed");
        let list = attributes_of(CertificateType::X509, certificate.der());
        let has = |wanted: &Attribute| assert!(list.contains(wanted), "{wanted:?} in {list:?}");
        has(&Attribute::CryptographicLength(384));
        has(&Attribute::DigitalSignatureAlgorithm(DigitalSignatureAlgorithm::EcdsaWithSha384));
        has(&Attribute::CertificateSubjectCn("a, b".to_owned()));
        has(&Attribute::CertificateIssuerC("AT".to_owned()));
        has(&Attribute::CertificateSubject(CertificateSubject {
            distinguished_name: list
                .iter()
                .find_map(|attribute| match attribute {
                    Attribute::CertificateSubject(subject) => Some(subject.distinguished_name.clone()),
                    _ => None,
                })
                .filter(|name| name.contains("CN=a\\, b") && name.contains("C=AT"))
                .expect("a distinguished name"),
            alternative_names: vec!["db.example".to_owned()],
        }));
    }

    #[test]
    fn serial_numbers_are_written_as_each_case_shows_them() {
        let identifier = |serial: &[u8]| {
            Attribute::X509CertificateIdentifier(X509CertificateIdentifier {
                issuer_distinguished_name: ByteString(Vec::new()),
                serial_number: ByteString(serial.to_vec()),
            })
        };
        assert_eq!(with_bare_serial(identifier(&[2, 2, 0, 0xda])), identifier(&[0, 0xda]));
        let text = |serial: &str| {
            Attribute::CertificateIdentifier(CertificateIdentifier {
                issuer: "CN=a".to_owned(),
                serial_number: Some(serial.to_owned()),
            })
        };
        let mut shown = text("00dada");
        as_in_1_0(&mut shown);
        assert_eq!(shown, text("DADA"));
    }

    #[test]
    fn what_is_no_certificate_is_kept_with_its_length() {
        let list = attributes_of(CertificateType::X509, &[1, 2, 3]);
        assert!(list.contains(&Attribute::CertificateLength(3)));
        assert_eq!(list.len(), 3);
        assert!(public_key_of(&[1, 2, 3]).is_err());
    }
}
