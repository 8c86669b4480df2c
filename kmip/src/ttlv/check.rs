//! The one pass over a message that decides whether it is well formed.
//!
//! Iterative, with a fixed stack of structure ends: depth costs no call stack, a length costs no
//! allocation. After it, offsets inside the message can be trusted to stay inside their structure.

use super::{DEPTH_MAX, DecodeError, DecodeErrorKind, HEADER_BYTES, Limits, padded};
use crate::{ItemType, Tag};

/// Why a peer's first eight bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another protocol altogether (HTTP, TLS inside TLS, noise): drop without an answer.
    #[error("the peer does not speak KMIP")]
    NotKmip,
    /// KMIP, but not acceptable: answer Invalid Message, then close.
    #[error(transparent)]
    Invalid(DecodeError),
}

/// The length of a Request Message in bytes, its eight header bytes included, judged from the
/// header alone under [`Limits::DEFAULT`].
///
/// # Errors
/// [`FrameError::Invalid`] for a length or type no message can have, [`FrameError::NotKmip`] when
/// the bytes are not KMIP at all.
pub fn frame_length(header: &[u8; HEADER_BYTES]) -> Result<usize, FrameError> {
    frame_length_of(header, Tag::REQUEST_MESSAGE, &Limits::DEFAULT)
}

/// As [`frame_length`], for the message with this tag and under these limits.
///
/// # Errors
/// As [`frame_length`].
pub fn frame_length_of(
    header: &[u8; HEADER_BYTES],
    message: Tag,
    limits: &Limits,
) -> Result<usize, FrameError> {
    let head = Head::read(header);
    if !head.tag.has_known_prefix() && (head.kind != ItemType::Structure as u8 || looks_like_tls(header)) {
        return Err(FrameError::NotKmip);
    }
    judge(head, message, limits).map_err(|kind| FrameError::Invalid(DecodeError { kind, offset: 0 }))
}

/// A TLS record header: handshake, version 3.x. Its fourth byte can pass for an item type.
const fn looks_like_tls(header: &[u8; HEADER_BYTES]) -> bool {
    header[0] == 0x16 && header[1] == 0x03
}

fn judge(head: Head, message: Tag, limits: &Limits) -> Result<usize, DecodeErrorKind> {
    if !head.tag.has_known_prefix() {
        return Err(DecodeErrorKind::TagPrefix);
    }
    if ItemType::from_value(u32::from(head.kind)).is_none() {
        return Err(DecodeErrorKind::ItemType(head.kind));
    }
    if head.tag != message || head.kind != ItemType::Structure as u8 {
        return Err(DecodeErrorKind::NotTheMessage);
    }
    if head.length == 0 {
        return Err(DecodeErrorKind::EmptyFrame);
    }
    let total = head.length.checked_add(HEADER_BYTES).ok_or(DecodeErrorKind::FrameTooLong)?;
    if total > limits.frame_bytes {
        return Err(DecodeErrorKind::FrameTooLong);
    }
    if !head.length.is_multiple_of(8) {
        return Err(DecodeErrorKind::ItemLength);
    }
    Ok(total)
}

/// Tag, type byte and length of one item.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) tag: Tag,
    pub(super) kind: u8,
    pub(super) length: usize,
}

impl Head {
    pub(super) fn read(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [t0, t1, t2, kind, l0, l1, l2, l3] = *bytes;
        Self {
            tag: Tag(u32::from_be_bytes([0, t0, t1, t2])),
            kind,
            length: u32::from_be_bytes([l0, l1, l2, l3]) as usize,
        }
    }
}

/// Walks a whole item tree whose root fills `bytes` exactly.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<(), DecodeError> {
    let mut walk = Walk { bytes, pos: 0, ends: [0; DEPTH_MAX], depth: 0, end: bytes.len() };
    let depth_max = limits.depth.min(DEPTH_MAX);
    let mut items = 0;
    loop {
        items += 1;
        if items > limits.items {
            return Err(walk.error(DecodeErrorKind::TooManyItems));
        }
        walk.step(depth_max, limits.loose_padding).map_err(|kind| walk.error(kind))?;
        walk.close_finished();
        if walk.depth == 0 {
            return if walk.pos == bytes.len() {
                Ok(())
            } else {
                Err(walk.error(DecodeErrorKind::TrailingBytes))
            };
        }
    }
}

