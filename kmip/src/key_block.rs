//! Key Block: how a key travels (1.x section 2.1, 2.x section 3).
//!
//! Material is borrowed from the message and never printed.

use crate::attribute::{AttributeList, CryptographicParameters};
use crate::field::{Decode, Encode, Field, structure, unclaimed};
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Writer};
use crate::{
    AttributeName, BigInteger, Bytes, CryptographicAlgorithm, EncodingOption, ItemType, KeyCompressionType,
    KeyFormatType, RecommendedCurve, Tag, UniqueIdentifier, WrappingMethod,
};

structure! {
    /// Key Block. Algorithm and length may be absent: Secret Data often comes without them.
    pub struct KeyBlock<'a> {
        /// Key Format Type.
        key_format_type: KeyFormatType = KEY_FORMAT_TYPE,
        /// Key Compression Type.
        key_compression_type: Option<KeyCompressionType> = KEY_COMPRESSION_TYPE,
        /// Key Value; absent when the server does not hold it (1.2).
        key_value: Option<KeyValue<'a>> = KEY_VALUE,
        /// Cryptographic Algorithm.
        cryptographic_algorithm: Option<CryptographicAlgorithm> = CRYPTOGRAPHIC_ALGORITHM,
        /// Cryptographic Length, bits.
        cryptographic_length: Option<i32> = CRYPTOGRAPHIC_LENGTH,
        /// How the Key Value is wrapped.
        key_wrapping_data: Option<KeyWrappingData<'a>> = KEY_WRAPPING_DATA,
    }
}

impl<'a> KeyBlock<'a> {
    /// A block with material as plain bytes and nothing else.
    #[must_use]
    pub fn from_bytes(key_format_type: KeyFormatType, material: impl Into<Bytes<'a>>) -> Self {
        let material = KeyMaterial::Bytes(material.into());
        Self {
            key_format_type,
            key_compression_type: None,
            key_value: Some(KeyValue::Plain { material, attributes: AttributeList::default() }),
            cryptographic_algorithm: None,
            cryptographic_length: None,
            key_wrapping_data: None,
        }
    }

    /// The material when it is plain bytes, not wrapped and not transparent.
    #[must_use]
    pub fn material_bytes(&self) -> Option<&[u8]> {
        match &self.key_value {
            Some(KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => Some(bytes),
            Some(KeyValue::Plain { material: KeyMaterial::Transparent(_), .. } | KeyValue::Wrapped(_))
            | None => None,
        }
    }
}

/// Key Value.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyValue<'a> {
    /// Wrapped, and encoded before that as Key Wrapping Data says.
    Wrapped(Bytes<'a>),
    /// In the clear.
    Plain {
        /// Key Material.
        material: KeyMaterial<'a>,
        /// Attributes that travel with the key.
        attributes: AttributeList,
    },
}

impl<'a> Decode<'a> for KeyValue<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        if item.kind() == ItemType::ByteString {
            return item.bytes().map(|bytes| Self::Wrapped(bytes.into()));
        }
        let (mut material, mut attributes) = (None, AttributeList::default());
        for child in item.structure()? {
            match child.tag() {
                Tag::KEY_MATERIAL => KeyMaterial::accept(&mut material, child)?,
                Tag::ATTRIBUTE | Tag::ATTRIBUTES => AttributeList::accept(&mut attributes, child)?,
                _ => unclaimed(child)?,
            }
        }
        Ok(Self::Plain { material: KeyMaterial::finish(material, item, Tag::KEY_MATERIAL)?, attributes })
    }
}

impl Encode for KeyValue<'_> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        match self {
            Self::Wrapped(bytes) => w.bytes(tag, bytes),
            Self::Plain { material, attributes } => w.structure(tag, |w| {
                material.encode(w, Tag::KEY_MATERIAL);
                if !attributes.0.is_empty() {
                    attributes.put(w, if w.version().is_v2() { Tag::ATTRIBUTES } else { Tag::ATTRIBUTE });
                }
            }),
        }
    }
}

/// Key Material.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyMaterial<'a> {
    /// One byte string, in the format Key Format Type names.
    Bytes(Bytes<'a>),
    /// The numbers of a transparent format.
    Transparent(TransparentKey<'a>),
}

impl<'a> Decode<'a> for KeyMaterial<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        match item.kind() {
            ItemType::ByteString => item.bytes().map(|bytes| Self::Bytes(bytes.into())),
            ItemType::Structure => TransparentKey::decode(item).map(Self::Transparent),
            _ => Err(item.error(DecodeErrorKind::WrongType(item.tag()))),
        }
    }
}

