//! An object as a client asks for it: found, allowed, opened, converted and wrapped, in this order.

use engine::{Found, Refused};
use kmip::{
    Attribute, AttributeList, CryptographicAlgorithm, KeyBlock, KeyCompressionType, KeyFormatType,
    KeyInformation, KeyValue, KeyWrapType, KeyWrappingSpecification, LinkType, ManagedObject, ObjectType,
    ResultReason, UsageMask, Version,
};
use model::object::KeyState;
use model::uid::Kind;
use zeroize::Zeroizing;

use super::convert::{Shape, convert, raw_bytes};
use super::wrapping::{self, WrappedStyle, Wrapping, WrappingKey, default_parameters, encryption_key};
use super::{Stored, encode};
use crate::attributes::read::{attributes_of, decoded, length_said};
use crate::dispatch::{algorithm_of, read_stored};
use crate::failure::Failure;
use crate::ops::{Context, Error};
use crate::services::apart;
use crate::services::key::{private_key, public_key};

/// What Get and Export may ask of an object.
#[derive(Clone, Copy, Default)]
pub struct Ask<'r> {
    /// Key Format Type.
    pub format: Option<KeyFormatType>,
    /// Key Wrap Type.
    pub wrap_type: Option<KeyWrapType>,
    /// Key Compression Type.
    pub compression: Option<KeyCompressionType>,
    /// How to wrap it.
    pub wrapping: Option<&'r KeyWrappingSpecification<'r>>,
}

impl Ask<'_> {
    /// Whether a symmetric key is simply wanted as it is.
    pub fn is_plain(&self) -> bool {
        self.wrapping.is_none()
            && self.compression.is_none()
            && matches!(self.format, None | Some(KeyFormatType::Raw))
    }
}

/// The object behind a found identifier, in TTLV, in the shape asked for.
///
/// # Errors
/// What [`Found`]'s state or attributes forbid, and what its material cannot be made into.
pub async fn fetch(context: &mut Context<'_, '_>, found: &Found, ask: Ask<'_>) -> Result<Stored, Error> {
    context.turn.may_get(found)?;
    let attributes = attributes_of(found, context.turn.now());
    let mut object = kept(context, found).await?;
    let style = wrapped_style(&object)?;
    if style.is_some() && (ask.wrap_type == Some(KeyWrapType::NotWrapped) || ask.wrapping.is_some()) {
        object = unwrapped(context, &object).await?;
    }
    let leaves_wrapped = ask.wrapping.is_some() || wrapped_style(&object)?.is_some();
    may_leave(&attributes, leaves_wrapped, context.version)?;
    if !has_value(&attributes, &object)? {
        return Ok(object);
    }
    if ask.format == Some(KeyFormatType::Pkcs12) {
        return super::pkcs12::export(context, &object, &attributes).await;
    }
    let shape = Shape { format: ask.format, compression: ask.compression };
    if let Some(converted) = convert(&read_stored(&object)?, shape)? {
        object = converted;
    }
    if let Some(specification) = ask.wrapping {
        let style = style.unwrap_or(default_style(found, context.version));
        object = wrapped_as(context, &object, specification, &attributes, style).await?;
    }
    Ok(object)
}

/// The object as it is kept; a derived key as if it were.
///
/// # Errors
/// What the engine refuses.
pub async fn kept(context: &mut Context<'_, '_>, found: &Found) -> Result<Stored, Error> {
    let fields = found.fields();
    if fields.kind == Kind::Registered {
        return Ok(context.turn.material(found).await?);
    }
    if fields.algorithm == 0 {
        let message = "a service root is for Derive Key only";
        return Err(Failure::new(ResultReason::PermissionDenied, message).into());
    }
    let key = context.turn.key_bytes(found).await?;
    let block = KeyBlock {
        cryptographic_algorithm: algorithm_of(fields.algorithm),
        cryptographic_length: length_said(found),
        ..KeyBlock::from_bytes(KeyFormatType::Raw, key.as_slice())
    };
    Ok(encode(&ManagedObject::SymmetricKey(block.into())))
}

