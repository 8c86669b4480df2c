//! The text encodings: XML and JSON (Additional Message Encodings 1.0; Profiles 2.1 sections 5.4 and 5.5).
//!
//! Both are transcoded to and from TTLV, item by item, by the tables of tags, enumerations and masks: there
//! is one reader of requests and one writer of responses, and what holds for TTLV (depth, number of
//! items, length, every later judgement) holds here because the same code enforces it. Names are read as
//! every version of the profiles spelt them, and written as our tables do; what has no name is a number.
//!
//! Nothing here recurses over a message's depth beyond [`Limits::depth`](crate::ttlv::Limits), resolves an
//! entity, opens anything, or lets two values under one key decide which counts. Buffers that may have held
//! key material are wiped when they grow and when they go.

mod date;
mod json;
mod names;
mod sink;
mod source;
mod value;
mod xml;

use zeroize::Zeroizing;

use crate::message::Rejection;
use crate::ttlv::{DecodeError, Item, Limits};

/// How a message is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// The binary encoding; the only one on port 5696.
    Ttlv,
    /// XML, over HTTPS.
    Xml,
    /// JSON, over HTTPS.
    Json,
}

/// Bytes of a text message: the hexadecimal of a whole frame, and as much again for names and quotes.
pub const TEXT_MESSAGE_BYTES_MAX: usize = 4 * crate::ttlv::FRAME_BYTES_MAX;

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 3] = [Self::Ttlv, Self::Xml, Self::Json];

    /// The encoding a `Content-Type` names; parameters such as a character set of UTF-8 are allowed.
    #[must_use]
    pub fn of_media_type(header: &str) -> Option<Self> {
        let (media, parameters) = header.split_once(';').unwrap_or((header, ""));
        let charset = parameters.split(';').filter_map(|parameter| parameter.trim().split_once('='));
        let utf8 =
            |value: &str| matches!(&*value.trim_matches('"').to_ascii_lowercase(), "utf-8" | "us-ascii");
        if charset.filter(|(name, _)| name.eq_ignore_ascii_case("charset")).any(|(_, value)| !utf8(value)) {
            return None;
        }
        match &*media.trim().to_ascii_lowercase() {
            "application/octet-stream" => Some(Self::Ttlv),
            "text/xml" | "application/xml" => Some(Self::Xml),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The `Content-Type` of a message in this encoding (HTTPS profile).
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Ttlv => "application/octet-stream",
            Self::Xml => "text/xml; charset=utf-8",
            Self::Json => "application/json",
        }
    }

    /// Bytes of the longest message this encoding is read from.
    #[must_use]
    pub const fn message_bytes_max(self) -> usize {
        match self {
            Self::Ttlv => crate::ttlv::FRAME_BYTES_MAX,
            Self::Xml | Self::Json => TEXT_MESSAGE_BYTES_MAX,
        }
    }
}

/// The TTLV of a message. TTLV itself is passed through unread.
///
/// # Errors
/// A [`Rejection`] that knows the version, where the message came so far as to state one.
pub fn to_ttlv(encoding: Encoding, message: &[u8], limits: &Limits) -> Result<Zeroizing<Vec<u8>>, Rejection> {
    let mut sink = sink::Sink::new(limits);
    let read = match encoding {
        Encoding::Ttlv => return Ok(Zeroizing::new(message.to_vec())),
        Encoding::Xml => xml::read(message, &mut sink),
        Encoding::Json => json::read(message, &mut sink),
    };
    let (ttlv, ended) = sink.finish();
    match read.and(ended) {
        Ok(()) => Ok(ttlv),
        Err(error) => Err(Rejection::new(error, &ttlv)),
    }
}

/// A message of ours, given as TTLV, in this encoding.
///
/// # Errors
/// If the bytes are no TTLV; ours always are.
pub fn from_ttlv(encoding: Encoding, ttlv: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecodeError> {
    let unbounded = Limits { frame_bytes: usize::MAX, items: usize::MAX, ..Limits::DEFAULT };
    let message = Item::parse(ttlv, &unbounded)?;
    match encoding {
        Encoding::Ttlv => Ok(Zeroizing::new(ttlv.to_vec())),
        Encoding::Xml => Ok(source::write(message, xml::Printer)),
        Encoding::Json => Ok(source::write(message, json::Printer)),
    }
}
