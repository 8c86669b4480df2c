//! JSON: an object for each item, with the keys `tag`, `type` (absent for a structure) and `value`.
//!
//! Keys come in any order, so a message is first a tree of its items, as many and as deep as the limits
//! allow, and then written to TTLV. A key that appears twice, a key we do not know, a fraction or an exponent
//! refuses the message: two readers might understand it differently.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::names;
use super::sink::Sink;
use super::source::{Output, Print};
use super::value::{Lexeme, Printed, Style};
use super::xml::tag_number;
use crate::ttlv::{DEPTH_MAX, DecodeError, DecodeErrorKind, Limits};
use crate::{ItemType, Tag};

/// Reads a message.
pub(super) fn read(text: &[u8], sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let reading = Reading { items: Cell::new(0), limits: *sink.limits(), refused: Cell::new(None) };
    let mut json = serde_json::Deserializer::from_slice(text);
    let message = NodeSeed { reading: &reading, depth: 0 }
        .deserialize(&mut json)
        .and_then(|message| json.end().map(|()| message))
        .map_err(|error| DecodeError {
            kind: reading.refused.get().unwrap_or(DecodeErrorKind::Syntax),
            offset: offset(text, error.line(), error.column()),
        })?;
    put(&message, sink)
}

/// The byte at which a parser stopped.
fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let before = text.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1));
    before.map(<[u8]>::len).sum::<usize>() + column
}

/// An item as the text has it.
struct Node<'t> {
    tag: Tag,
    kind: ItemType,
    value: Value<'t>,
}

enum Value<'t> {
    Items(Vec<Node<'t>>),
    Borrowed(&'t str),
    /// Text that had escapes.
    Owned(Zeroizing<String>),
    Number(i128),
    Boolean(bool),
}

/// Writes the tree, which is no deeper than the limits allow.
fn put(node: &Node<'_>, sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let lexeme = match &node.value {
        Value::Items(items) if node.kind == ItemType::Structure => {
            sink.open(node.tag, 0)?;
            items.iter().try_for_each(|item| put(item, sink))?;
            sink.close();
            return Ok(());
        }
        Value::Items(_) => return Err(DecodeError { kind: DecodeErrorKind::BadText(node.tag), offset: 0 }),
        Value::Borrowed(text) => Lexeme::Text(text),
        Value::Owned(text) => Lexeme::Text(text),
        Value::Number(number) => Lexeme::Number(*number),
        Value::Boolean(value) => Lexeme::Boolean(*value),
    };
    sink.value(node.tag, node.kind, lexeme, 0)
}

/// What all seeds of one message share.
struct Reading {
    items: Cell<usize>,
    limits: Limits,
    /// Why the message is refused, where the parser knows only that it is.
    refused: Cell<Option<DecodeErrorKind>>,
}

impl Reading {
    fn refuse<E: Error>(&self, kind: DecodeErrorKind) -> E {
        self.refused.set(Some(kind));
        E::custom(kind)
    }
}

/// Reads one item.
#[derive(Clone, Copy)]
struct NodeSeed<'r> {
    reading: &'r Reading,
    depth: usize,
}

impl<'t> DeserializeSeed<'t> for NodeSeed<'_> {
    type Value = Node<'t>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Node<'t>, D::Error> {
        let items = self.reading.items.get() + 1;
        self.reading.items.set(items);
        if items > self.reading.limits.items {
            return Err(self.reading.refuse(DecodeErrorKind::TooManyItems));
        }
        deserializer.deserialize_map(self)
    }
}