/// Where the check stands: the position, and the ends of the structures it is inside.
struct Walk<'a> {
    bytes: &'a [u8],
    pos: usize,
    ends: [usize; DEPTH_MAX],
    depth: usize,
    end: usize,
}

impl Walk<'_> {
    const fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { kind, offset: self.pos }
    }

    /// Checks the item at `pos`; enters a structure, steps over anything else.
    fn step(&mut self, depth_max: usize, loose_padding: bool) -> Result<(), DecodeErrorKind> {
        let rest = self.bytes.get(self.pos..self.end).unwrap_or_default();
        let header = rest.first_chunk::<HEADER_BYTES>().ok_or(self.overrun())?;
        let head = Head::read(header);
        if !head.tag.has_known_prefix() {
            return Err(DecodeErrorKind::TagPrefix);
        }
        let kind = ItemType::from_value(u32::from(head.kind)).ok_or(DecodeErrorKind::ItemType(head.kind))?;
        if !length_fits(kind, head.length) {
            return Err(DecodeErrorKind::ItemLength);
        }
        let room = rest.len() - HEADER_BYTES;
        let taken = padded(head.length).filter(|taken| *taken <= room).ok_or(self.overrun())?;
        if kind == ItemType::Structure {
            return self.enter(head.length, depth_max);
        }
        let (value, padding) = rest[HEADER_BYTES..HEADER_BYTES + taken].split_at(head.length);
        check_value(kind, value)?;
        if !loose_padding && padding.iter().any(|byte| *byte != 0) {
            return Err(DecodeErrorKind::Padding);
        }
        self.pos += HEADER_BYTES + taken;
        Ok(())
    }

    fn enter(&mut self, length: usize, depth_max: usize) -> Result<(), DecodeErrorKind> {
        if self.depth >= depth_max {
            return Err(DecodeErrorKind::TooDeep);
        }
        self.ends[self.depth] = self.end;
        self.depth += 1;
        self.pos += HEADER_BYTES;
        self.end = self.pos + length;
        Ok(())
    }

    /// Leaves every structure that ends here.
    fn close_finished(&mut self) {
        while self.depth > 0 && self.pos == self.end {
            self.depth -= 1;
            self.end = self.ends[self.depth];
        }
    }

    /// Running out of bytes is truncation at the top, a lie about lengths further down.
    const fn overrun(&self) -> DecodeErrorKind {
        if self.depth == 0 { DecodeErrorKind::Truncated } else { DecodeErrorKind::LengthBeyondParent }
    }
}

/// Whether an item of this type can have this length (1.x table 9.1.1.3, 2.x table 8.1.1.3).
const fn length_fits(kind: ItemType, length: usize) -> bool {
    match kind {
        ItemType::Integer | ItemType::Enumeration | ItemType::Interval => length == 4,
        ItemType::LongInteger | ItemType::Boolean | ItemType::DateTime | ItemType::DateTimeExtended => {
            length == 8
        }
        ItemType::BigInteger => length != 0 && length.is_multiple_of(8),
        ItemType::Structure => length.is_multiple_of(8),
        ItemType::TextString | ItemType::ByteString => true,
    }
}

fn check_value(kind: ItemType, value: &[u8]) -> Result<(), DecodeErrorKind> {
    match kind {
        ItemType::Boolean if !matches!(value, [0, 0, 0, 0, 0, 0, 0, 0 | 1]) => Err(DecodeErrorKind::Boolean),
        ItemType::TextString if std::str::from_utf8(value).is_err() => Err(DecodeErrorKind::Utf8),
        _ => Ok(()),
    }
}
