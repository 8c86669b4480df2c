//! One file of a journal: its name, its head, and how records lie in it.
//!
//! Head (numbers big-endian) = "KRJL" ‖ format byte ‖ 1 if a stretch begins here, else 0 ‖ realm (16) ‖
//! lineage (16) ‖ u64 node ‖ u64 first index ‖ previous link (32) ‖ u32 CRC32C of all that. A record = u32
//! length of its frame ‖ frame (see `codec`) ‖ link (32).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use model::id::{ClusterId, NodeId, Realm};
use model::sealer::{Sealer, lp};

use super::{BEGINNING, HASH_LEN, link};
use crate::codec::{BadBytes, records};
use crate::journal::Record;
use crate::types::SEALED_BYTES_MAX;

const MAGIC: &[u8; 4] = b"KRJL";
const FORMAT: u8 = 1;
/// Size of a head in bytes.
pub(super) const HEAD_BYTES: usize = 4 + 1 + 1 + 16 + 16 + 8 + 8 + HASH_LEN + 4;
/// Longest frame: the longest sealed command, or the largest membership, and what surrounds it.
const FRAME_BYTES_MAX: usize = SEALED_BYTES_MAX + 64 * 1024;
const SUFFIX: &str = ".journal";
/// Digits of the first index in a file's name: any u64.
const DIGITS: usize = 20;

/// Whose journal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub realm: Realm,
    pub cluster: ClusterId,
    pub node: NodeId,
}

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub owner: Owner,
    /// Index of its first record.
    pub first: u64,
    /// Whether a stretch begins here.
    pub anew: bool,
    /// The link its first record continues.
    pub previous: [u8; HASH_LEN],
}

impl Head {
    /// The head of a stretch that begins at an index.
    pub fn anew(sealer: &dyn Sealer, owner: Owner, first: u64) -> Self {
        let Owner { cluster, node, .. } = owner;
        let place = lp(&[cluster.as_bytes(), &node.0.to_be_bytes(), &first.to_be_bytes()]);
        Self { owner, first, anew: true, previous: sealer.set_hash(BEGINNING, &place) }
    }

    /// Whether the beginning of a stretch was made by who holds the keyring.
    pub fn is_genuine(&self, sealer: &dyn Sealer) -> bool {
        !self.anew || *self == Self::anew(sealer, self.owner, self.first)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[FORMAT, u8::from(self.anew)]);
        out.extend_from_slice(self.owner.realm.as_bytes());
        out.extend_from_slice(self.owner.cluster.as_bytes());
        out.extend_from_slice(&self.owner.node.0.to_be_bytes());
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(&crc32c::crc32c(&out).to_be_bytes());
        out
    }

    /// Reads a head; `None` if it is damaged or of a later format.
    pub fn decode(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
            return None;
        }
        let rest = body.strip_prefix(MAGIC)?.strip_prefix(&[FORMAT])?;
        let ([anew], rest) = rest.split_first_chunk::<1>()?;
        let (realm, rest) = rest.split_first_chunk::<16>()?;
        let (cluster, rest) = rest.split_first_chunk::<16>()?;
        let (node, rest) = rest.split_first_chunk::<8>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let owner = Owner {
            realm: Realm(*realm),
            cluster: ClusterId(*cluster),
            node: NodeId(u64::from_be_bytes(*node)),
        };
        let previous = rest.try_into().ok()?;
        Some(Self { owner, first: u64::from_be_bytes(*first), anew: *anew == 1, previous })
    }
}

/// Appends a record to a buffer; returns its link.
pub(super) fn write(
    sealer: &dyn Sealer,
    before: &[u8; HASH_LEN],
    record: &Record,
    out: &mut Vec<u8>,
) -> Result<[u8; HASH_LEN], BadBytes> {
    let frame = records::encode_journal(record)?;
    if frame.len() > FRAME_BYTES_MAX {
        return Err(BadBytes::TooLong { bytes: frame.len() });
    }
    let length = u32::try_from(frame.len()).map_err(|_| BadBytes::TooLong { bytes: frame.len() })?;
    let link = link(sealer, before, &frame);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&frame);
    out.extend_from_slice(&link);
    Ok(link)
}

/// What stands next in a segment.
pub(super) enum Step {
    /// A frame that is whole, the link after it, and how many bytes both take.
    Frame(Vec<u8>, [u8; HASH_LEN], u64),
    /// The end, exactly after a record.
    End,
    /// The file ends inside a record.
    Torn,
    /// A length no record has.
    Length,
}

/// Reads what stands next.
pub(super) fn step(file: &mut impl Read) -> io::Result<Step> {
    let mut length = [0; 4];
    match read_full(file, &mut length)? {
        0 => return Ok(Step::End),
        4 => {}
        _ => return Ok(Step::Torn),
    }
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if bytes == 0 || bytes > FRAME_BYTES_MAX {
        return Ok(Step::Length);
    }
    let mut frame = vec![0; bytes];
    let mut link = [0; HASH_LEN];
    if read_full(file, &mut frame)? < bytes || read_full(file, &mut link)? < HASH_LEN {
        return Ok(Step::Torn);
    }
    Ok(Step::Frame(frame, link, (4 + bytes + HASH_LEN) as u64))
}

/// Fills the buffer as far as the file goes; returns how far.
pub(super) fn read_full(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The file of a segment.
pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:0DIGITS$}{SUFFIX}"))
}

/// The segments of a folder by their first index, in order, with their sizes in bytes.
pub(super) fn list(dir: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        if let Some(first) = digits.filter(|digits| digits.len() == DIGITS).and_then(|d| d.parse().ok()) {
            found.push((first, entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
