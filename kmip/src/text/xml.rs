//! XML: an element for each item, its type and value as attributes.
//!
//! Document types, and with them every entity but the five of XML itself, are refused unread: no external
//! entity is fetched and none expands. Comments, the declaration and white space are passed over; any other
//! text is refused, because a message has none.

use std::borrow::Cow;

use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zeroize::Zeroizing;

use super::names;
use super::sink::Sink;
use super::source::{Output, Print};
use super::value::{Lexeme, Printed, Style};
use crate::ttlv::{DecodeError, DecodeErrorKind};
use crate::{ItemType, Tag};

/// Reads a message.
pub(super) fn read(text: &[u8], sink: &mut Sink<'_>) -> Result<(), DecodeError> {
    let text = std::str::from_utf8(text)
        .map_err(|error| DecodeError { kind: DecodeErrorKind::Utf8, offset: error.valid_up_to() })?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    loop {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let wrong = |kind| Err(DecodeError { kind, offset: at });
        match reader.read_event() {
            Err(_) => return wrong(DecodeErrorKind::Syntax),
            Ok(Event::DocType(_) | Event::GeneralRef(_)) => return wrong(DecodeErrorKind::EntitiesForbidden),
            Ok(Event::Start(element)) => {
                if !put(&element, sink, at)? {
                    end_of_value(&mut reader).map_err(|kind| DecodeError { kind, offset: at })?;
                }
            }
            Ok(Event::Empty(element)) => {
                if put(&element, sink, at)? {
                    sink.close();
                }
            }
            Ok(Event::End(_)) => sink.close(),
            Ok(Event::Text(text)) if text.trim().is_empty() => {}
            Ok(Event::Text(_) | Event::CData(_) | Event::PI(_)) => return wrong(DecodeErrorKind::Syntax),
            Ok(Event::Comment(_)) => {}
            Ok(Event::Decl(declaration)) if at == 0 && is_utf8(&declaration) => {}
            Ok(Event::Decl(_)) => return wrong(DecodeErrorKind::Syntax),
            Ok(Event::Eof) if sink.depth() > 0 => return wrong(DecodeErrorKind::Truncated),
            Ok(Event::Eof) => return Ok(()),
        }
    }
}

/// A value that does not end where it begins has nothing in between.
fn end_of_value(reader: &mut Reader<&[u8]>) -> Result<(), DecodeErrorKind> {
    loop {
        match reader.read_event() {
            Ok(Event::End(_)) => return Ok(()),
            Ok(Event::Text(text)) if text.trim().is_empty() => {}
            Ok(Event::Comment(_)) => {}
            Ok(Event::GeneralRef(_)) => return Err(DecodeErrorKind::EntitiesForbidden),
            _ => return Err(DecodeErrorKind::Syntax),
        }
    }
}

/// The bytes have been read as UTF-8; a declaration that names another encoding means other text.
fn is_utf8(declaration: &BytesDecl<'_>) -> bool {
    match declaration.encoding() {
        None => true,
        Some(Ok(name)) => name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii"),
        Some(Err(_)) => false,
    }
}

