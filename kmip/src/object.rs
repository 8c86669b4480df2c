//! Managed objects as they travel (1.x section 2.2, 2.x section 2).

use crate::attribute::Template;
use crate::field::{Decode, Encode, structure};
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Writer};
use crate::{
    BigInteger, Bytes, CertificateRequestType, CertificateType, KeyBlock, ObjectType, RawEnumeration,
    SecretDataType, SplitKeyMethod, Tag,
};

structure! {
    /// Certificate.
    pub struct Certificate<'a> {
        /// Certificate Type.
        kind: CertificateType = CERTIFICATE_TYPE,
        /// DER, or an OpenPGP certificate.
        value: Bytes<'a> = CERTIFICATE_VALUE,
    }
}

structure! {
    /// Certificate Request (2.0).
    pub struct CertificateRequest<'a> {
        /// Certificate Request Type.
        kind: CertificateRequestType = CERTIFICATE_REQUEST_TYPE,
        /// The request.
        value: Bytes<'a> = CERTIFICATE_REQUEST_VALUE,
    }
}

structure! {
    /// The content of Symmetric Key, Public Key and Private Key.
    pub struct Key<'a> {
        /// Key Block; absent when only attributes are registered.
        key_block: Option<KeyBlock<'a>> = KEY_BLOCK,
    }
}

impl<'a> From<KeyBlock<'a>> for Key<'a> {
    fn from(key_block: KeyBlock<'a>) -> Self {
        Self { key_block: Some(key_block) }
    }
}

structure! {
    /// Split Key.
    pub struct SplitKey<'a> {
        /// How many parts there are.
        parts: i32 = SPLIT_KEY_PARTS,
        /// Which part this is, from 1.
        part_identifier: i32 = KEY_PART_IDENTIFIER,
        /// How many parts give the key.
        threshold: i32 = SPLIT_KEY_THRESHOLD,
        /// Split Key Method.
        method: SplitKeyMethod = SPLIT_KEY_METHOD,
        /// Prime Field Size, for the method over a prime field.
        prime_field_size: Option<BigInteger<'a>> = PRIME_FIELD_SIZE,
        /// Key Block.
        key_block: Option<KeyBlock<'a>> = KEY_BLOCK,
    }
}

structure! {
    /// Secret Data.
    pub struct SecretData<'a> {
        /// Secret Data Type.
        kind: SecretDataType = SECRET_DATA_TYPE,
        /// Key Block.
        key_block: Option<KeyBlock<'a>> = KEY_BLOCK,
    }
}

structure! {
    /// Opaque Object.
    pub struct OpaqueObject<'a> {
        /// Opaque Data Type: the owner's own list.
        kind: RawEnumeration = OPAQUE_DATA_TYPE,
        /// Opaque Data Value.
        value: Bytes<'a> = OPAQUE_DATA_VALUE,
    }
}

structure! {
    /// PGP Key (1.2).
    pub struct PgpKey<'a> {
        /// PGP Key Version.
        version: i32 = PGP_KEY_VERSION,
        /// Key Block.
        key_block: Option<KeyBlock<'a>> = KEY_BLOCK,
    }
}

/// A managed object. Its tag says which; [`object_type`](Self::object_type) agrees with it.
#[derive(Clone, Debug, PartialEq)]
pub enum ManagedObject<'a> {
    /// Certificate.
    Certificate(Certificate<'a>),
    /// Symmetric Key.
    SymmetricKey(Key<'a>),
    /// Public Key.
    PublicKey(Key<'a>),
    /// Private Key.
    PrivateKey(Key<'a>),
    /// Split Key.
    SplitKey(SplitKey<'a>),
    /// Template (1.x): attributes to be expanded by name.
    Template(Template),
    /// Secret Data.
    SecretData(SecretData<'a>),
    /// Opaque Object.
    OpaqueObject(OpaqueObject<'a>),
    /// PGP Key.
    PgpKey(PgpKey<'a>),
    /// Certificate Request.
    CertificateRequest(CertificateRequest<'a>),
}

impl<'a> ManagedObject<'a> {
    /// Its Object Type.
    #[must_use]
    pub const fn object_type(&self) -> ObjectType {
        match self {
            Self::Certificate(_) => ObjectType::Certificate,
            Self::SymmetricKey(_) => ObjectType::SymmetricKey,
            Self::PublicKey(_) => ObjectType::PublicKey,
            Self::PrivateKey(_) => ObjectType::PrivateKey,
            Self::SplitKey(_) => ObjectType::SplitKey,
            Self::Template(_) => ObjectType::Template,
            Self::SecretData(_) => ObjectType::SecretData,
            Self::OpaqueObject(_) => ObjectType::OpaqueObject,
            Self::PgpKey(_) => ObjectType::PgpKey,
            Self::CertificateRequest(_) => ObjectType::CertificateRequest,
        }
    }

    /// Its Key Block, of the types that have one.
    #[must_use]
    pub const fn key_block(&self) -> Option<&KeyBlock<'a>> {
        match self {
            Self::SymmetricKey(key) | Self::PublicKey(key) | Self::PrivateKey(key) => key.key_block.as_ref(),
            Self::SplitKey(key) => key.key_block.as_ref(),
            Self::SecretData(secret) => secret.key_block.as_ref(),
            Self::PgpKey(key) => key.key_block.as_ref(),
            Self::Certificate(_)
            | Self::CertificateRequest(_)
            | Self::Template(_)
            | Self::OpaqueObject(_) => None,
        }
    }
}

/// A payload field that is one managed object: its tag names its type, so the field has many tags.
macro_rules! object_tags {
    ($($variant:ident = $tag:ident;)*) => {
        impl<'a> Decode<'a> for ManagedObject<'a> {
            fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
                match item.tag() {
                    $(Tag::$tag => Decode::decode(item).map(Self::$variant),)*
                    tag => Err(item.error(DecodeErrorKind::Unexpected(tag))),
                }
            }
        }

        impl Encode for ManagedObject<'_> {
            /// Writes the object under its own tag, whatever tag is passed.
            fn encode(&self, w: &mut Writer<'_>, _tag: Tag) {
                match self {
                    $(Self::$variant(object) => object.encode(w, Tag::$tag),)*
                }
            }
        }
    };
}

object_tags! {
    Certificate = CERTIFICATE;
    SymmetricKey = SYMMETRIC_KEY;
    PublicKey = PUBLIC_KEY;
    PrivateKey = PRIVATE_KEY;
    SplitKey = SPLIT_KEY;
    Template = TEMPLATE;
    SecretData = SECRET_DATA;
    OpaqueObject = OPAQUE_OBJECT;
    PgpKey = PGP_KEY;
    CertificateRequest = CERTIFICATE_REQUEST;
}