impl Encode for KeyMaterial<'_> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        match self {
            Self::Bytes(bytes) => w.bytes(tag, bytes),
            Self::Transparent(key) => key.encode(w, tag),
        }
    }
}

structure! {
    /// The numbers of every transparent format; which are there follows from Key Format Type
    /// (1.x section 2.1.7). One order of fields serves all formats.
    #[derive(Default)]
    pub struct TransparentKey<'a> {
        /// Symmetric key.
        key: Option<Bytes<'a>> = KEY,
        /// Curve of an EC key.
        recommended_curve: Option<RecommendedCurve> = RECOMMENDED_CURVE,
        /// RSA modulus.
        modulus: Option<BigInteger<'a>> = MODULUS,
        /// RSA private exponent.
        private_exponent: Option<BigInteger<'a>> = PRIVATE_EXPONENT,
        /// RSA public exponent.
        public_exponent: Option<BigInteger<'a>> = PUBLIC_EXPONENT,
        /// First prime, or the prime of DSA and DH.
        p: Option<BigInteger<'a>> = P,
        /// Second prime, or the subgroup order.
        q: Option<BigInteger<'a>> = Q,
        /// Generator.
        g: Option<BigInteger<'a>> = G,
        /// Cofactor of DH.
        j: Option<BigInteger<'a>> = J,
        /// Private number of DSA and DH.
        x: Option<BigInteger<'a>> = X,
        /// Public number of DSA and DH.
        y: Option<BigInteger<'a>> = Y,
        /// RSA d mod (p - 1).
        prime_exponent_p: Option<BigInteger<'a>> = PRIME_EXPONENT_P,
        /// RSA d mod (q - 1).
        prime_exponent_q: Option<BigInteger<'a>> = PRIME_EXPONENT_Q,
        /// RSA q^-1 mod p.
        crt_coefficient: Option<BigInteger<'a>> = CRT_COEFFICIENT,
        /// Private number of an EC key.
        d: Option<BigInteger<'a>> = D,
        /// Public point of an EC key.
        q_string: Option<Bytes<'a>> = Q_STRING,
    }
}

structure! {
    /// A key that wraps or signs: Encryption Key Information, MAC/Signature Key Information.
    pub struct KeyInformation<'a> {
        /// Which key.
        unique_identifier: UniqueIdentifier<'a> = UNIQUE_IDENTIFIER,
        /// How it is used.
        cryptographic_parameters: Option<CryptographicParameters> = CRYPTOGRAPHIC_PARAMETERS,
    }
}

structure! {
    /// Key Wrapping Data: how the Key Value beside it is wrapped.
    pub struct KeyWrappingData<'a> {
        /// Wrapping Method.
        wrapping_method: WrappingMethod = WRAPPING_METHOD,
        /// The encrypting key.
        encryption_key: Option<KeyInformation<'a>> = ENCRYPTION_KEY_INFORMATION,
        /// The authenticating key.
        mac_signature_key: Option<KeyInformation<'a>> = MAC_SIGNATURE_KEY_INFORMATION,
        /// MAC or signature.
        mac_signature: Option<Bytes<'a>> = MAC_SIGNATURE,
        /// IV, counter or nonce.
        iv_counter_nonce: Option<Bytes<'a>> = IV_COUNTER_NONCE,
        /// What was encoded before wrapping; absent means TTLV.
        encoding_option: Option<EncodingOption> = ENCODING_OPTION since V1_1,
    }
}

structure! {
    /// Key Wrapping Specification: how a Get or Export shall wrap.
    pub struct KeyWrappingSpecification<'a> {
        /// Wrapping Method.
        wrapping_method: WrappingMethod = WRAPPING_METHOD,
        /// The encrypting key.
        encryption_key: Option<KeyInformation<'a>> = ENCRYPTION_KEY_INFORMATION,
        /// The authenticating key.
        mac_signature_key: Option<KeyInformation<'a>> = MAC_SIGNATURE_KEY_INFORMATION,
        /// Attributes to wrap with the key.
        attribute_names: Vec<AttributeName> = ATTRIBUTE_NAME,
        /// What to encode before wrapping; absent means TTLV.
        encoding_option: Option<EncodingOption> = ENCODING_OPTION since V1_1,
    }
}
