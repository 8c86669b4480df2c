//! PKCS#12: one Register makes a private key and its certificates, and Get writes them into a file again
//! (1.4, 2.2.4 and 3.35). The password is Secret Data the key is linked to; it must be Active both times.

use crypto::formats::PrivateKey;
use crypto::pkcs12::{Bundle, Pkcs12Error};
use engine::Found;
use kmip::{
    Attribute, AttributeKind, AttributeList, Certificate, CertificateType, KeyBlock, KeyFormatType,
    KeyMaterial, KeyValue, LinkType, ManagedObject, ResultReason,
};
use model::object::KeyState;
use zeroize::Zeroizing;

use super::blocks::{private_block, private_key};
use super::certificate::{self, public_key_of};
use super::convert::raw_bytes;
use super::fetch::kept;
use super::new::registration;
use super::pair::link;
use super::{Stored, encode};
use crate::attributes::read::decoded;
use crate::dispatch::read_stored;
use crate::failure::Failure;
use crate::objects::Wanted;
use crate::ops::register::add_facts;
use crate::ops::{Context, Error};
use crate::services::apart;

/// Longest chain that is written: as long as any that is validated.
const CHAIN_MAX: usize = 32;

/// Registers the key in a file, and its certificates beside it; the key's identifier comes back.
///
/// # Errors
/// Permission Denied (2.x: Wrong Key Lifecycle State) for a password that is not Active; Cryptographic
/// Failure for one that does not open the file; Invalid Field for bytes that are no such file.
pub async fn register(
    context: &mut Context<'_, '_>,
    object: &ManagedObject<'_>,
    mut wanted: Wanted,
) -> Result<String, Error> {
    let file = object.key_block().and_then(file_of);
    let file = file.ok_or(Failure::invalid_field("the key block holds no PKCS#12 file"))?;
    let linked = linked(wanted.attributes(), LinkType::Pkcs12PasswordLink);
    let password = password(context, linked.as_deref()).await?;
    let file = file.to_vec();
    let bundle = apart(move || Bundle::open(&file, text(&password)?).map_err(refused)).await?;
    let pkcs8 = bundle.key.as_ref().ok_or(Failure::invalid_field("the PKCS#12 file holds no private key"))?;
    let key = PrivateKey::from_pkcs8(pkcs8)
        .map_err(|_| Failure::invalid_field("the key in the PKCS#12 file is of no known kind"))?;
    if !wanted.has(AttributeKind::Pkcs12FriendlyName)
        && let Some(name) = &bundle.friendly_name
    {
        wanted.add_fact(Attribute::Pkcs12FriendlyName(name.clone()));
    }
    let name = wanted.attributes().find(|one| one.kind() == Some(AttributeKind::Pkcs12FriendlyName)).cloned();
    let certificates = chain(&key, bundle.certificates);
    let uids = certificates.iter().map(|_| context.turn.registered_uid()).collect::<Result<Vec<_>, _>>()?;
    let private_uid = context.turn.registered_uid()?;
    if let Some(leaf) = uids.first() {
        wanted.add_fact(link(LinkType::Pkcs12CertificateLink, &leaf.to_string()));
    }
    let private = ManagedObject::PrivateKey(private_block(&key, KeyFormatType::Pkcs8)?.into());
    add_facts(&mut wanted, &private);
    let mut actions = vec![registration(context, private_uid, &private, wanted).await?];
    for (position, (uid, der)) in uids.iter().zip(certificates).enumerate() {
        let mut wanted = Wanted::default();
        for fact in certificate::attributes_of(CertificateType::X509, &der) {
            wanted.add_fact(certificate::with_bare_serial(fact));
        }
        if let Some(name) = name.clone().filter(|_| position == 0) {
            wanted.add_fact(name);
        }
        if let Some(issuer) = uids.get(position + 1) {
            wanted.add_fact(link(LinkType::Pkcs12CertificateLink, &issuer.to_string()));
        }
        let certificate =
            ManagedObject::Certificate(Certificate { kind: CertificateType::X509, value: der.into() });
        actions.push(registration(context, *uid, &certificate, wanted).await?);
    }
    context.turn.commit(actions).await?;
    Ok(private_uid.to_string())
}

