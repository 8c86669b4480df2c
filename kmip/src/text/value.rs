//! Values as text: what each item type may be written as, and how we write it.
//!
//! Read: decimal numbers, hexadecimal with `0x`, names of enumerations and mask bits, ISO 8601 dates.
//! Written: names where there are any, else what both profiles read.

use std::fmt::Write as _;

use super::date::{self, Iso};
use super::names;
use crate::ttlv::{BIG_INTEGER_BYTES_MAX, Item, Writer};
use crate::{ItemType, Tag};

/// A value as the text has it.
#[derive(Clone, Copy)]
pub(super) enum Lexeme<'t> {
    /// An XML attribute or a JSON string.
    Text(&'t str),
    /// A JSON number without fraction or exponent.
    Number(i128),
    /// A JSON literal.
    Boolean(bool),
}

/// Appends the item a lexeme stands for; `None` when it does not fit the type. `owner` is the tag whose
/// enumeration or mask gives names a meaning.
pub(super) fn put(
    w: &mut Writer<'_>,
    tag: Tag,
    owner: Tag,
    kind: ItemType,
    lexeme: Lexeme<'_>,
) -> Option<()> {
    match kind {
        ItemType::Structure => return None,
        ItemType::Integer => w.integer(tag, integer(owner, lexeme)?),
        ItemType::LongInteger => w.long_integer(tag, long(lexeme)?),
        ItemType::BigInteger => return big_integer(w, tag, lexeme),
        ItemType::Enumeration => w.enumeration(tag, enumeration(owner, lexeme)?),
        ItemType::Boolean => w.boolean(tag, boolean(lexeme)?),
        ItemType::TextString => w.text(tag, text(lexeme)?),
        ItemType::ByteString => {
            return hex(w, text(lexeme)?, |w, length, fill| w.bytes_with(tag, length, fill));
        }
        ItemType::DateTime => w.date_time(tag, date_time(lexeme)?),
        ItemType::DateTimeExtended => w.date_time_extended(tag, date_time_extended(lexeme)?),
        ItemType::Interval => w.interval(tag, interval(lexeme)?),
    }
    Some(())
}

const fn text(lexeme: Lexeme<'_>) -> Option<&str> {
    match lexeme {
        Lexeme::Text(text) => Some(text),
        Lexeme::Number(_) | Lexeme::Boolean(_) => None,
    }
}

fn integer(owner: Tag, lexeme: Lexeme<'_>) -> Option<i32> {
    match lexeme {
        Lexeme::Number(number) => i32::try_from(number).ok(),
        Lexeme::Boolean(_) => None,
        Lexeme::Text(text) => {
            let text = text.trim();
            hexadecimal(text, 8)
                .and_then(|bits| u32::try_from(bits).ok())
                .map(u32::cast_signed)
                .or_else(|| decimal(text).and_then(|number| i32::try_from(number).ok()))
                .or_else(|| mask(owner, text).map(u32::cast_signed))
        }
    }
}

/// Names of bits, with spaces (XML) or bars (JSON) between them; bits without a name as hexadecimal.
fn mask(owner: Tag, text: &str) -> Option<u32> {
    let bits = names::mask(owner)?;
    let words = text.split([' ', '\t', '\n', '\r', '|', ',']).filter(|word| !word.is_empty());
    let mut value = 0;
    for word in words {
        let hexadecimal = hexadecimal(word, 8).and_then(|bits| u32::try_from(bits).ok());
        value |= hexadecimal.or_else(|| names::mask_bit(bits, word))?;
    }
    Some(value)
}

fn long(lexeme: Lexeme<'_>) -> Option<i64> {
    match lexeme {
        Lexeme::Number(number) => i64::try_from(number).ok(),
        Lexeme::Boolean(_) => None,
        Lexeme::Text(text) => {
            let text = text.trim();
            let decimal = || decimal(text).and_then(|number| i64::try_from(number).ok());
            hexadecimal(text, 16).map(u64::cast_signed).or_else(decimal)
        }
    }
}

fn interval(lexeme: Lexeme<'_>) -> Option<u32> {
    u32::try_from(long(lexeme)?).ok()
}

fn enumeration(owner: Tag, lexeme: Lexeme<'_>) -> Option<u32> {
    match lexeme {
        Lexeme::Number(number) => u32::try_from(number).ok(),
        Lexeme::Boolean(_) => None,
        Lexeme::Text(text) => {
            let text = text.trim();
            let number = hexadecimal(text, 8).and_then(|value| u32::try_from(value).ok());
            let decimal = || decimal(text).and_then(|value| u32::try_from(value).ok());
            number.or_else(decimal).or_else(|| names::enumeration_value(owner, text))
        }
    }
}

fn boolean(lexeme: Lexeme<'_>) -> Option<bool> {
    match lexeme {
        Lexeme::Boolean(value) => Some(value),
        Lexeme::Number(_) => None,
        Lexeme::Text(text) => match text.trim() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            text => match hexadecimal(text, 16)? {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
        },
    }
}

fn date_time(lexeme: Lexeme<'_>) -> Option<i64> {
    let text = text(lexeme)?.trim();
    if let Some(seconds) = hexadecimal(text, 16) {
        return Some(seconds.cast_signed());
    }
    i64::try_from(date::parse(text)?.div_euclid(1_000_000)).ok()
}

