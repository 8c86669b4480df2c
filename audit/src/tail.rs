//! Tells a torn tail from damage, and both from space that no record has used yet.
//!
//! A segment is filled with zeros ahead of its records, and what is written into them overwrites whole
//! blocks. A crash may leave part of the last group commit: nobody was told that it is durable, and it may go.
//! Anything else that does not read is damage, and a log that quietly mends damage proves nothing. The
//! judge sees the bytes from the first unreadable record to the end of the last segment.

use crate::frame::{self, HEADER_BYTES, Header, MAGIC};

/// Disks write whole sectors; what a crash kept from being written reads as zeros or is beyond the end.
const SECTOR_BYTES: u64 = 512;

/// What the end of the last segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing but zeros: made ahead and never written.
    Unused,
    /// An interrupted write that was never acknowledged.
    Torn,
    /// Bytes that were once whole.
    Damaged,
}

/// Judges `rest`, which begins at `offset` of its file, where record `expected` should stand.
pub(crate) fn judge(rest: &[u8], offset: u64, expected: u64) -> Tail {
    let Some(written) = rest.iter().rposition(|byte| *byte != 0).map(|last| last + 1) else {
        return Tail::Unused;
    };
    if acknowledged_later(rest, written, expected) {
        return Tail::Damaged;
    }
    let span = match rest.split_first_chunk::<HEADER_BYTES>() {
        None => return torn_if(is_beginning(rest) || has_unwritten_sector(rest, offset)),
        Some((header, body)) => match Header::parse(header) {
            Some(header) if body.len() < header.body_bytes => return Tail::Torn,
            Some(header) if header.covers(&body[..header.body_bytes]) => return Tail::Damaged,
            Some(header) => &rest[..HEADER_BYTES + header.body_bytes],
            // Of an unreadable header only this is known: it was written, or some sector up to the last
            // written byte was not.
            None => &rest[..written.max(HEADER_BYTES)],
        },
    };
    torn_if(has_unwritten_sector(span, offset))
}

fn torn_if(torn: bool) -> Tail {
    if torn { Tail::Torn } else { Tail::Damaged }
}

/// Whether a sound record follows that was written after record `expected` had been synced.
fn acknowledged_later(rest: &[u8], written: usize, expected: u64) -> bool {
    let places = rest.windows(MAGIC.len()).enumerate().take(written).skip(1);
    let frames = places.filter(|(_, window)| window == MAGIC);
    frames.filter_map(|(at, _)| frame::read(&rest[at..])).any(|record| record.place.batch_first > expected)
}

/// Whether these few bytes are how a frame begins.
fn is_beginning(bytes: &[u8]) -> bool {
    let known = bytes.len().min(MAGIC.len());
    bytes[..known] == MAGIC[..known]
}

/// Whether a sector's share of these bytes is nothing but zeros.
fn has_unwritten_sector(bytes: &[u8], offset: u64) -> bool {
    let first = usize::try_from(SECTOR_BYTES - offset % SECTOR_BYTES).expect("a sector is small");
    let (head, sectors) = bytes.split_at(first.min(bytes.len()));
    let unwritten = |sector: &[u8]| !sector.is_empty() && sector.iter().all(|byte| *byte == 0);
    unwritten(head) || sectors.chunks(SECTOR_BYTES as usize).any(unwritten)
}
