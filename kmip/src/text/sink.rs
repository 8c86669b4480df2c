//! Where a reader of text puts what it found: TTLV, within the limits of a message.

use zeroize::Zeroizing;

use super::value::{self, Lexeme};
use crate::ttlv::{DEPTH_MAX, DecodeError, DecodeErrorKind, Limits, Mark, Writer};
use crate::{AttributeKind, ItemType, Tag, Version};

/// A message being written, item by item.
pub(super) struct Sink<'l> {
    ttlv: Zeroizing<Vec<u8>>,
    open: Vec<Frame>,
    items: usize,
    limits: &'l Limits,
}

/// A structure that is open.
struct Frame {
    mark: Mark,
    /// The attribute that an Attribute Name in here named: its enumeration gives the value's names their
    /// numbers.
    attribute: Option<Tag>,
}

impl<'l> Sink<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self { ttlv: Zeroizing::default(), open: Vec::new(), items: 0, limits }
    }

    /// What the message may not exceed.
    pub(super) const fn limits(&self) -> &'l Limits {
        self.limits
    }

    /// Opens a structure found at byte `at` of the text.
    pub(super) fn open(&mut self, tag: Tag, at: usize) -> Result<(), DecodeError> {
        self.count(at)?;
        if self.open.len() >= self.limits.depth.min(DEPTH_MAX) {
            return Err(DecodeError { kind: DecodeErrorKind::TooDeep, offset: at });
        }
        let mark = self.writer().open(tag);
        self.open.push(Frame { mark, attribute: None });
        Ok(())
    }

    /// Closes the structure opened last.
    pub(super) fn close(&mut self) {
        if let Some(frame) = self.open.pop() {
            self.writer().close(frame.mark);
        }
    }

    /// Structures that are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Puts a value found at byte `at` of the text.
    pub(super) fn value(
        &mut self,
        tag: Tag,
        kind: ItemType,
        lexeme: Lexeme<'_>,
        at: usize,
    ) -> Result<(), DecodeError> {
        self.count(at)?;
        let Some(frame) = self.open.last_mut() else {
            return Err(DecodeError { kind: DecodeErrorKind::NotTheMessage, offset: at });
        };
        let mut owner = tag;
        match (tag, lexeme) {
            (Tag::ATTRIBUTE_NAME, Lexeme::Text(name)) => {
                frame.attribute = AttributeKind::from_spec_name(name).map(AttributeKind::tag);
            }
            (Tag::ATTRIBUTE_VALUE, _) => owner = frame.attribute.unwrap_or(tag),
            _ => {}
        }
        let put = value::put(&mut self.writer(), tag, owner, kind, lexeme);
        put.ok_or(DecodeError { kind: DecodeErrorKind::BadText(tag), offset: at })?;
        if self.ttlv.len() > self.limits.frame_bytes {
            return Err(DecodeError { kind: DecodeErrorKind::FrameTooLong, offset: at });
        }
        Ok(())
    }

    /// What was written, and whether it is one whole message.
    pub(super) fn finish(self) -> (Zeroizing<Vec<u8>>, Result<(), DecodeError>) {
        let kind = match (self.ttlv.is_empty(), self.open.is_empty()) {
            (true, _) => DecodeErrorKind::EmptyFrame,
            (_, false) => DecodeErrorKind::Truncated,
            _ => return (self.ttlv, Ok(())),
        };
        (self.ttlv, Err(DecodeError { kind, offset: 0 }))
    }

    /// One more item: a message is one structure, and has so many items at most.
    fn count(&mut self, at: usize) -> Result<(), DecodeError> {
        self.items += 1;
        let kind = if self.items > self.limits.items {
            DecodeErrorKind::TooManyItems
        } else if self.items > 1 && self.open.is_empty() {
            DecodeErrorKind::TrailingBytes
        } else {
            return Ok(());
        };
        Err(DecodeError { kind, offset: at })
    }

    /// The version decides nothing here: every field is written as it came.
    fn writer(&mut self) -> Writer<'_> {
        Writer::new(&mut self.ttlv, Version::V2_1)
    }
}