fn date_time_extended(lexeme: Lexeme<'_>) -> Option<i64> {
    if let Lexeme::Text(text) = lexeme
        && let Some(microseconds) = date::parse(text.trim())
    {
        return i64::try_from(microseconds).ok();
    }
    long(lexeme)
}

fn big_integer(w: &mut Writer<'_>, tag: Tag, lexeme: Lexeme<'_>) -> Option<()> {
    let text = match lexeme {
        Lexeme::Boolean(_) => return None,
        Lexeme::Number(number) => {
            w.big_integer(tag, &number.to_be_bytes());
            return Some(());
        }
        Lexeme::Text(text) => text.trim(),
    };
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.is_empty() || digits.len() > 2 * BIG_INTEGER_BYTES_MAX {
        return None;
    }
    let mut bytes = zeroize::Zeroizing::new(vec![0; digits.len().div_ceil(2)]);
    unhex(digits, &mut bytes)?;
    w.big_integer(tag, &bytes);
    Some(())
}

/// Decodes hexadecimal straight to where it is sent from.
fn hex<'b>(
    w: &mut Writer<'b>,
    digits: &str,
    write: impl FnOnce(&mut Writer<'b>, usize, &mut dyn FnMut(&mut [u8]) -> Result<(), ()>) -> Result<(), ()>,
) -> Option<()> {
    let count = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
    if !count.is_multiple_of(2) {
        return None;
    }
    write(w, count / 2, &mut |out| unhex(digits, out).ok_or(())).ok()
}

/// Hexadecimal digits to bytes that they fill; white space is passed over, since wrapped lines occur in
/// XML attributes. An odd number of digits lacks a leading zero.
fn unhex(digits: &str, out: &mut [u8]) -> Option<()> {
    let count = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
    let mut at = count % 2;
    for byte in digits.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let nibble = u8::try_from(char::from(byte).to_digit(16)?).ok()?;
        let place = out.get_mut(at / 2)?;
        *place = *place << 4 | nibble;
        at += 1;
    }
    (at == 2 * out.len()).then_some(())
}

/// A number of at most so many hexadecimal digits after `0x`.
fn hexadecimal(text: &str, digits_max: usize) -> Option<u64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let plain =
        (1..=digits_max).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}

fn decimal(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // 20 digits are more than any 64 bits have.
    let plain = (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// How a printer writes what both profiles write differently.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// Between the names of a mask.
    pub mask_separator: char,
    /// Before the digits of a Big Integer.
    pub big_integer_prefix: &'static str,
    /// Whether numbers past 2^53 are hexadecimal, because readers keep them in a double.
    pub large_numbers_in_hex: bool,
}

/// The largest number a double holds exactly.
const DOUBLE_EXACT_MAX: u64 = 1 << 53;

/// What an item's value prints as.
pub(super) enum Printed<'a> {
    /// A number.
    Number(i64),
    /// A Boolean.
    Boolean(bool),
    /// Text that needs no escaping.
    Plain(String),
    /// Bytes, to be written as hexadecimal digits after a prefix.
    Hex(&'static str, &'a [u8]),
    /// Text of the message.
    Text(&'a str),
}

/// Prints the value of an item that is no structure; its bytes have been checked.
pub(super) fn print<'a>(item: Item<'a>, owner: Tag, style: Style) -> Option<Printed<'a>> {
    Some(match item.kind() {
        ItemType::Structure => return None,
        ItemType::Integer => print_integer(item.integer().ok()?, owner, style),
        ItemType::LongInteger => print_long(item.long_integer().ok()?, style),
        ItemType::BigInteger => Printed::Hex(style.big_integer_prefix, item.raw()),
        ItemType::Enumeration => {
            let value = item.enumeration().ok()?;
            let name = names::enumeration_name(owner, value);
            Printed::Plain(name.map_or_else(|| format!("0x{value:08x}"), str::to_owned))
        }
        ItemType::Boolean => Printed::Boolean(item.boolean().ok()?),
        ItemType::TextString => Printed::Text(std::str::from_utf8(item.raw()).ok()?),
        ItemType::ByteString => Printed::Hex("", item.raw()),
        ItemType::DateTime => Printed::Plain(Iso::seconds(item.date_time().ok()?).to_string()),
        ItemType::DateTimeExtended => {
            Printed::Plain(Iso::microseconds(item.date_time_extended().ok()?).to_string())
        }
        ItemType::Interval => Printed::Number(item.interval().ok()?.into()),
    })
}

fn print_long<'a>(value: i64, style: Style) -> Printed<'a> {
    if style.large_numbers_in_hex && value.unsigned_abs() > DOUBLE_EXACT_MAX {
        return Printed::Plain(format!("0x{value:016x}"));
    }
    Printed::Number(value)
}

fn print_integer<'a>(value: i32, owner: Tag, style: Style) -> Printed<'a> {
    let Some(bits) = names::mask(owner).filter(|_| value != 0) else { return Printed::Number(value.into()) };
    let mut rest = value.cast_unsigned();
    let mut text = String::new();
    for (bit, name) in bits {
        if rest & bit != 0 {
            rest &= !bit;
            if !text.is_empty() {
                text.push(style.mask_separator);
            }
            text.push_str(name);
        }
    }
    if rest != 0 {
        if !text.is_empty() {
            text.push(style.mask_separator);
        }
        let _ = write!(text, "0x{rest:08x}"); // a String takes everything
    }
    Printed::Plain(text)
}
