//! Wrapping a Key Block and opening a wrapped one (1.x sections 2.1.5 and 2.1.6, 2.x section 3).
//!
//! Only the arithmetic and the shape: whether the wrapping key may be used is decided by the caller.

use crypto::key_wrap::{GCM_NONCE_BYTES, KeyWrap, KeyWrapError};
use crypto::services::{Hash, PrivateKey, PublicKey, RsaEncryption, ServiceError};
use kmip::field::{Decode as _, Encode as _};
use kmip::ttlv::{Item, Limits, Writer};
use kmip::{
    Attribute, AttributeList, BlockCipherMode, Bytes, CryptographicParameters, EncodingOption, Key, KeyBlock,
    KeyInformation, KeyMaterial, KeyValue, KeyWrappingData, KeyWrappingSpecification, ManagedObject, PgpKey,
    ResultReason, SecretData, SplitKey, Tag, Version, WrappingMethod,
};
use zeroize::Zeroizing;

use super::{Stored, encode};
use crate::failure::Failure;
use crate::services::params::rsa_encryption;

/// A wrapping key that may be used now.
pub enum WrappingKey {
    /// Of AES.
    Symmetric(Zeroizing<Vec<u8>>),
    /// Of RSA: it wraps.
    Public(PublicKey),
    /// Of RSA: it unwraps.
    Private(PrivateKey),
}

/// Where wrapped bytes stand. The specification's place is the Key Value itself; some clients put them where
/// the key's own bytes would be, and get them back there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrappedStyle {
    /// Key Value is the wrapped byte string.
    KeyValue,
    /// Key Material inside a Key Value is.
    KeyMaterial,
}

/// How an object is to be wrapped.
#[derive(Clone, Copy)]
pub struct Wrapping<'w> {
    /// What the request says.
    pub specification: &'w KeyWrappingSpecification<'w>,
    /// Cryptographic Parameters of the wrapping key, for what the request leaves open.
    pub parameters: Option<&'w CryptographicParameters>,
    /// A nonce no other message of that key has, for AES-GCM.
    pub nonce: [u8; GCM_NONCE_BYTES],
    /// Where the wrapped bytes go.
    pub style: WrappedStyle,
    /// Whose Key Value is wrapped: attributes stand in it as the client's version writes them.
    pub version: Version,
}

/// Wraps the key in an object under the bytes of a wrapping key; `attributes` travel inside.
///
/// # Errors
/// Feature Not Supported, Encoding Option Error, Cryptographic Failure.
pub fn wrap(
    object: &ManagedObject<'_>,
    kek: &WrappingKey,
    attributes: AttributeList,
    how: Wrapping<'_>,
) -> Result<Stored, Failure> {
    let Wrapping { specification, parameters: defaults, nonce, style, version } = how;
    let block = object.key_block().ok_or(Failure::not_supported("objects without a key are not wrapped"))?;
    let encoding = specification.encoding_option.unwrap_or(EncodingOption::TtlvEncoding);
    let plain = plain_bytes(block, encoding, attributes, version)?;
    let information = encryption_key(specification.encryption_key.as_ref())?;
    let parameters = information.cryptographic_parameters.as_ref().or(defaults);
    check_method(specification.wrapping_method)?;
    let (wrapped, nonce) = match kek {
        WrappingKey::Symmetric(kek) => {
            let (method, nonce) = match mode(parameters)? {
                Mode::Kw => (KeyWrap::Kw, None),
                Mode::Kwp => (KeyWrap::Kwp, None),
                Mode::Gcm => (KeyWrap::Gcm(nonce), Some(Bytes::from(nonce.to_vec()))),
            };
            (method.wrap(kek, &plain).map_err(failure)?, nonce)
        }
        WrappingKey::Public(key) => {
            let wrapped = key.encrypt(&oaep(parameters)?, &plain).map_err(|error| match error {
                ServiceError::DataLength => {
                    Failure::invalid_field("the key is longer than this RSA key wraps")
                }
                other => other.into(),
            });
            (wrapped?, None)
        }
        WrappingKey::Private(_) => return Err(Failure::not_supported("a private key unwraps only")),
    };
    let wrapped = Bytes::from(wrapped);
    let value = match style {
        WrappedStyle::KeyValue => KeyValue::Wrapped(wrapped),
        WrappedStyle::KeyMaterial => {
            KeyValue::Plain { material: KeyMaterial::Bytes(wrapped), attributes: AttributeList::default() }
        }
    };
    let made = KeyBlock {
        key_format_type: block.key_format_type,
        key_compression_type: block.key_compression_type,
        key_value: Some(value),
        cryptographic_algorithm: block.cryptographic_algorithm,
        cryptographic_length: block.cryptographic_length,
        key_wrapping_data: Some(KeyWrappingData {
            wrapping_method: specification.wrapping_method,
            encryption_key: Some(information.clone()),
            mac_signature_key: None,
            mac_signature: None,
            iv_counter_nonce: nonce,
            encoding_option: specification.encoding_option,
        }),
    };
    Ok(encode(&with_block(object, made)?))
}

