//! Snapshots: the logical state as one sealed, checksummed stream.
//!
//! Layout (numbers big-endian): header = u32 length ‖ framed meta (last entry, membership) ‖ chunks = u32
//! length ‖ u32 CRC32C ‖ sealed rows ‖ end = u32 0 ‖ u64 rows ‖ 32-byte digest. Each chunk is sealed with
//! AAD = lp("keyraft/v1/aad/snapshot", realm, meta, u32be(number)), so chunks cannot be swapped, repeated
//! or moved to another snapshot. The digest chains header and chunks with the realm's keyed hash: a cut or
//! altered stream is refused before anything is switched.
//!
//! Never holds another node's vote or log, never the files of a database: any later version can read it.

pub mod reader;
pub mod shelf;
pub mod writer;

use model::sealer::{Sealer, Unopenable, lp};

pub use reader::verify;
pub use shelf::{SnapshotData, SnapshotWriter};

use crate::codec::BadBytes;

/// First part of the associated data of chunks.
const CHUNK_AAD: &[u8] = b"keyraft/v1/aad/snapshot";
/// Begins the keyed hash of every link of the digest chain: no row's place can look like it.
const CHAIN_LABEL: &[u8] = b"keyraft/v1/snapshot-chain";
/// A chunk is closed once its rows reach this many bytes: a message between peers each.
const CHUNK_BYTES: usize = 256 * 1024;
/// Longest header and longest sealed chunk that is read: the largest frame, and the seal around it.
const PART_BYTES_MAX: usize = 17 * 1024 * 1024;
/// Length of the digest in bytes.
const DIGEST_LEN: usize = 32;

/// A snapshot that is not what its maker wrote, or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum BadSnapshot {
    /// It ends early or has bytes to spare.
    #[error("the stream is cut short or too long")]
    Length,
    /// A chunk was altered on its way.
    #[error("the checksum of chunk {number} does not match")]
    Checksum {
        /// Counted from 0.
        number: u32,
    },
    /// A chunk belongs elsewhere or to another realm.
    #[error("chunk {number} does not open")]
    Sealed {
        /// Counted from 0.
        number: u32,
        /// Why.
        source: Unopenable,
    },
    /// Header or rows do not decode; a newer version may have made them.
    #[error("the content does not decode")]
    Content(#[from] BadBytes),
    /// Chunks are missing, repeated or reordered.
    #[error("the digest does not match")]
    Digest,
    /// It is not the snapshot that was announced.
    #[error("it covers another part of the log than announced")]
    OtherMeta,
    /// The file failed.
    #[error("the file failed")]
    File(#[from] std::io::Error),
}

fn chunk_aad(sealer: &dyn Sealer, meta: &[u8], number: u32) -> Vec<u8> {
    let meta = sealer.set_hash(CHAIN_LABEL, meta);
    lp(&[CHUNK_AAD, sealer.realm().as_bytes(), &meta, &number.to_be_bytes()])
}

/// One more link of the digest chain.
fn chain(sealer: &dyn Sealer, before: &[u8; DIGEST_LEN], part: &[u8]) -> [u8; DIGEST_LEN] {
    sealer.set_hash(&[CHAIN_LABEL, before].concat(), part)
}
