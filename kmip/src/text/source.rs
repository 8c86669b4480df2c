//! Walking a TTLV message to print it, without recursion.

use zeroize::{Zeroize as _, Zeroizing};

use super::value::{self, Printed, Style};
use crate::ttlv::{Item, Items};
use crate::{AttributeKind, ItemType, Tag};

/// What XML and JSON make of a walk.
pub(super) trait Print {
    /// How values are written.
    const STYLE: Style;

    /// A structure begins; `first` when it is the first in its parent.
    fn open(&mut self, out: &mut Output, tag: Tag, first: bool);

    /// The structure opened last ends.
    fn close(&mut self, out: &mut Output, tag: Tag);

    /// A value.
    fn value(&mut self, out: &mut Output, tag: Tag, kind: ItemType, value: &Printed<'_>, first: bool);
}

/// A structure that is being walked.
struct Level<'a> {
    tag: Tag,
    items: Items<'a>,
    attribute: Option<Tag>,
    first: bool,
}

/// Prints a message whose bytes have been checked.
pub(super) fn write<P: Print>(message: Item<'_>, mut printer: P) -> Zeroizing<Vec<u8>> {
    let mut out = Output::with_room_for(message.raw().len());
    let mut levels = Vec::new();
    enter(&mut levels, &mut out, &mut printer, message, true);
    while let Some(level) = levels.last_mut() {
        let Some(item) = level.items.next() else {
            printer.close(&mut out, level.tag);
            levels.pop();
            continue;
        };
        let first = std::mem::replace(&mut level.first, false);
        if item.kind() == ItemType::Structure {
            enter(&mut levels, &mut out, &mut printer, item, first);
            continue;
        }
        let owner = match item.tag() {
            Tag::ATTRIBUTE_VALUE => level.attribute.unwrap_or(Tag::ATTRIBUTE_VALUE),
            tag => tag,
        };
        if item.tag() == Tag::ATTRIBUTE_NAME {
            let name = item.text().ok();
            level.attribute = name.and_then(AttributeKind::from_spec_name).map(AttributeKind::tag);
        }
        if let Some(value) = value::print(item, owner, P::STYLE) {
            printer.value(&mut out, item.tag(), item.kind(), &value, first);
        }
    }
    out.0
}

fn enter<'a, P: Print>(
    levels: &mut Vec<Level<'a>>,
    out: &mut Output,
    printer: &mut P,
    item: Item<'a>,
    first: bool,
) {
    if let Ok(items) = item.structure() {
        printer.open(out, item.tag(), first);
        levels.push(Level { tag: item.tag(), items, attribute: None, first: true });
    }
}

/// Text being written; what moves when it grows is wiped where it was.
pub(super) struct Output(Zeroizing<Vec<u8>>);

impl Output {
    /// Text takes about four times the room of TTLV.
    fn with_room_for(ttlv_bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(ttlv_bytes.saturating_mul(4).saturating_add(256))))
    }

    pub(super) fn push(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Bytes as hexadecimal digits.
    pub(super) fn hex(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in bytes {
            self.bytes(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut grown = Vec::with_capacity(2 * needed);
            grown.extend_from_slice(&self.0);
            std::mem::swap(&mut *self.0, &mut grown);
            grown.zeroize();
        }
        self.0.extend_from_slice(bytes);
    }
}