/// The object with its key in the clear.
///
/// # Errors
/// As [`wrap`].
pub fn unwrap(
    object: &ManagedObject<'_>,
    kek: &WrappingKey,
    defaults: Option<&CryptographicParameters>,
) -> Result<Stored, Failure> {
    let not_wrapped = Failure::invalid_field("the object is not wrapped");
    let block = object.key_block().ok_or(not_wrapped.clone())?;
    let data = block.key_wrapping_data.as_ref().ok_or(not_wrapped)?;
    let wrapped: &[u8] = match &block.key_value {
        Some(KeyValue::Wrapped(bytes)) => bytes,
        // Some clients put the wrapped bytes where the key would be.
        Some(KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => bytes,
        _ => return Err(Failure::new(ResultReason::KeyValueNotPresent, "there is no wrapped key value")),
    };
    let information = encryption_key(data.encryption_key.as_ref())?;
    let parameters = information.cryptographic_parameters.as_ref().or(defaults);
    check_method(data.wrapping_method)?;
    let mut plain = match kek {
        WrappingKey::Symmetric(kek) => {
            let method = match mode(parameters)? {
                Mode::Kw => KeyWrap::Kw,
                Mode::Kwp => KeyWrap::Kwp,
                Mode::Gcm => {
                    let nonce = data.iv_counter_nonce.as_deref().and_then(|nonce| nonce.try_into().ok());
                    KeyWrap::Gcm(nonce.ok_or(Failure::invalid_field("AES-GCM needs a nonce of 12 bytes"))?)
                }
            };
            method.unwrap(kek, wrapped).map_err(failure)?
        }
        WrappingKey::Private(key) => key.decrypt(&oaep(parameters)?, wrapped)?,
        WrappingKey::Public(_) => return Err(Failure::not_supported("a public key wraps only")),
    };
    let value = match data.encoding_option.unwrap_or(EncodingOption::TtlvEncoding) {
        EncodingOption::NoEncoding => {
            let material = KeyMaterial::Bytes(std::mem::take(&mut *plain).into());
            KeyValue::Plain { material, attributes: AttributeList::default() }
        }
        EncodingOption::TtlvEncoding => decode_value(&plain)?,
    };
    let made = KeyBlock { key_value: Some(value), key_wrapping_data: None, ..block.clone() };
    Ok(encode(&with_block(object, made)?))
}

/// The wrapping key a block names.
///
/// # Errors
/// Invalid Field where it names none.
pub fn encryption_key<'i, 'a>(
    information: Option<&'i KeyInformation<'a>>,
) -> Result<&'i KeyInformation<'a>, Failure> {
    information.ok_or(Failure::invalid_field("no Encryption Key Information names a wrapping key"))
}

/// The object with another Key Block.
pub fn with_block<'b>(object: &ManagedObject<'b>, block: KeyBlock<'b>) -> Result<ManagedObject<'b>, Failure> {
    let key_block = Some(block);
    Ok(match object {
        ManagedObject::SymmetricKey(_) => ManagedObject::SymmetricKey(Key { key_block }),
        ManagedObject::PublicKey(_) => ManagedObject::PublicKey(Key { key_block }),
        ManagedObject::PrivateKey(_) => ManagedObject::PrivateKey(Key { key_block }),
        ManagedObject::SplitKey(part) => ManagedObject::SplitKey(SplitKey { key_block, ..part.clone() }),
        ManagedObject::SecretData(data) => {
            ManagedObject::SecretData(SecretData { key_block, ..data.clone() })
        }
        ManagedObject::PgpKey(key) => ManagedObject::PgpKey(PgpKey { key_block, ..key.clone() }),
        ManagedObject::Certificate(_)
        | ManagedObject::CertificateRequest(_)
        | ManagedObject::Template(_)
        | ManagedObject::OpaqueObject(_) => {
            return Err(Failure::not_supported("objects without a key are not wrapped"));
        }
    })
}

enum Mode {
    Kw,
    Kwp,
    Gcm,
}

fn check_method(method: WrappingMethod) -> Result<(), Failure> {
    if method == WrappingMethod::Encrypt {
        return Ok(());
    }
    Err(Failure::not_supported("keys are wrapped by encryption alone here"))
}

/// How an RSA key wraps: with OAEP, whose hash is SHA-1 unless said otherwise, as in RFC 8017. PKCS #1 v1.5 would
/// make whoever unwraps an oracle (RFC 8017, 7.2), and the bare function hides nothing.
fn oaep(parameters: Option<&CryptographicParameters>) -> Result<RsaEncryption<'_>, Failure> {
    let unnamed = RsaEncryption::Oaep { hash: Hash::Sha1, mask_hash: Hash::Sha1, label: &[] };
    match parameters.map_or(Ok(unnamed), rsa_encryption)? {
        how @ RsaEncryption::Oaep { .. } => Ok(how),
        RsaEncryption::Pkcs1 | RsaEncryption::Raw => {
            Err(Failure::not_supported("RSA keys wrap with OAEP padding only"))
        }
    }
}

