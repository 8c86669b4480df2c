//! Reading a PKCS#12 file.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Reader as _, SliceReader, Tag};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::kdf::{self, Purpose};
use super::{Bundle, Pkcs12Error, bmp, pbe};
use crate::services::Hash;
use crate::services::mac::{MacAlgorithm, mac};

pub(super) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
pub(super) const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
pub(super) const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
pub(super) const SHROUDED_KEY_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
pub(super) const CERTIFICATE_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
pub(super) const X509: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
pub(super) const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");

/// Most items of one list: a chain is short, and a file is not a store here.
const ITEMS_MAX: usize = 64;

pub(super) fn open(file: &[u8], password: &str) -> Result<Bundle, Pkcs12Error> {
    let fields = children(AnyRef::from_der(file).map_err(malformed)?)?;
    let [version, safe, code @ ..] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
    if integer(*version)? != 3 {
        return Err(Pkcs12Error::Malformed);
    }
    let (kind, content) = content_info(*safe)?;
    if kind != DATA {
        return Err(Pkcs12Error::Unsupported);
    }
    let safe = octets(content)?;
    verify(safe, *code.first().ok_or(Pkcs12Error::Unsupported)?, password)?;
    let mut bundle = Bundle::default();
    for part in children(AnyRef::from_der(safe).map_err(malformed)?)? {
        let (kind, content) = content_info(part)?;
        match kind {
            DATA => bags(octets(content)?, password, &mut bundle)?,
            ENCRYPTED_DATA => bags(&decrypted(content, password)?, password, &mut bundle)?,
            _ => return Err(Pkcs12Error::Unsupported),
        }
    }
    Ok(bundle)
}

/// The integrity code over everything else.
fn verify(safe: &[u8], code: AnyRef<'_>, password: &str) -> Result<(), Pkcs12Error> {
    let fields = children(code)?;
    let [info, salt, rounds @ ..] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
    let info = children(*info)?;
    let [algorithm, digest] = info.as_slice() else { return Err(Pkcs12Error::Malformed) };
    let algorithm = children(*algorithm)?;
    let hash = match oid(*algorithm.first().ok_or(Pkcs12Error::Malformed)?)?.to_string().as_str() {
        "1.3.14.3.2.26" => Hash::Sha1,
        "2.16.840.1.101.3.4.2.4" => Hash::Sha224,
        "2.16.840.1.101.3.4.2.1" => Hash::Sha256,
        "2.16.840.1.101.3.4.2.2" => Hash::Sha384,
        "2.16.840.1.101.3.4.2.3" => Hash::Sha512,
        _ => return Err(Pkcs12Error::Unsupported),
    };
    let rounds = pbe::checked(rounds.first().map_or(Ok(1), |rounds| integer(*rounds))?)?;
    let bytes = hash.output_bytes();
    let key = kdf::derive(hash, Purpose::Mac, &bmp(password), octets(*salt)?, rounds, bytes);
    let expected = mac(MacAlgorithm::Hmac(hash), &key, &[safe])?;
    if expected.ct_eq(octets(*digest)?).into() { Ok(()) } else { Err(Pkcs12Error::WrongPassword) }
}

fn decrypted(content: AnyRef<'_>, password: &str) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let fields = children(content)?;
    let [_version, info] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
    let info = children(*info)?;
    let [_kind, algorithm, data] = info.as_slice() else { return Err(Pkcs12Error::Malformed) };
    // [0] IMPLICIT OCTET STRING
    pbe::decrypt(*algorithm, data.value(), password)
}

fn bags(contents: &[u8], password: &str, bundle: &mut Bundle) -> Result<(), Pkcs12Error> {
    for bag in children(AnyRef::from_der(contents).map_err(malformed)?)? {
        let fields = children(bag)?;
        let [kind, value, attributes @ ..] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
        let value = only(*value)?;
        match oid(*kind)? {
            KEY_BAG => {
                let der = der::Encode::to_der(&value).map_err(malformed)?;
                set_key(bundle, Zeroizing::new(der), attributes.first())?;
            }
            SHROUDED_KEY_BAG => {
                let fields = children(value)?;
                let [algorithm, data] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
                let key = pbe::decrypt(*algorithm, octets(*data)?, password)?;
                set_key(bundle, key, attributes.first())?;
            }
            CERTIFICATE_BAG => {
                let fields = children(value)?;
                let [kind, value] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
                if oid(*kind)? == X509 {
                    bundle.certificates.push(octets(only(*value)?)?.to_vec());
                }
            }
            // CRLs and secrets are of no use here.
            _ => {}
        }
    }
    Ok(())
}

/// One file, one key: which of several were meant nobody could say.
fn set_key(
    bundle: &mut Bundle,
    key: Zeroizing<Vec<u8>>,
    attributes: Option<&AnyRef<'_>>,
) -> Result<(), Pkcs12Error> {
    if bundle.key.replace(key).is_some() {
        return Err(Pkcs12Error::Unsupported);
    }
    let Some(attributes) = attributes else { return Ok(()) };
    for attribute in children(*attributes)? {
        let fields = children(attribute)?;
        let [kind, values] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
        if oid(*kind)? == FRIENDLY_NAME
            && let Some(name) = children(*values)?.first()
        {
            let units = name.value().chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            bundle.friendly_name = String::from_utf16(&units.collect::<Vec<_>>()).ok();
        }
    }
    Ok(())
}

fn content_info(item: AnyRef<'_>) -> Result<(ObjectIdentifier, AnyRef<'_>), Pkcs12Error> {
    let fields = children(item)?;
    let [kind, content] = fields.as_slice() else { return Err(Pkcs12Error::Malformed) };
    Ok((oid(*kind)?, only(*content)?))
}

/// What lies inside an explicit tag.
fn only(item: AnyRef<'_>) -> Result<AnyRef<'_>, Pkcs12Error> {
    match children(item)?.as_slice() {
        [one] => Ok(*one),
        _ => Err(Pkcs12Error::Malformed),
    }
}

/// The items inside a constructed one.
pub(super) fn children(item: AnyRef<'_>) -> Result<Vec<AnyRef<'_>>, Pkcs12Error> {
    let tag = der::Tagged::tag(&item);
    if !matches!(tag, Tag::Sequence | Tag::Set | Tag::ContextSpecific { constructed: true, .. }) {
        return Err(Pkcs12Error::Malformed);
    }
    let mut items = Vec::new();
    let mut reader = SliceReader::new(item.value()).map_err(malformed)?;
    while !reader.is_finished() {
        if items.len() == ITEMS_MAX {
            return Err(Pkcs12Error::Malformed);
        }
        items.push(AnyRef::decode(&mut reader).map_err(malformed)?);
    }
    Ok(items)
}

pub(super) fn oid(item: AnyRef<'_>) -> Result<ObjectIdentifier, Pkcs12Error> {
    item.decode_as().map_err(malformed)
}

pub(super) fn integer(item: AnyRef<'_>) -> Result<u32, Pkcs12Error> {
    item.decode_as().map_err(malformed)
}

pub(super) fn octets(item: AnyRef<'_>) -> Result<&[u8], Pkcs12Error> {
    item.decode_as::<&OctetStringRef>().map(OctetStringRef::as_bytes).map_err(malformed)
}

fn malformed(_: der::Error) -> Pkcs12Error {
    Pkcs12Error::Malformed
}