/// Opens a wrapped object with the wrapping key it names, one of the caller's own.
///
/// # Errors
/// Item Not Found for a key that is not the caller's; what that key's state or mask forbids.
pub async fn unwrapped(context: &mut Context<'_, '_>, object: &[u8]) -> Result<Stored, Error> {
    let material = object;
    let object = read_stored(material)?;
    let data = object.key_block().and_then(|block| block.key_wrapping_data.as_ref());
    let data = data.ok_or(Failure::invalid_field("the object is not wrapped"))?;
    let named = named(data.encryption_key.as_ref())?;
    // A key that wraps may open what it wrapped: a published case gives it the mask Wrap Key alone.
    let mask = UsageMask::UNWRAP_KEY | UsageMask::WRAP_KEY;
    let states = [KeyState::Active, KeyState::Deactivated, KeyState::Compromised];
    let mut found = wrapping_object(context, named).await?;
    if let Some(private) = private_half(&found) {
        found = wrapping_object(context, &private).await?;
    }
    let kek = opened_key(context, found, mask, &states).await?;
    if let WrappingKey::Symmetric(_) = kek.key {
        return Ok(wrapping::unwrap(&object, &kek.key, kek.parameters.as_ref())?);
    }
    let material = Zeroizing::new(material.to_vec());
    let work = move || wrapping::unwrap(&read_stored(&material)?, &kek.key, kek.parameters.as_ref());
    Ok(apart(work).await?)
}

/// A wrapping key with what is to be known of it.
struct Opened {
    key: WrappingKey,
    parameters: Option<kmip::CryptographicParameters>,
    found: Found,
}

/// The identifier of the wrapping key.
fn named<'i>(information: Option<&'i KeyInformation<'_>>) -> Result<&'i str, Failure> {
    let text = encryption_key(information)?.unique_identifier.as_text();
    text.ok_or(Failure::invalid_field("a wrapping key is named by its identifier"))
}

/// The caller's own object that is named as wrapping key.
async fn wrapping_object(context: &mut Context<'_, '_>, identifier: &str) -> Result<Found, Error> {
    let found = context.turn.find(identifier).await?;
    context.presented.check(context.operation, &found)?;
    Ok(found)
}

/// What a public key wrapped its private half opens; `None` for any other object, or if no link tells of it.
fn private_half(found: &Found) -> Option<String> {
    if found.object.object_type != ObjectType::PublicKey.value() {
        return None;
    }
    decoded(found).find_map(|attribute| match attribute {
        Attribute::Link(link) if link.kind == LinkType::PrivateKeyLink => {
            link.object.as_text().map(str::to_owned)
        }
        _ => None,
    })
}

/// Opens a key that may wrap or unwrap now.
async fn opened_key(
    context: &mut Context<'_, '_>,
    found: Found,
    mask: UsageMask,
    states: &[KeyState],
) -> Result<Opened, Error> {
    context.turn.may_get(&found)?;
    let state = context.turn.state_of(&found);
    if !states.contains(&state) {
        return Err(Refused::WrongState { state }.into());
    }
    let attributes = attributes_of(&found, context.turn.now());
    let allowed = attributes.iter().any(|attribute| match attribute {
        Attribute::CryptographicUsageMask(own) => own.intersects(mask),
        _ => false,
    });
    if !allowed {
        let message = "the wrapping key's Cryptographic Usage Mask does not allow this";
        let reason = match context.version {
            Version::V2_0 | Version::V2_1 => ResultReason::IncompatibleCryptographicUsageMask,
            _ => ResultReason::PermissionDenied,
        };
        return Err(Failure::new(reason, message).into());
    }
    let material = kept(context, &found).await?;
    let object = read_stored(&material)?;
    let key = match (object.object_type(), object.key_block().and_then(raw_bytes)) {
        (ObjectType::SymmetricKey, Some(bytes)) => WrappingKey::Symmetric(Zeroizing::new(bytes.to_vec())),
        (ObjectType::PublicKey | ObjectType::Certificate, _) => WrappingKey::Public(public_key(&object)?),
        (ObjectType::PrivateKey, _) => WrappingKey::Private(private_key(&object)?),
        _ => {
            let message = "keys are wrapped under AES and RSA keys here, which must be kept in the clear";
            return Err(Failure::not_supported(message).into());
        }
    };
    Ok(Opened { key, parameters: default_parameters(&attributes), found })
}

