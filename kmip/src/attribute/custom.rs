//! Custom attributes: "x-..." in 1.x, Vendor Identification and name in 2.x, with a value of any type.

use super::AttributeName;
use crate::field::{Decode, Encode, structure_codec};
use crate::ttlv::{DecodeError, Item, Writer};
use crate::{ByteString, ItemType, Tag};

/// An attribute that no specification defines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CustomAttribute {
    /// Vendor Identification; `x` is a client's own, `y` a server's (2.0 section 4.58).
    pub vendor: String,
    /// The name, without the 1.x prefix `x-`.
    pub name: String,
    /// The value.
    pub value: CustomValue,
}

structure_codec! {
    CustomAttribute {
        vendor: String = VENDOR_IDENTIFICATION,
        name: String = ATTRIBUTE_NAME,
        value: CustomValue = ATTRIBUTE_VALUE,
    }
}

impl CustomAttribute {
    /// Its name.
    #[must_use]
    pub fn attribute_name(&self) -> AttributeName {
        AttributeName::Custom { vendor: self.vendor.clone(), name: self.name.clone() }
    }
}

/// The value of a custom attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CustomValue {
    /// An Integer.
    Integer(i32),
    /// A Long Integer.
    LongInteger(i64),
    /// A Big Integer, two's complement.
    BigInteger(ByteString),
    /// An Enumeration of the owner's.
    Enumeration(u32),
    /// A Boolean.
    Boolean(bool),
    /// A Text String.
    Text(String),
    /// A Byte String.
    Bytes(ByteString),
    /// Seconds since 1970.
    DateTime(i64),
    /// Microseconds since 1970.
    DateTimeExtended(i64),
    /// Seconds.
    Interval(u32),
    /// The items of a structure, encoded; checked when they were read.
    Structure(ByteString),
}

impl Decode<'_> for CustomValue {
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        Ok(match item.kind() {
            ItemType::Integer => Self::Integer(item.integer()?),
            ItemType::LongInteger => Self::LongInteger(item.long_integer()?),
            ItemType::BigInteger => Self::BigInteger(item.big_integer()?.to_vec().into()),
            ItemType::Enumeration => Self::Enumeration(item.enumeration()?),
            ItemType::Boolean => Self::Boolean(item.boolean()?),
            ItemType::TextString => Self::Text(item.text()?.to_owned()),
            ItemType::ByteString => Self::Bytes(item.bytes()?.to_vec().into()),
            ItemType::DateTime => Self::DateTime(item.date_time()?),
            ItemType::DateTimeExtended => Self::DateTimeExtended(item.date_time_extended()?),
            ItemType::Interval => Self::Interval(item.interval()?),
            ItemType::Structure => Self::Structure(item.raw().to_vec().into()),
        })
    }
}

impl Encode for CustomValue {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        match self {
            Self::Integer(value) => w.integer(tag, *value),
            Self::LongInteger(value) => w.long_integer(tag, *value),
            Self::BigInteger(value) => w.big_integer(tag, &value.0),
            Self::Enumeration(value) => w.enumeration(tag, *value),
            Self::Boolean(value) => w.boolean(tag, *value),
            Self::Text(value) => w.text(tag, value),
            Self::Bytes(value) => w.bytes(tag, &value.0),
            Self::DateTime(value) => w.date_time(tag, *value),
            Self::DateTimeExtended(value) => w.date_time_extended(tag, *value),
            Self::Interval(value) => w.interval(tag, *value),
            Self::Structure(items) => w.structure(tag, |w| w.encoded_items(&items.0)),
        }
    }
}
