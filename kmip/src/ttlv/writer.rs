//! Writing items straight into the caller's buffer.
//!
//! A structure is opened, filled, and its length patched at its close. The buffer never leaves a
//! copy of what it held behind: growing and rolling back wipe the bytes given up, because a Get
//! response carries key material.

use zeroize::Zeroize;

use super::{HEADER_BYTES, padded};
use crate::{ItemType, Tag, Version};

/// Appends items to a buffer, in one protocol version.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
    version: Version,
    gated: bool,
}

/// An open structure: where its header stands.
#[must_use = "a structure must be closed"]
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl<'b> Writer<'b> {
    /// A writer for requests and stored values: it writes every field it is given. A client may
    /// use a field younger than its version (libkmip sends Offset Items in 1.0).
    pub const fn new(out: &'b mut Vec<u8>, version: Version) -> Self {
        Self { out, version, gated: false }
    }

    /// A writer for responses: leaves out fields and attributes that the version does not have,
    /// since strict parsers fail on them.
    pub const fn for_response(out: &'b mut Vec<u8>, version: Version) -> Self {
        Self { out, version, gated: true }
    }

    /// The version written.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether a field or attribute of `since` may be written.
    #[must_use]
    pub fn admits(&self, since: Version) -> bool {
        !self.gated || since <= self.version
    }

    /// Whether a field or attribute that later versions dropped may be written.
    #[must_use]
    pub fn admits_until(&self, last: Version) -> bool {
        !self.gated || self.version <= last
    }

    /// Whether fields are held to the version: a response.
    #[must_use]
    pub const fn is_gated(&self) -> bool {
        self.gated
    }

    /// Bytes in the buffer.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.out.len()
    }

    /// Makes room for `more` bytes at once; what moves is wiped where it was.
    #[inline]
    pub fn reserve(&mut self, more: usize) {
        let needed = self.out.len().saturating_add(more);
        if needed > self.out.capacity() {
            self.grow(needed);
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        let mut grown = Vec::with_capacity(needed.max(self.out.capacity().saturating_mul(2)));
        grown.extend_from_slice(self.out);
        std::mem::swap(self.out, &mut grown);
        grown.zeroize();
    }

    /// Drops everything after `position`, wiping it.
    pub fn roll_back(&mut self, position: usize) {
        if let Some(tail) = self.out.get_mut(position..) {
            tail.zeroize();
            self.out.truncate(position);
        }
    }

    /// Opens a structure.
    pub fn open(&mut self, tag: Tag) -> Mark {
        let mark = Mark(self.out.len());
        self.header(tag, ItemType::Structure, 0, 0);
        mark
    }

    /// Closes a structure: its length is what was written since it was opened.
    pub fn close(&mut self, mark: Mark) {
        let length = self.out.len().saturating_sub(mark.0 + HEADER_BYTES);
        if let Some(field) = self.out.get_mut(mark.0 + 4..mark.0 + HEADER_BYTES) {
            field.copy_from_slice(&length_field(length));
        }
    }

    /// A structure whose items `body` writes.
    pub fn structure(&mut self, tag: Tag, body: impl FnOnce(&mut Self)) {
        let mark = self.open(tag);
        body(self);
        self.close(mark);
    }

    /// An Integer.
    pub fn integer(&mut self, tag: Tag, value: i32) {
        self.short(tag, ItemType::Integer, value.to_be_bytes());
    }

    /// A Long Integer.
    pub fn long_integer(&mut self, tag: Tag, value: i64) {
        self.long(tag, ItemType::LongInteger, value.to_be_bytes());
    }

    /// A Big Integer from two's complement bytes, sign-extended to a multiple of eight.
    pub fn big_integer(&mut self, tag: Tag, value: &[u8]) {
        let sign = if value.first().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
        let length = padded(value.len()).unwrap_or(value.len()).max(8);
        self.header(tag, ItemType::BigInteger, length, length);
        self.out.resize(self.out.len() + length - value.len(), sign);
        self.out.extend_from_slice(value);
    }

    /// An Enumeration.
    pub fn enumeration(&mut self, tag: Tag, value: u32) {
        self.short(tag, ItemType::Enumeration, value.to_be_bytes());
    }

    /// A Boolean.
    pub fn boolean(&mut self, tag: Tag, value: bool) {
        self.long(tag, ItemType::Boolean, u64::from(value).to_be_bytes());
    }

    /// A Text String.
    pub fn text(&mut self, tag: Tag, value: &str) {
        self.string(tag, ItemType::TextString, value.as_bytes());
    }

    /// A Byte String.
    pub fn bytes(&mut self, tag: Tag, value: &[u8]) {
        self.string(tag, ItemType::ByteString, value);
    }

    /// A Byte String whose `length` bytes `fill` writes in place, so that a derived key is never
    /// anywhere but here. On an error the item is rolled back and wiped.
    ///
    /// # Errors
    /// Whatever `fill` returns.
    pub fn bytes_with<E>(
        &mut self,
        tag: Tag,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.out.len();
        let taken = padded(length).unwrap_or(length);
        self.header(tag, ItemType::ByteString, length, taken);
        let at = self.out.len();
        self.out.resize(at + taken, 0);
        let result = fill(&mut self.out[at..at + length]);
        if result.is_err() {
            self.roll_back(start);
        }
        result
    }

    /// A Date-Time: seconds since 1970, UTC.
    pub fn date_time(&mut self, tag: Tag, seconds: i64) {
        self.long(tag, ItemType::DateTime, seconds.to_be_bytes());
    }

    /// A Date-Time Extended (2.0): microseconds since 1970, UTC.
    pub fn date_time_extended(&mut self, tag: Tag, microseconds: i64) {
        self.long(tag, ItemType::DateTimeExtended, microseconds.to_be_bytes());
    }

    /// An Interval in seconds.
    pub fn interval(&mut self, tag: Tag, seconds: u32) {
        self.short(tag, ItemType::Interval, seconds.to_be_bytes());
    }

    /// Items already encoded and checked (the content of a custom structure).
    pub fn encoded_items(&mut self, items: &[u8]) {
        self.reserve(items.len());
        self.out.extend_from_slice(items);
    }

    /// Overwrites the Integer whose item begins at `position`: a count known only at the end.
    pub(crate) fn patch_integer(&mut self, position: usize, value: i32) {
        let at = position + HEADER_BYTES;
        if let Some(field) = self.out.get_mut(at..at + 4) {
            field.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// Writes tag, type and length, and makes room for the `taken` bytes that follow.
    fn header(&mut self, tag: Tag, kind: ItemType, length: usize, taken: usize) {
        self.reserve(HEADER_BYTES + taken);
        self.out.extend_from_slice(&head(tag, kind, length));
    }

    fn short(&mut self, tag: Tag, kind: ItemType, value: [u8; 4]) {
        let [a, b, c, d] = value;
        self.fixed(head(tag, kind, 4), [a, b, c, d, 0, 0, 0, 0]);
    }

    fn long(&mut self, tag: Tag, kind: ItemType, value: [u8; 8]) {
        self.fixed(head(tag, kind, 8), value);
    }

    /// Writes an item of the usual size in one piece: most items are.
    fn fixed(&mut self, head: [u8; HEADER_BYTES], value: [u8; 8]) {
        let mut item = [0; HEADER_BYTES + 8];
        item[..HEADER_BYTES].copy_from_slice(&head);
        item[HEADER_BYTES..].copy_from_slice(&value);
        self.reserve(item.len());
        self.out.extend_from_slice(&item);
    }

    fn string(&mut self, tag: Tag, kind: ItemType, value: &[u8]) {
        let taken = padded(value.len()).unwrap_or(value.len());
        self.header(tag, kind, value.len(), taken);
        self.out.extend_from_slice(value);
        self.out.resize(self.out.len() + taken - value.len(), 0);
    }
}

fn head(tag: Tag, kind: ItemType, length: usize) -> [u8; HEADER_BYTES] {
    let [_, t0, t1, t2] = tag.0.to_be_bytes();
    let [l0, l1, l2, l3] = length_field(length);
    [t0, t1, t2, kind as u8, l0, l1, l2, l3]
}

fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("messages are bounded far below 4 GiB").to_be_bytes()
}
