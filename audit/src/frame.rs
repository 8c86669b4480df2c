//! How one record lies in a file.
//!
//! ```text
//! "KRec"  body length u32  CRC-32C of the body u32  CRC-32C of the 12 bytes before u32
//! body = encoded record, SHA-256 of it (32 bytes)
//! ```
//!
//! The header has a checksum of its own so that a flipped length is told from a file that really ends
//! inside a record: the first is damage, the second a torn write (see `tail`).

use crate::record::{self, Place, RECORD_BYTES_MAX, Record};

/// Begins every frame; found again when the bytes before are damaged.
pub(crate) const MAGIC: &[u8; 4] = b"KRec";
/// Size of a frame's header in bytes.
pub(crate) const HEADER_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Longest body: a record and its hash.
const BODY_BYTES_MAX: usize = RECORD_BYTES_MAX + HASH_BYTES;

/// Frames one record onto `out`; returns its hash.
pub(crate) fn write(place: &Place, entry_body: &[u8], out: &mut Vec<u8>) -> [u8; 32] {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    place.encode(out);
    out.extend_from_slice(entry_body);
    let hash = record::hash(&out[start + HEADER_BYTES..]);
    out.extend_from_slice(&hash);
    let header = header(&out[start + HEADER_BYTES..]);
    out[start..start + HEADER_BYTES].copy_from_slice(&header);
    hash
}

fn header(body: &[u8]) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(body.len()).expect("a record is far below 4 GiB");
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(MAGIC);
    header[4..8].copy_from_slice(&length.to_be_bytes());
    header[8..12].copy_from_slice(&crc32c::crc32c(body).to_be_bytes());
    let check = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&check.to_be_bytes());
    header
}

/// A sound frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Length of the body that follows, in bytes.
    pub body_bytes: usize,
    crc: u32,
}

impl Header {
    /// Reads a header; `None` if its checksum or its length cannot be right.
    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let body_bytes = usize::try_from(word(4)).ok()?;
        let sound = bytes.starts_with(MAGIC)
            && word(12) == crc32c::crc32c(&bytes[..12])
            && (HASH_BYTES..=BODY_BYTES_MAX).contains(&body_bytes);
        sound.then_some(Self { body_bytes, crc: word(8) })
    }

    /// Whether the checksum of the body is right: then it is what was written, lawful or not.
    pub(crate) fn covers(&self, body: &[u8]) -> bool {
        crc32c::crc32c(body) == self.crc
    }

    /// Reads the body that goes with this header.
    pub(crate) fn open(&self, body: &[u8]) -> Result<(Record, [u8; 32]), &'static str> {
        if !self.covers(body) {
            return Err("the record's checksum is wrong");
        }
        let (encoded, stored) = body.split_at(body.len() - HASH_BYTES);
        let hash = record::hash(encoded);
        if stored != hash {
            return Err("the record's hash is wrong");
        }
        Record::decode(encoded).map(|record| (record, hash)).map_err(|bad| bad.0)
    }
}

/// Reads a whole frame at the start of `bytes`, if a lawful one stands there.
pub(crate) fn read(bytes: &[u8]) -> Option<Record> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let header = Header::parse(header)?;
    let body = rest.get(..header.body_bytes)?;
    header.open(body).ok().map(|(record, _)| record)
}