async fn wrapped_as(
    context: &mut Context<'_, '_>,
    object: &[u8],
    specification: &KeyWrappingSpecification<'_>,
    attributes: &AttributeList,
    style: WrappedStyle,
) -> Result<Stored, Error> {
    let found = wrapping_object(context, named(specification.encryption_key.as_ref())?).await?;
    let kek = opened_key(context, found, UsageMask::WRAP_KEY, &[KeyState::Active]).await?;
    let travels = |attribute: &&Attribute| specification.attribute_names.contains(&attribute.name());
    let inside: Vec<Attribute> = attributes.iter().filter(travels).cloned().collect();
    let object = read_stored(object)?;
    let nonce = context.turn.server_iv(&kek.found)?;
    let version = context.version;
    let how = Wrapping { specification, parameters: kek.parameters.as_ref(), nonce, style, version };
    Ok(wrapping::wrap(&object, &kek.key, inside.into(), how)?)
}

/// Where the wrapped bytes of a key go that was not registered wrapped. The specification and its cases put
/// them into the Key Value of registered keys. PyKMIP, which speaks up to 2.0 and seldom registers, reads
/// them as Key Material only, as its own server writes them: keys made here are given to it so.
fn default_style(found: &Found, version: Version) -> WrappedStyle {
    match found.fields().kind {
        Kind::Registered => WrappedStyle::KeyValue,
        _ if version <= Version::V2_0 => WrappedStyle::KeyMaterial,
        _ => WrappedStyle::KeyValue,
    }
}

/// How a wrapped object carries its wrapped bytes; `None` for one in the clear.
fn wrapped_style(object: &[u8]) -> Result<Option<WrappedStyle>, Failure> {
    let object = read_stored(object)?;
    let wrapped = object.key_block().filter(|block| block.key_wrapping_data.is_some());
    Ok(wrapped.map(|block| match block.key_value {
        Some(KeyValue::Plain { .. }) => WrappedStyle::KeyMaterial,
        Some(KeyValue::Wrapped(_)) | None => WrappedStyle::KeyValue,
    }))
}

/// Sensitive keys leave wrapped, or not at all; others that are not extractable never do (1.4, 3.46 to 3.49).
fn may_leave(attributes: &AttributeList, wrapped: bool, version: Version) -> Result<(), Failure> {
    let told = |reason| if version >= Version::V1_4 { reason } else { ResultReason::PermissionDenied };
    for attribute in attributes.iter() {
        match attribute {
            Attribute::Extractable(false) => {
                return Err(Failure::new(
                    told(ResultReason::NotExtractable),
                    "the object is not extractable",
                ));
            }
            Attribute::Sensitive(true) if !wrapped => {
                let message = "the object is sensitive: it is given wrapped only";
                return Err(Failure::new(told(ResultReason::Sensitive), message));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether there is a value to give. A one-time pad is used here and never given; before its value is there
/// its object may be seen.
fn has_value(attributes: &AttributeList, object: &[u8]) -> Result<bool, Failure> {
    let pad = Attribute::CryptographicAlgorithm(CryptographicAlgorithm::OneTimePad);
    let is_pad = attributes.iter().any(|attribute| *attribute == pad);
    let object = read_stored(object)?;
    match object.key_block() {
        None => Ok(true),
        Some(block) if block.key_value.is_some() && is_pad => {
            Err(Failure::new(ResultReason::PermissionDenied, "a one-time pad is used here and never given"))
        }
        Some(block) if block.key_value.is_some() => Ok(true),
        Some(_) if is_pad => Ok(false),
        Some(_) => Err(Failure::new(ResultReason::KeyValueNotPresent, "the key's value is not kept here")),
    }
}
