//! Zero-copy access to a checked message.

use super::check::{Head, check};
use super::{
    BIG_INTEGER_BYTES_MAX, DecodeError, DecodeErrorKind, HEADER_BYTES, Limits, TEXT_BYTES_MAX, padded,
};
use crate::{ItemType, Tag};

/// One item of a message whose bytes have been checked: tag, type, and a borrowed value.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    tag: Tag,
    kind: ItemType,
    offset: usize,
    value: &'a [u8],
}

impl<'a> Item<'a> {
    /// Checks `bytes`, which must be exactly one item with all it contains, and opens it.
    ///
    /// # Errors
    /// The first thing wrong with the encoding; see [`DecodeErrorKind`].
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        if bytes.len() > limits.frame_bytes {
            return Err(DecodeError { kind: DecodeErrorKind::FrameTooLong, offset: 0 });
        }
        check(bytes, limits)?;
        let mut items = Items { rest: bytes, offset: 0 };
        items.next().ok_or(DecodeError { kind: DecodeErrorKind::EmptyFrame, offset: 0 })
    }

    /// The tag.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// The item type.
    #[must_use]
    pub const fn kind(&self) -> ItemType {
        self.kind
    }

    /// Where the item begins in its message, bytes.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The value without padding; of a structure, its items.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.value
    }

    /// An error about this item.
    #[must_use]
    pub const fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { kind, offset: self.offset }
    }

    /// The items of a structure.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`] when this is no structure.
    pub fn structure(&self) -> Result<Items<'a>, DecodeError> {
        self.expect(ItemType::Structure)?;
        Ok(Items { rest: self.value, offset: self.offset + HEADER_BYTES })
    }

    /// An Integer.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`].
    pub fn integer(&self) -> Result<i32, DecodeError> {
        self.fixed(ItemType::Integer).map(i32::from_be_bytes)
    }

    /// A Long Integer.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`].
    pub fn long_integer(&self) -> Result<i64, DecodeError> {
        self.fixed(ItemType::LongInteger).map(i64::from_be_bytes)
    }

    /// A Big Integer: two's complement, big-endian, a multiple of eight bytes.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`], or [`DecodeErrorKind::TooLong`] past [`BIG_INTEGER_BYTES_MAX`].
    pub fn big_integer(&self) -> Result<&'a [u8], DecodeError> {
        self.expect(ItemType::BigInteger)?;
        if self.value.len() > BIG_INTEGER_BYTES_MAX {
            return Err(self.error(DecodeErrorKind::TooLong(self.tag)));
        }
        Ok(self.value)
    }

    /// The number of an Enumeration.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`].
    pub fn enumeration(&self) -> Result<u32, DecodeError> {
        self.fixed(ItemType::Enumeration).map(u32::from_be_bytes)
    }

    /// A Boolean.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`].
    pub fn boolean(&self) -> Result<bool, DecodeError> {
        self.fixed(ItemType::Boolean).map(|value: [u8; 8]| value != [0; 8])
    }

    /// A Text String without control characters other than tab and line ends: logs, terminals and
    /// C clients downstream must not be steered by a name.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`], [`DecodeErrorKind::TooLong`] past [`TEXT_BYTES_MAX`],
    /// [`DecodeErrorKind::ControlCharacters`].
    pub fn text(&self) -> Result<&'a str, DecodeError> {
        self.expect(ItemType::TextString)?;
        if self.value.len() > TEXT_BYTES_MAX {
            return Err(self.error(DecodeErrorKind::TooLong(self.tag)));
        }
        let text = std::str::from_utf8(self.value).map_err(|_| self.error(DecodeErrorKind::Utf8))?;
        // Nearly every text is printable ASCII, which is seen of all bytes at once.
        let printable = self.value.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
        if !printable && text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
            return Err(self.error(DecodeErrorKind::ControlCharacters(self.tag)));
        }
        Ok(text)
    }

    /// A Byte String.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`].
    pub fn bytes(&self) -> Result<&'a [u8], DecodeError> {
        self.expect(ItemType::ByteString)?;
        Ok(self.value)
    }

    /// A Date-Time: seconds since 1970, UTC.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`].
    pub fn date_time(&self) -> Result<i64, DecodeError> {
        self.fixed(ItemType::DateTime).map(i64::from_be_bytes)
    }

    /// A Date-Time Extended (2.0): microseconds since 1970, UTC.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`].
    pub fn date_time_extended(&self) -> Result<i64, DecodeError> {
        self.fixed(ItemType::DateTimeExtended).map(i64::from_be_bytes)
    }

    /// An Interval in seconds.
    ///
    /// # Errors
    /// [`DecodeErrorKind::WrongType`].
    pub fn interval(&self) -> Result<u32, DecodeError> {
        self.fixed(ItemType::Interval).map(u32::from_be_bytes)
    }

    fn expect(&self, kind: ItemType) -> Result<(), DecodeError> {
        if self.kind == kind { Ok(()) } else { Err(self.error(DecodeErrorKind::WrongType(self.tag))) }
    }

    fn fixed<const N: usize>(&self, kind: ItemType) -> Result<[u8; N], DecodeError> {
        self.expect(kind)?;
        self.value.first_chunk().copied().ok_or(self.error(DecodeErrorKind::ItemLength))
    }
}

impl std::fmt::Debug for Item<'_> {
    /// Tag, type and length; never the value, which may be a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {} bytes)", self.tag, self.kind, self.value.len())
    }
}

impl PartialEq for Item<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag && self.kind == other.kind && self.value == other.value
    }
}

/// The items of a structure, in order.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    /// `None` at the end; also, were the bytes not well formed, where they stop being so.
    fn next(&mut self) -> Option<Item<'a>> {
        let (header, rest) = self.rest.split_first_chunk::<HEADER_BYTES>()?;
        let head = Head::read(header);
        let kind = ItemType::from_value(u32::from(head.kind))?;
        let taken = padded(head.length)?;
        let value = rest.get(..head.length)?;
        self.rest = rest.get(taken..)?;
        let offset = self.offset;
        self.offset += HEADER_BYTES + taken;
        Some(Item { tag: head.tag, kind, offset, value })
    }
}