/// Puts one element; whether it opened a structure.
fn put(element: &BytesStart<'_>, sink: &mut Sink<'_>, at: usize) -> Result<bool, DecodeError> {
    let wrong = |kind| DecodeError { kind, offset: at };
    let (mut tag_text, mut kind, mut value) = (None, None, None);
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| match error {
            AttrError::Duplicated(..) => wrong(DecodeErrorKind::RepeatedKey),
            _ => wrong(DecodeErrorKind::Syntax),
        })?;
        let text = attribute.normalized_value(XmlVersion::Implicit1_0);
        let text = text.map_err(|_| wrong(DecodeErrorKind::EntitiesForbidden))?;
        match attribute.key.0 {
            "tag" => tag_text = Some(text),
            "type" => kind = Some(text),
            "value" => value = Some(text),
            // Of an unknown tag, for people; and what XML itself may say about an element.
            "name" => {}
            key if key == "xmlns"
                || key.starts_with("xmlns:")
                || key.starts_with("xml:")
                || key.starts_with("xsi:") => {}
            _ => return Err(wrong(DecodeErrorKind::Syntax)),
        }
    }
    let name = element.local_name();
    let tag = match (name.into_inner(), tag_text) {
        ("TTLV", Some(number)) => tag_number(&number),
        ("TTLV", None) => None,
        (name, None) => names::tag(name),
        (_, Some(_)) => None,
    };
    let tag = tag.ok_or(wrong(DecodeErrorKind::UnknownTag))?;
    let kind = match kind.as_deref() {
        None => ItemType::Structure,
        Some(kind) => ItemType::from_name(kind).ok_or(wrong(DecodeErrorKind::BadText(tag)))?,
    };
    match (kind, value) {
        (ItemType::Structure, None) => sink.open(tag, at).map(|()| true),
        (ItemType::Structure, Some(_)) => Err(wrong(DecodeErrorKind::BadText(tag))),
        (kind, None) => sink.value(tag, kind, Lexeme::Text(""), at).map(|()| false),
        (kind, Some(Cow::Borrowed(value))) => sink.value(tag, kind, Lexeme::Text(value), at).map(|()| false),
        (kind, Some(Cow::Owned(value))) => {
            let value = Zeroizing::new(value);
            sink.value(tag, kind, Lexeme::Text(&value), at).map(|()| false)
        }
    }
}

/// A tag given as `0x` and six digits.
pub(super) fn tag_number(text: &str) -> Option<Tag> {
    let digits =
        text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).filter(|digits| digits.len() == 6)?;
    u32::from_str_radix(digits, 16).ok().map(Tag).filter(|tag| tag.has_known_prefix())
}

/// Writes XML.
pub(super) struct Printer;

impl Printer {
    fn name(out: &mut Output, tag: Tag) {
        match tag.name() {
            Some(name) => out.push(name),
            None => out.push("TTLV"),
        }
    }

    fn begin(out: &mut Output, tag: Tag) {
        out.push("<");
        Self::name(out, tag);
        if tag.name().is_none() {
            out.push(&format!(" tag=\"{tag}\""));
        }
    }
}

impl Print for Printer {
    const STYLE: Style = Style { mask_separator: ' ', big_integer_prefix: "", large_numbers_in_hex: false };

    fn open(&mut self, out: &mut Output, tag: Tag, _first: bool) {
        Self::begin(out, tag);
        out.push(">");
    }

    fn close(&mut self, out: &mut Output, tag: Tag) {
        out.push("</");
        Self::name(out, tag);
        out.push(">");
    }

    fn value(&mut self, out: &mut Output, tag: Tag, kind: ItemType, value: &Printed<'_>, _first: bool) {
        Self::begin(out, tag);
        out.push(" type=\"");
        out.push(kind.name());
        out.push("\" value=\"");
        match value {
            Printed::Number(number) => out.push(&number.to_string()),
            Printed::Boolean(value) => out.push(if *value { "true" } else { "false" }),
            Printed::Plain(text) => out.push(text),
            Printed::Hex(prefix, bytes) => {
                out.push(prefix);
                out.hex(bytes);
            }
            Printed::Text(text) => escape(out, text),
        }
        out.push("\"/>");
    }
}

/// Text inside an attribute. White space other than a space is written as a reference, or a reader would
/// turn it into one; control characters, which XML cannot hold at all, become a question mark.
fn escape(out: &mut Output, text: &str) {
    let mut buffer = [0; 4];
    for character in text.chars() {
        match character {
            '&' => out.push("&amp;"),
            '<' => out.push("&lt;"),
            '>' => out.push("&gt;"),
            '"' => out.push("&quot;"),
            '\t' => out.push("&#9;"),
            '\n' => out.push("&#10;"),
            '\r' => out.push("&#13;"),
            '\u{fffe}' | '\u{ffff}' => out.push("?"),
            character if character.is_control() => out.push("?"),
            character => out.push(character.encode_utf8(&mut buffer)),
        }
    }
}