/// A private key with the certificates it is linked to, as a file under its password.
///
/// # Errors
/// As [`register`]; Key Format Type Not Supported for anything but a private key.
pub async fn export(
    context: &mut Context<'_, '_>,
    object: &[u8],
    attributes: &AttributeList,
) -> Result<Stored, Error> {
    let object = read_stored(object)?;
    let (ManagedObject::PrivateKey(_), Some(block)) = (&object, object.key_block()) else {
        return Err(super::blocks::unsupported().into());
    };
    let key = private_key(block)?.to_pkcs8();
    let key =
        key.map_err(|error| Failure { message: error.to_string().into(), ..super::blocks::unsupported() })?;
    let friendly_name = attributes.iter().find_map(|attribute| match attribute {
        Attribute::Pkcs12FriendlyName(name) => Some(name.clone()),
        _ => None,
    });
    let certificates = linked_chain(context, attributes).await?;
    let password =
        password(context, linked(attributes.iter(), LinkType::Pkcs12PasswordLink).as_deref()).await?;
    let bundle = Bundle { key: Some(key), friendly_name, certificates };
    let file = apart(move || bundle.seal(text(&password)?).map_err(refused)).await?;
    let block = KeyBlock::from_bytes(KeyFormatType::Pkcs12, file);
    Ok(encode(&ManagedObject::PrivateKey(block.into())))
}

/// The file may stand where a wrapped key would: one published case sends it so.
fn file_of<'b>(block: &'b KeyBlock<'_>) -> Option<&'b [u8]> {
    match block.key_value.as_ref()? {
        KeyValue::Wrapped(bytes) | KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. } => Some(bytes),
        KeyValue::Plain { material: KeyMaterial::Transparent(_), .. } => None,
    }
}

fn linked<'a>(mut attributes: impl Iterator<Item = &'a Attribute>, kind: LinkType) -> Option<String> {
    attributes.find_map(|attribute| match attribute {
        Attribute::Link(link) if link.kind == kind => link.object.as_text().map(str::to_owned),
        _ => None,
    })
}

/// The bytes of the linked password.
async fn password(context: &mut Context<'_, '_>, linked: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let linked =
        linked.ok_or(Failure::invalid_field("no PKCS#12 Password Link names the file's password"))?;
    let found: Found = context.turn.find(linked).await?;
    context.turn.may_get(&found)?;
    if context.turn.state_of(&found) != KeyState::Active {
        let reason = match context.version.is_v2() {
            true => ResultReason::WrongKeyLifecycleState,
            false => ResultReason::PermissionDenied,
        };
        return Err(Failure::new(reason, "the password of the PKCS#12 file is not Active").into());
    }
    let material = kept(context, &found).await?;
    match read_stored(&material)? {
        ManagedObject::SecretData(secret) => {
            let bytes = secret.key_block.as_ref().and_then(raw_bytes);
            let bytes = bytes.ok_or(Failure::invalid_field("the password is not given in the clear"))?;
            Ok(Zeroizing::new(bytes.to_vec()))
        }
        _ => Err(Failure::invalid_field("the password of a PKCS#12 file is Secret Data").into()),
    }
}

fn text(password: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(password).map_err(|_| Failure::invalid_field("the password is not text"))
}

/// The certificates with the key's own first; the others as they came.
fn chain(key: &PrivateKey, mut certificates: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let public = key.public().ok();
    let own = certificates.iter().position(|der| public_key_of(der).ok() == public);
    if let Some(own) = own {
        certificates[..=own].rotate_right(1);
    }
    certificates.truncate(CHAIN_MAX);
    certificates
}

/// Follows the links from a key to its certificate, and on to its issuers.
async fn linked_chain(
    context: &mut Context<'_, '_>,
    attributes: &AttributeList,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut certificates = Vec::new();
    let mut next = linked(attributes.iter(), LinkType::Pkcs12CertificateLink);
    while let Some(identifier) = next.filter(|_| certificates.len() < CHAIN_MAX) {
        let found = context.turn.find(&identifier).await?;
        context.turn.may_get(&found)?;
        let material = kept(context, &found).await?;
        let ManagedObject::Certificate(certificate) = read_stored(&material)? else {
            return Err(Failure::invalid_field("a PKCS#12 Certificate Link leads to no certificate").into());
        };
        certificates.push(certificate.value.to_vec());
        let own: Vec<Attribute> = decoded(&found).collect();
        next = linked(own.iter(), LinkType::Pkcs12CertificateLink);
    }
    Ok(certificates)
}

fn refused(error: Pkcs12Error) -> Failure {
    let reason = match error {
        Pkcs12Error::Malformed => ResultReason::InvalidField,
        Pkcs12Error::Unsupported => ResultReason::KeyFormatTypeNotSupported,
        Pkcs12Error::WrongPassword | Pkcs12Error::Service(_) => ResultReason::CryptographicFailure,
    };
    Failure { message: error.to_string().into(), ..Failure::new(reason, "") }
}
