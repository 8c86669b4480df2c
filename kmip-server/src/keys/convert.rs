//! An object in another Key Format Type (1.x section 4.11, 2.x section 6.1: Get and Export).

use crypto::formats::{PrivateKey, PublicKey};
use kmip::{
    AttributeList, KeyBlock, KeyCompressionType, KeyFormatType, KeyMaterial, KeyValue, ManagedObject,
    TransparentKey, Version,
};

use super::blocks::{private_block, private_key, public_block, public_key, unsupported};
use super::{Stored, encode};
use crate::failure::Failure;

/// What a Get asks of an object's shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Key Format Type; as it is kept, where absent.
    pub format: Option<KeyFormatType>,
    /// Key Compression Type.
    pub compression: Option<KeyCompressionType>,
}

/// The object in the shape asked for; `None` if it has that shape already.
///
/// # Errors
/// Key Format Type Not Supported, Key Compression Type Not Supported, and Invalid Field for material that
/// is not what it says.
pub fn convert(object: &ManagedObject<'_>, shape: Shape) -> Result<Option<Stored>, Failure> {
    let kept = format_of(object);
    let wanted = shape.format.or(kept);
    if wanted == kept && shape.compression.is_none() {
        return Ok(None);
    }
    let format = wanted.ok_or(unsupported())?;
    let Some(block) = object.key_block() else { return Err(unsupported()) };
    if block.key_wrapping_data.is_some() {
        return Err(unsupported());
    }
    let keep_algorithm = |made: KeyBlock<'static>| KeyBlock {
        cryptographic_algorithm: block.cryptographic_algorithm.or(made.cryptographic_algorithm),
        ..made
    };
    let converted = match object {
        ManagedObject::SymmetricKey(_) => ManagedObject::SymmetricKey(symmetric(block, format)?.into()),
        ManagedObject::PrivateKey(_) => {
            let key = private_key(block)?;
            ManagedObject::PrivateKey(keep_algorithm(private_block(&key, format)?).into())
        }
        ManagedObject::PublicKey(_) => {
            let key = public_key(block)?;
            let made = public_block(&key, format, shape.compression)?;
            ManagedObject::PublicKey(keep_algorithm(made).into())
        }
        _ => return Err(unsupported()),
    };
    Ok(Some(encode(&converted)))
}

/// The Key Format Type of an object. Objects without a Key Block have the one of their kind.
pub fn format_of(object: &ManagedObject<'_>) -> Option<KeyFormatType> {
    match object {
        ManagedObject::Certificate(_) => Some(KeyFormatType::X509),
        ManagedObject::CertificateRequest(_) => Some(KeyFormatType::Pkcs10),
        ManagedObject::OpaqueObject(_) => Some(KeyFormatType::Opaque),
        other => other.key_block().map(|block| block.key_format_type),
    }
}

/// Raw bytes of a symmetric key, secret data or part, in whichever format they are.
pub fn raw_bytes<'b>(block: &'b KeyBlock<'_>) -> Option<&'b [u8]> {
    match &block.key_value {
        Some(KeyValue::Plain { material, .. }) if block.key_wrapping_data.is_none() => match material {
            KeyMaterial::Bytes(bytes) => Some(bytes),
            KeyMaterial::Transparent(key) => key.key.as_deref(),
        },
        _ => None,
    }
}

fn symmetric<'b>(block: &'b KeyBlock<'_>, format: KeyFormatType) -> Result<KeyBlock<'b>, Failure> {
    let bytes = raw_bytes(block).ok_or(unsupported())?;
    let material = match format {
        KeyFormatType::Raw => KeyMaterial::Bytes(bytes.into()),
        KeyFormatType::TransparentSymmetricKey => {
            KeyMaterial::Transparent(TransparentKey { key: Some(bytes.into()), ..TransparentKey::default() })
        }
        _ => return Err(unsupported()),
    };
    Ok(KeyBlock {
        key_format_type: format,
        key_compression_type: None,
        key_value: Some(KeyValue::Plain { material, attributes: AttributeList::default() }),
        cryptographic_algorithm: block.cryptographic_algorithm,
        cryptographic_length: block.cryptographic_length,
        key_wrapping_data: None,
    })
}

/// The format a private key is made in when nothing else is asked for (2.x table 442, "Default Key Format
/// Type by Object"). Before 1.3 the transparent format of EC keys had another name.
pub const fn default_private_format(key: &PrivateKey, version: Version) -> KeyFormatType {
    match key {
        PrivateKey::Rsa(_) => KeyFormatType::Pkcs1,
        PrivateKey::Dsa(_) => KeyFormatType::TransparentDsaPrivateKey,
        PrivateKey::Dh(_) => KeyFormatType::TransparentDhPrivateKey,
        PrivateKey::Ec(_) if !has_transparent_ec(version) => KeyFormatType::TransparentEcdsaPrivateKey,
        // The transparent format of RFC 8032's curves came with 2.0.
        PrivateKey::Okp(_) if !version.is_v2() => KeyFormatType::Pkcs8,
        PrivateKey::Ec(_) | PrivateKey::Okp(_) => KeyFormatType::TransparentEcPrivateKey,
    }
}

/// As [`default_private_format`], of a public key.
pub const fn default_public_format(key: &PublicKey, version: Version) -> KeyFormatType {
    match key {
        PublicKey::Rsa(_) => KeyFormatType::Pkcs1,
        PublicKey::Dsa(_) => KeyFormatType::TransparentDsaPublicKey,
        PublicKey::Dh(_) => KeyFormatType::TransparentDhPublicKey,
        PublicKey::Ec(_) if !has_transparent_ec(version) => KeyFormatType::TransparentEcdsaPublicKey,
        PublicKey::Okp(_) if !version.is_v2() => KeyFormatType::X509,
        PublicKey::Ec(_) | PublicKey::Okp(_) => KeyFormatType::TransparentEcPublicKey,
    }
}

const fn has_transparent_ec(version: Version) -> bool {
    !matches!(version, Version::V1_0 | Version::V1_1 | Version::V1_2)
}
