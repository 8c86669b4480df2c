//! Reading a snapshot: every length is bounded, every chunk checked before it is opened.

use model::row::{Row, RowKey};
use model::sealer::Sealer;

use super::{BadSnapshot, DIGEST_LEN, PART_BYTES_MAX, SnapshotData, chain, chunk_aad};
use crate::codec::{self, records};
use crate::types::SnapshotMeta;

/// Reads a whole snapshot without using it, and says what it covers. A receiver does this before it hands
/// the snapshot to Raft, where a refusal would stop the node.
///
/// # Errors
/// [`BadSnapshot`] says what is wrong with it.
pub fn verify(data: &SnapshotData, sealer: &dyn Sealer) -> Result<SnapshotMeta, BadSnapshot> {
    let mut reader = Reader::open(data, sealer)?;
    while reader.chunk()?.is_some() {}
    Ok(reader.meta)
}

/// What a snapshot says it covers; nothing else is checked.
///
/// # Errors
/// [`BadSnapshot`] if the header does not read.
pub(crate) fn meta(data: &SnapshotData) -> Result<SnapshotMeta, BadSnapshot> {
    let (header, _) = part(data, 0)?;
    Ok(records::decode_snapshot_meta(&header)?)
}

/// Walks through the chunks of a snapshot. A snapshot is good only once [`Reader::chunk`] said `None`.
pub(crate) struct Reader<'a> {
    data: &'a SnapshotData,
    sealer: &'a dyn Sealer,
    header: Vec<u8>,
    pub(crate) meta: SnapshotMeta,
    offset: u64,
    digest: [u8; DIGEST_LEN],
    chunks: u32,
    rows: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn open(data: &'a SnapshotData, sealer: &'a dyn Sealer) -> Result<Self, BadSnapshot> {
        let (header, offset) = part(data, 0)?;
        let meta = records::decode_snapshot_meta(&header)?;
        let digest = chain(sealer, &[0; DIGEST_LEN], &header);
        Ok(Self { data, sealer, header, meta, offset, digest, chunks: 0, rows: 0 })
    }

    /// The rows of the next chunk; `None` once the end was read and the digest matched.
    pub(crate) fn chunk(&mut self) -> Result<Option<Vec<(RowKey, Row)>>, BadSnapshot> {
        let length = u32::from_be_bytes(self.take()?);
        if length == 0 {
            return self.end();
        }
        let crc = u32::from_be_bytes(self.take()?);
        let sealed = bytes(self.data, self.offset, length)?;
        self.offset += u64::from(length);
        let number = self.chunks;
        if crc32c::crc32c(&sealed) != crc {
            return Err(BadSnapshot::Checksum { number });
        }
        let aad = chunk_aad(self.sealer, &self.header, number);
        let rows =
            self.sealer.open(&aad, &sealed).map_err(|source| BadSnapshot::Sealed { number, source })?;
        let rows = codec::decode_rows(&rows)?;
        self.digest = chain(self.sealer, &self.digest, &sealed);
        self.chunks = number.checked_add(1).ok_or(BadSnapshot::Length)?;
        self.rows += rows.len() as u64;
        Ok(Some(rows))
    }

    fn end<T>(&mut self) -> Result<Option<T>, BadSnapshot> {
        let rows: [u8; 8] = self.take()?;
        let digest: [u8; DIGEST_LEN] = self.take()?;
        if self.offset != self.data.len() {
            return Err(BadSnapshot::Length);
        }
        let expected = chain(self.sealer, &self.digest, &rows);
        if digest != expected || u64::from_be_bytes(rows) != self.rows {
            return Err(BadSnapshot::Digest);
        }
        Ok(None)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadSnapshot> {
        let taken = fixed(self.data, self.offset)?;
        self.offset += N as u64;
        Ok(taken)
    }
}

/// A length-prefixed part at an offset, and where the next one begins.
fn part(data: &SnapshotData, offset: u64) -> Result<(Vec<u8>, u64), BadSnapshot> {
    let length = u32::from_be_bytes(fixed(data, offset)?);
    Ok((bytes(data, offset + 4, length)?, offset + 4 + u64::from(length)))
}

fn bytes(data: &SnapshotData, offset: u64, length: u32) -> Result<Vec<u8>, BadSnapshot> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > PART_BYTES_MAX {
        return Err(BadSnapshot::Length);
    }
    let part = data.read_at(offset, length)?;
    if part.len() == length { Ok(part) } else { Err(BadSnapshot::Length) }
}

fn fixed<const N: usize>(data: &SnapshotData, offset: u64) -> Result<[u8; N], BadSnapshot> {
    data.read_at(offset, N)?.try_into().map_err(|_| BadSnapshot::Length)
}
