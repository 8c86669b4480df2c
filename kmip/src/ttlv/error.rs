//! What can be wrong with bytes, and which answer it deserves.

use crate::{ResultReason, Tag};

/// A message, or a part of one, that cannot be read. Its [`Display`](std::fmt::Display) is fit for
/// a Result Message: it names tags and positions, never content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (byte {offset})")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Where: the offset of the item in the message, bytes.
    pub offset: usize,
}

/// The kinds of [`DecodeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeErrorKind {
    /// An item passes the end of the bytes there are.
    #[error("the message ends inside an item")]
    Truncated,
    /// An item passes the end of its structure.
    #[error("an item is longer than its structure")]
    LengthBeyondParent,
    /// The message is longer than the limit.
    #[error("the message is longer than this server accepts")]
    FrameTooLong,
    /// The message has no content.
    #[error("the message is empty")]
    EmptyFrame,
    /// Bytes follow the message.
    #[error("bytes follow the message")]
    TrailingBytes,
    /// The outermost item is not the message expected.
    #[error("the outermost item is not the message expected here")]
    NotTheMessage,
    /// A tag that is neither standard (42xxxx) nor vendor (54xxxx).
    #[error("a tag is outside the ranges of the protocol")]
    TagPrefix,
    /// An item type that does not exist.
    #[error("item type 0x{0:02X} does not exist")]
    ItemType(u8),
    /// A length that the item type cannot have.
    #[error("a length does not fit its item type")]
    ItemLength,
    /// Padding that is not zero.
    #[error("padding is not zero")]
    Padding,
    /// A Boolean that is neither 0 nor 1.
    #[error("a Boolean is neither 0 nor 1")]
    Boolean,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// Structures nested deeper than the limit.
    #[error("structures are nested too deeply")]
    TooDeep,
    /// More items than the limit.
    #[error("the message has too many items")]
    TooManyItems,
    /// Batch Count differs from the batch items, or is not positive.
    #[error("batch count does not match the batch items")]
    BatchCount,
    /// A header or batch item field out of its order, or twice.
    #[error("{0} is out of order")]
    Order(Tag),
    /// More batch items than the limit.
    #[error("too many batch items")]
    TooManyBatchItems,
    /// A protocol version we do not speak.
    #[error("protocol version is not supported, ask Discover Versions")]
    UnsupportedVersion,
    /// An operation this crate has no payloads for.
    #[error("operation is not supported")]
    OperationNotSupported,
    /// A Message Extension that must be understood, and is not.
    #[error("a critical message extension is not understood")]
    CriticalExtension,
    /// An item of another type than its tag demands.
    #[error("{0} has the wrong item type")]
    WrongType(Tag),
    /// A number that the enumeration does not list.
    #[error("{0} has an unknown enumeration value")]
    UnknownEnumeration(Tag),
    /// Text with control characters.
    #[error("{0} contains control characters")]
    ControlCharacters(Tag),
    /// A value longer than its limit.
    #[error("{0} is too long")]
    TooLong(Tag),
    /// A value that its field cannot have.
    #[error("{0} has a value that is not allowed")]
    BadValue(Tag),
    /// XML or JSON that is none, or holds what no message has.
    #[error("the text is not well formed, or has something no message has")]
    Syntax,
    /// A document type or an entity in XML.
    #[error("document types and entities are not accepted")]
    EntitiesForbidden,
    /// A key or attribute that appears twice in one object or element.
    #[error("a key appears twice")]
    RepeatedKey,
    /// A name in XML or JSON that is no tag.
    #[error("a name is no tag of the protocol")]
    UnknownTag,
    /// A value in XML or JSON that its item type cannot have.
    #[error("{0} has a value that does not fit its type")]
    BadText(Tag),
    /// A required field is absent.
    #[error("{0} is missing")]
    Missing(Tag),
    /// A field that does not belong here.
    #[error("{0} does not belong here")]
    Unexpected(Tag),
    /// A field that may appear once appears twice.
    #[error("{0} appears more than once")]
    Repeated(Tag),
    /// An attribute whose name no version defines.
    #[error("an attribute name is unknown")]
    UnknownAttribute,
}

impl DecodeError {
    /// The Result Reason of the answer, before [`ResultReason::in_version`].
    #[must_use]
    pub const fn reason(&self) -> ResultReason {
        use DecodeErrorKind as Kind;
        match self.kind {
            Kind::OperationNotSupported => ResultReason::OperationNotSupported,
            Kind::CriticalExtension => ResultReason::FeatureNotSupported,
            Kind::WrongType(_)
            | Kind::UnknownEnumeration(_)
            | Kind::ControlCharacters(_)
            | Kind::TooLong(_)
            | Kind::BadValue(_)
            | Kind::UnknownAttribute => ResultReason::InvalidField,
            Kind::Truncated
            | Kind::LengthBeyondParent
            | Kind::FrameTooLong
            | Kind::EmptyFrame
            | Kind::TrailingBytes
            | Kind::NotTheMessage
            | Kind::TagPrefix
            | Kind::ItemType(_)
            | Kind::ItemLength
            | Kind::Padding
            | Kind::Boolean
            | Kind::Utf8
            | Kind::TooDeep
            | Kind::TooManyItems
            | Kind::BatchCount
            | Kind::Order(_)
            | Kind::TooManyBatchItems
            | Kind::UnsupportedVersion
            | Kind::Syntax
            | Kind::EntitiesForbidden
            | Kind::RepeatedKey
            | Kind::UnknownTag
            | Kind::BadText(_)
            | Kind::Missing(_)
            | Kind::Unexpected(_)
            | Kind::Repeated(_) => ResultReason::InvalidMessage,
        }
    }

    /// Whether the connection ends after the answer: the peer and we disagree about where messages
    /// begin, or it does not follow the framing at all.
    #[must_use]
    pub const fn closes_connection(&self) -> bool {
        use DecodeErrorKind as Kind;
        matches!(
            self.kind,
            Kind::Truncated
                | Kind::LengthBeyondParent
                | Kind::FrameTooLong
                | Kind::EmptyFrame
                | Kind::TrailingBytes
                | Kind::NotTheMessage
                | Kind::TagPrefix
                | Kind::ItemType(_)
                | Kind::ItemLength
                | Kind::Padding
                | Kind::Boolean
                | Kind::Utf8
                | Kind::TooDeep
                | Kind::TooManyItems
                | Kind::BatchCount
                | Kind::Order(_)
        )
    }
}
