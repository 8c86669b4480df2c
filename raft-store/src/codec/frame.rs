//! The frame around every record, and bincode inside it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Format byte: the layout of the frame itself and bincode's fixed-width configuration.
const FORMAT: u8 = 1;
/// Schema version of the records this code writes.
///
/// 1 (2026-11-21): the first.
const SCHEMA: u16 = 1;
/// Magic, format, schema, length, checksum.
const HEADER_LEN: usize = 4 + 1 + 2 + 4 + 4;
/// Where the checksum stands.
const CRC_AT: usize = 11;
/// Largest body in bytes: a tenant with every L2 version it may have and several wraps of each is the largest
/// row, and a snapshot chunk may end with one.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// What a frame holds; the magic keeps one kind from being read as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Command,
    Row,
    Rows,
    Entry,
    Vote,
    EntryId,
    Applied,
    Table,
    Snapshot,
    Journal,
}

impl Kind {
    const fn magic(self) -> [u8; 4] {
        *match self {
            Self::Command => b"krcm",
            Self::Row => b"krrw",
            Self::Rows => b"krrs",
            Self::Entry => b"kren",
            Self::Vote => b"krvt",
            Self::EntryId => b"krid",
            Self::Applied => b"krap",
            Self::Table => b"krtb",
            Self::Snapshot => b"krsn",
            Self::Journal => b"krjl",
        }
    }
}

/// Bytes that are not the record they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBytes {
    /// Shorter than it says, longer than it says, or no frame at all.
    #[error("the record is cut short or has bytes to spare")]
    Length,
    /// Another kind of record, or none of ours.
    #[error("not a record of the wanted kind")]
    Magic,
    /// Written by a newer version of the frame or of the records.
    #[error("written in format {format}, schema {schema}, which this version does not know")]
    Newer {
        /// The frame's format byte.
        format: u8,
        /// The schema version.
        schema: u16,
    },
    /// Altered since it was written.
    #[error("the checksum does not match")]
    Checksum,
    /// The body does not decode.
    #[error("the record does not decode: {detail}")]
    Body {
        /// What the decoder met.
        detail: String,
    },
    /// Longer than any record may be.
    #[error("the record has {bytes} bytes, more than a frame may hold")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

pub(super) fn encode<T: Serialize>(kind: Kind, record: &T) -> Result<Vec<u8>, BadBytes> {
    let mut out = vec![0; HEADER_LEN];
    let config = bincode::config::legacy();
    bincode::serde::encode_into_std_write(record, &mut out, config)
        .map_err(|error| BadBytes::Body { detail: error.to_string() })?;
    let length = out.len() - HEADER_LEN;
    if length > BODY_MAX {
        return Err(BadBytes::TooLong { bytes: length });
    }
    let length = u32::try_from(length).expect("BODY_MAX fits 32 bits");
    out[..4].copy_from_slice(&kind.magic());
    out[4] = FORMAT;
    out[5..7].copy_from_slice(&SCHEMA.to_be_bytes());
    out[7..CRC_AT].copy_from_slice(&length.to_be_bytes());
    let crc = checksum(&out);
    out[CRC_AT..HEADER_LEN].copy_from_slice(&crc.to_be_bytes());
    Ok(out)
}

/// The bare body, for what is hashed and never read back.
pub(super) fn body<T: Serialize>(record: &T) -> Result<Vec<u8>, BadBytes> {
    bincode::serde::encode_to_vec(record, bincode::config::legacy())
        .map_err(|error| BadBytes::Body { detail: error.to_string() })
}

pub(super) fn decode<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, BadBytes> {
    let body = open(kind, bytes)?;
    let (record, used) = decode_body(body).map_err(|error| BadBytes::Body { detail: error.to_string() })?;
    if used == body.len() { Ok(record) } else { Err(BadBytes::Length) }
}

fn open(kind: Kind, bytes: &[u8]) -> Result<&[u8], BadBytes> {
    let (header, body) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(BadBytes::Length)?;
    if header[..4] != kind.magic() {
        return Err(BadBytes::Magic);
    }
    let (format, schema) = (header[4], u16::from_be_bytes([header[5], header[6]]));
    if (format, schema) != (FORMAT, SCHEMA) {
        return Err(BadBytes::Newer { format, schema });
    }
    let length = u32::from_be_bytes([header[7], header[8], header[9], header[10]]);
    if usize::try_from(length) != Ok(body.len()) || body.len() > BODY_MAX {
        return Err(BadBytes::Length);
    }
    let crc = u32::from_be_bytes([header[11], header[12], header[13], header[14]]);
    if crc == checksum(bytes) { Ok(body) } else { Err(BadBytes::Checksum) }
}

/// CRC32C over the frame without its checksum field.
fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..CRC_AT]), &frame[HEADER_LEN..])
}

/// bincode allocates what a length prefix claims, up to its limit, and the limit is a constant: a few
/// steps keep the claim within sixteen times the input.
fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<(T, usize), bincode::error::DecodeError> {
    fn limited<T: DeserializeOwned, const LIMIT: usize>(
        body: &[u8],
    ) -> Result<(T, usize), bincode::error::DecodeError> {
        bincode::serde::decode_from_slice(body, bincode::config::legacy().with_limit::<LIMIT>())
    }
    match body.len() {
        0..=1_024 => limited::<T, 1_024>(body),
        1_025..=16_384 => limited::<T, 16_384>(body),
        16_385..=262_144 => limited::<T, 262_144>(body),
        262_145..=4_194_304 => limited::<T, 4_194_304>(body),
        _ => limited::<T, BODY_MAX>(body),
    }
}
