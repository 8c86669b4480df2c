//! Plain values: numbers, texts, bytes, dates, and the identifier in its three forms.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use zeroize::Zeroizing;

use crate::field::{Decode, Encode};
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Writer};
use crate::{DataPlaceholder, ItemType, Tag, UniqueIdentifierKind};

/// A Text String, borrowed from the message when decoded.
pub type Text<'a> = Cow<'a, str>;

/// A Byte String in a payload: borrowed from the message when decoded, so that key material is not
/// copied. `Debug` prints its length only; owned bytes are wiped on drop.
#[derive(Clone)]
pub struct Bytes<'a>(Source<'a>);

/// The destructor is on the owned half alone, so that a decoded value does not hold its message's
/// borrow until it is dropped.
#[derive(Clone)]
enum Source<'a> {
    Borrowed(&'a [u8]),
    Owned(Zeroizing<Vec<u8>>),
}

impl Bytes<'_> {
    /// The same bytes, borrowed.
    #[must_use]
    pub fn by_ref(&self) -> Bytes<'_> {
        Bytes(Source::Borrowed(self))
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Borrowed(bytes) => bytes,
            Source::Owned(bytes) => bytes,
        }
    }
}

impl PartialEq for Bytes<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes<'_> {}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Source::Borrowed(bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Bytes<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self(Source::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for Bytes<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Owned(Zeroizing::new(bytes)))
    }
}

impl From<Zeroizing<Vec<u8>>> for Bytes<'_> {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Source::Owned(bytes))
    }
}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.len())
    }
}

impl<'a> Decode<'a> for Bytes<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        item.bytes().map(Self::from)
    }
}

impl Encode for Bytes<'_> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.bytes(tag, self);
    }
}

/// A Byte String that outlives its message: digests, identifiers, stored attribute values.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct ByteString(pub Vec<u8>);

impl From<Vec<u8>> for ByteString {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

impl Decode<'_> for ByteString {
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        item.bytes().map(|bytes| Self(bytes.to_vec()))
    }
}

impl Encode for ByteString {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.bytes(tag, &self.0);
    }
}

/// A Big Integer: two's complement, big-endian; written sign-extended to a multiple of 8 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigInteger<'a>(pub Bytes<'a>);

impl<'a> Decode<'a> for BigInteger<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        item.big_integer().map(|bytes| Self(bytes.into()))
    }
}

impl Encode for BigInteger<'_> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.big_integer(tag, &self.0);
    }
}

/// A Date-Time: seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(pub i64);

impl Decode<'_> for DateTime {
    /// Accepts the extended form (2.0) too, cut to seconds.
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        if item.kind() == ItemType::DateTimeExtended {
            return item.date_time_extended().map(|microseconds| Self(microseconds.div_euclid(1_000_000)));
        }
        item.date_time().map(Self)
    }
}

impl Encode for DateTime {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.date_time(tag, self.0);
    }
}

/// An Interval in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(pub u32);

impl Decode<'_> for Interval {
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        item.interval().map(Self)
    }
}

impl Encode for Interval {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.interval(tag, self.0);
    }
}

/// How long a ticket lasts: so many seconds, or until a date (2.1, 6.1.12 and 6.1.30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TicketTime {
    /// From now on.
    For(Interval),
    /// Until then.
    Until(DateTime),
}

impl Decode<'_> for TicketTime {
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        match item.kind() {
            ItemType::DateTime | ItemType::DateTimeExtended => DateTime::decode(item).map(Self::Until),
            _ => Interval::decode(item).map(Self::For),
        }
    }
}

impl Encode for TicketTime {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        match self {
            Self::For(interval) => interval.encode(w, tag),
            Self::Until(date) => date.encode(w, tag),
        }
    }
}

/// An enumeration whose numbers we carry without reading them (Opaque Data Type, a vendor's list).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawEnumeration(pub u32);

impl Decode<'_> for RawEnumeration {
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        item.enumeration().map(Self)
    }
}

impl Encode for RawEnumeration {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.enumeration(tag, self.0);
    }
}

/// Implements both directions of a value that is one accessor and one writer method.
macro_rules! plain {
    ($($ty:ty = $read:ident, $write:ident;)*) => {$(
        impl Decode<'_> for $ty {
            fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
                item.$read().map(Self::from)
            }
        }

        impl Encode for $ty {
            fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
                w.$write(tag, *self);
            }
        }
    )*};
}

plain! {
    i32 = integer, integer;
    i64 = long_integer, long_integer;
    bool = boolean, boolean;
}

impl Decode<'_> for String {
    fn decode(item: Item<'_>) -> Result<Self, DecodeError> {
        item.text().map(Self::from)
    }
}

impl Encode for String {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.text(tag, self);
    }
}

impl<'a> Decode<'a> for Text<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        item.text().map(Cow::Borrowed)
    }
}

impl Encode for Text<'_> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.text(tag, self);
    }
}

/// A Unique Identifier: a text, or in 2.x a reference into the batch (2.0 section 11.58).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identifier<S> {
    /// The identifier itself.
    Text(S),
    /// What an operation of this batch left behind, such as the ID placeholder.
    Enumeration(UniqueIdentifierKind),
    /// The n-th identifier a Locate of this batch found, from 0; negative counts from the end.
    Integer(i32),
}

/// An identifier in a payload, borrowed from the message when decoded.
pub type UniqueIdentifier<'a> = Identifier<Cow<'a, str>>;

/// An identifier that outlives its message (in Link).
pub type OwnedIdentifier = Identifier<String>;

impl<S: AsRef<str>> Identifier<S> {
    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_ref()),
            Self::Enumeration(_) | Self::Integer(_) => None,
        }
    }
}

impl<'a> From<&'a str> for UniqueIdentifier<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for UniqueIdentifier<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<&str> for OwnedIdentifier {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<'a, S: Decode<'a>> Decode<'a> for Identifier<S> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        match item.kind() {
            ItemType::TextString => S::decode(item).map(Self::Text),
            ItemType::Enumeration => UniqueIdentifierKind::decode(item).map(Self::Enumeration),
            ItemType::Integer => item.integer().map(Self::Integer),
            _ => Err(item.error(DecodeErrorKind::WrongType(item.tag()))),
        }
    }
}

impl<S: AsRef<str>> Encode for Identifier<S> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        match self {
            Self::Text(text) => w.text(tag, text.as_ref()),
            Self::Enumeration(kind) => w.enumeration(tag, kind.value()),
            Self::Integer(index) => w.integer(tag, *index),
        }
    }
}

/// Data of a cryptographic operation: bytes, or in 2.x what an earlier item of the batch gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Data<'a> {
    /// The bytes.
    Bytes(Bytes<'a>),
    /// A reference into the batch.
    Placeholder(DataPlaceholder),
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl<'a> Decode<'a> for Data<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        if item.kind() == ItemType::Enumeration {
            return DataPlaceholder::decode(item).map(Self::Placeholder);
        }
        Bytes::decode(item).map(Self::Bytes)
    }
}

impl Encode for Data<'_> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        match self {
            Self::Bytes(bytes) => w.bytes(tag, bytes),
            Self::Placeholder(placeholder) => w.enumeration(tag, placeholder.value()),
        }
    }
}