/// Modes that authenticate what they wrap: of a key nobody could tell that it was altered.
fn mode(parameters: Option<&CryptographicParameters>) -> Result<Mode, Failure> {
    match parameters.and_then(|parameters| parameters.block_cipher_mode) {
        None | Some(BlockCipherMode::NistKeyWrap) => Ok(Mode::Kw),
        Some(BlockCipherMode::AesKeyWrapPadding) => Ok(Mode::Kwp),
        Some(BlockCipherMode::Gcm | BlockCipherMode::Aead) => Ok(Mode::Gcm),
        Some(_) => Err(Failure::not_supported(
            "keys are wrapped in modes NISTKeyWrap, AESKeyWrapPadding and GCM; this is another",
        )),
    }
}

/// What is wrapped: the bare key, or the Key Value in TTLV.
fn plain_bytes(
    block: &KeyBlock<'_>,
    encoding: EncodingOption,
    attributes: AttributeList,
    version: Version,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let absent = Failure::new(ResultReason::KeyValueNotPresent, "the key's value is not kept here");
    let KeyValue::Plain { material, attributes: own } = block.key_value.as_ref().ok_or(absent)? else {
        return Err(Failure::new(ResultReason::IllegalOperation, "the key is wrapped already"));
    };
    match (encoding, material) {
        (EncodingOption::NoEncoding, KeyMaterial::Bytes(bytes)) if attributes.0.is_empty() => {
            Ok(Zeroizing::new(bytes.to_vec()))
        }
        (EncodingOption::NoEncoding, _) => Err(Failure::new(
            ResultReason::EncodingOptionError,
            "without encoding only a key that is one byte string is wrapped, and no attributes with it",
        )),
        (EncodingOption::TtlvEncoding, _) => {
            let mut all = own.clone();
            all.0.extend(attributes.0);
            let value = KeyValue::Plain { material: material.clone(), attributes: all };
            let mut bytes = Zeroizing::new(Vec::with_capacity(super::OBJECT_BYTES));
            value.encode(&mut Writer::new(&mut bytes, version), Tag::KEY_VALUE);
            Ok(bytes)
        }
    }
}

fn decode_value(plain: &[u8]) -> Result<KeyValue<'_>, Failure> {
    let item = Item::parse(plain, &Limits::DEFAULT).and_then(KeyValue::decode);
    item.map_err(|_| Failure::new(ResultReason::EncodingOptionError, "what was unwrapped is not a Key Value"))
}

/// The Cryptographic Parameters an object has first, as defaults for its use.
pub fn default_parameters(attributes: &AttributeList) -> Option<CryptographicParameters> {
    attributes.iter().find_map(|attribute| match attribute {
        Attribute::CryptographicParameters(parameters) => Some(parameters.clone()),
        _ => None,
    })
}

fn failure(error: KeyWrapError) -> Failure {
    Failure { message: error.to_string().into(), ..Failure::new(ResultReason::CryptographicFailure, "") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::read_stored;
    use kmip::{KeyFormatType, UsageMask};

    /// The Key Value that was wrapped for a client of this version.
    fn opened(version: Version) -> Vec<u8> {
        let kek = vec![7; 16];
        let key = ManagedObject::SymmetricKey(KeyBlock::from_bytes(KeyFormatType::Raw, vec![1; 16]).into());
        let specification = KeyWrappingSpecification {
            wrapping_method: WrappingMethod::Encrypt,
            encryption_key: Some(KeyInformation {
                unique_identifier: "a wrapping key".into(),
                cryptographic_parameters: None,
            }),
            mac_signature_key: None,
            attribute_names: Vec::new(),
            encoding_option: None,
        };
        let how = Wrapping {
            specification: &specification,
            parameters: None,
            nonce: [0; GCM_NONCE_BYTES],
            style: WrappedStyle::KeyValue,
            version,
        };
        let attributes = vec![Attribute::CryptographicUsageMask(UsageMask::ENCRYPT)];
        let wrapping_key = WrappingKey::Symmetric(Zeroizing::new(kek.clone()));
        let stored = wrap(&key, &wrapping_key, attributes.into(), how).expect("wrapped");
        let object = read_stored(&stored).expect("an object");
        match object.key_block().and_then(|block| block.key_value.as_ref()) {
            Some(KeyValue::Wrapped(bytes)) => KeyWrap::Kw.unwrap(&kek, bytes).expect("opened").to_vec(),
            other => panic!("not wrapped: {other:?}"),
        }
    }

    #[test]
    fn attributes_are_wrapped_as_the_clients_version_writes_them() {
        let by_name = |plain: &[u8]| {
            let name = b"Cryptographic Usage Mask";
            plain.windows(name.len()).any(|window| window == name)
        };
        let (old, new) = (opened(Version::V1_4), opened(Version::V2_1));
        assert!(by_name(&old) && !by_name(&new));
        assert_eq!(decode_value(&old), decode_value(&new), "either is read back");
    }
}