impl<'t> Visitor<'t> for NodeSeed<'_> {
    type Value = Node<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with tag, type and value")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Node<'t>, A::Error> {
        let reading = self.reading;
        let (mut tag, mut kind, mut value) = (None, None, None);
        let (mut named, mut twice) = (None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "tag" => twice |= tag.replace(map.next_value::<String>()?).is_some(),
                "type" => twice |= kind.replace(map.next_value::<String>()?).is_some(),
                "value" => twice |= value.replace(map.next_value_seed(ValueSeed(self))?).is_some(),
                // Of an unknown tag, for people.
                "name" => twice |= named.replace(map.next_value::<IgnoredAny>()?).is_some(),
                _ => return Err(reading.refuse(DecodeErrorKind::Syntax)),
            }
            if twice {
                return Err(reading.refuse(DecodeErrorKind::RepeatedKey));
            }
        }
        let tag = tag.and_then(|text| tag_number(&text).or_else(|| names::tag(&text)));
        let tag = tag.ok_or_else(|| reading.refuse(DecodeErrorKind::UnknownTag))?;
        let kind = match kind {
            None => ItemType::Structure,
            Some(name) => item_type(&name).ok_or_else(|| reading.refuse(DecodeErrorKind::BadText(tag)))?,
        };
        let value = match value {
            Some(value) => value,
            None if kind == ItemType::Structure => Value::Items(Vec::new()),
            None => return Err(reading.refuse(DecodeErrorKind::BadText(tag))),
        };
        Ok(Node { tag, kind, value })
    }
}

/// A type by name, or by its number as `0x` and two digits.
fn item_type(text: &str) -> Option<ItemType> {
    let number = text.strip_prefix("0x").filter(|digits| digits.len() == 2);
    match number {
        Some(digits) => ItemType::from_value(u32::from_str_radix(digits, 16).ok()?),
        None => ItemType::from_name(text),
    }
}

/// Reads what an item's `value` holds.
struct ValueSeed<'r>(NodeSeed<'r>);

impl<'t> DeserializeSeed<'t> for ValueSeed<'_> {
    type Value = Value<'t>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Value<'t>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for ValueSeed<'_> {
    type Value = Value<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, a text, true, false, or an array of items")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value<'t>, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'t>, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'t>, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value<'t>, E> {
        Ok(Value::Owned(Zeroizing::new(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<Value<'t>, E> {
        Ok(Value::Borrowed(text))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<Value<'t>, A::Error> {
        let NodeSeed { reading, depth } = self.0;
        if depth >= reading.limits.depth.min(DEPTH_MAX) {
            return Err(reading.refuse(DecodeErrorKind::TooDeep));
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(NodeSeed { reading, depth: depth + 1 })? {
            items.push(item);
        }
        Ok(Value::Items(items))
    }
}

/// Writes JSON.
pub(super) struct Printer;

impl Printer {
    fn begin(out: &mut Output, tag: Tag, first: bool) {
        out.push(if first { "{\"tag\":\"" } else { ",{\"tag\":\"" });
        match tag.name() {
            Some(name) => out.push(name),
            None => out.push(&tag.to_string()),
        }
        out.push("\"");
    }
}

impl Print for Printer {
    const STYLE: Style = Style { mask_separator: '|', big_integer_prefix: "0x", large_numbers_in_hex: true };

    fn open(&mut self, out: &mut Output, tag: Tag, first: bool) {
        Self::begin(out, tag, first);
        out.push(",\"value\":[");
    }

    fn close(&mut self, out: &mut Output, _tag: Tag) {
        out.push("]}");
    }

    fn value(&mut self, out: &mut Output, tag: Tag, kind: ItemType, value: &Printed<'_>, first: bool) {
        Self::begin(out, tag, first);
        out.push(",\"type\":\"");
        out.push(kind.name());
        out.push("\",\"value\":");
        match value {
            Printed::Number(number) => out.push(&number.to_string()),
            Printed::Boolean(value) => out.push(if *value { "true" } else { "false" }),
            Printed::Plain(text) => escape(out, text),
            Printed::Hex(prefix, bytes) => {
                out.push("\"");
                out.push(prefix);
                out.hex(bytes);
                out.push("\"");
            }
            Printed::Text(text) => escape(out, text),
        }
        out.push("}");
    }
}

/// A JSON string (RFC 8259 section 7).
fn escape(out: &mut Output, text: &str) {
    let mut buffer = [0; 4];
    out.push("\"");
    for character in text.chars() {
        match character {
            '"' => out.push("\\\""),
            '\\' => out.push("\\\\"),
            character if character.is_control() => out.push(&format!("\\u{:04x}", u32::from(character))),
            character => out.push(character.encode_utf8(&mut buffer)),
        }
    }
    out.push("\"");
}
