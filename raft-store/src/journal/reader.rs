//! Reading a journal: every record checked against the one before, in constant memory.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use model::id::{ClusterId, NodeId};
use model::sealer::Sealer;

use super::segment::{self, HEAD_BYTES, Head, Owner, Step};
use super::{Fault, Finding, HASH_LEN, Record, link};
use crate::codec::{BadBytes, records};

/// Entries that follow each other without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Index of the first.
    pub first: u64,
    /// Index of the last.
    pub last: u64,
}

/// What a journal holds, all of it checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The lineage it belongs to.
    pub cluster: ClusterId,
    /// Whose it is.
    pub node: NodeId,
    /// Its stretches in order; between two of them entries are missing.
    pub stretches: Vec<Stretch>,
    /// Records in it.
    pub records: u64,
    /// Files it lies in.
    pub segments: usize,
    /// Bytes of an interrupted last write, which was never promised to anybody.
    pub interrupted_bytes: u64,
}

/// Checks a whole journal; `None` if the folder has none.
///
/// # Errors
/// [`Finding`] names the first bad place.
pub fn verify(dir: &Path, sealer: &dyn Sealer) -> Result<Option<Report>, Finding> {
    let mut reader = Reader::open(dir, sealer)?;
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut records = 0;
    while let Some((record, begins)) = reader.next()? {
        let index = record.id.index;
        match stretches.last_mut() {
            Some(stretch) if !begins => stretch.last = index,
            _ => stretches.push(Stretch { first: index, last: index }),
        }
        records += 1;
    }
    let segments = reader.segments.len();
    Ok(reader.owner.map(|Owner { cluster, node, .. }| {
        let interrupted_bytes = reader.interrupted_bytes;
        Report { cluster, node, stretches, records, segments, interrupted_bytes }
    }))
}

/// Reads a whole journal, and hands on each record after `after` with whether a stretch begins with it.
/// Returns whose journal it is; `None` if the folder has none.
///
/// # Errors
/// [`Finding`] names the first bad place; records before it were handed on.
pub fn read(
    dir: &Path,
    sealer: &dyn Sealer,
    after: u64,
    mut visit: impl FnMut(Record, bool),
) -> Result<Option<(ClusterId, NodeId)>, Finding> {
    let mut reader = Reader::open(dir, sealer)?;
    while let Some((record, begins)) = reader.next()? {
        if record.id.index > after {
            visit(record, begins);
        }
    }
    Ok(reader.owner.map(|owner| (owner.cluster, owner.node)))
}

/// Walks through the segments of a folder.
pub(super) struct Reader<'a> {
    dir: PathBuf,
    sealer: &'a dyn Sealer,
    segments: Vec<u64>,
    next_segment: usize,
    open: Option<Open>,
    pub(super) owner: Option<Owner>,
    /// Index of the last record read, and the link after it.
    pub(super) last: Option<(u64, [u8; HASH_LEN])>,
    pub(super) interrupted_bytes: u64,
}

struct Open {
    file: BufReader<File>,
    name: String,
    offset: u64,
    /// Nothing was read of it yet, and it begins a stretch.
    begins: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn open(dir: &Path, sealer: &'a dyn Sealer) -> Result<Self, Finding> {
        let listed = match segment::list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            listed => listed.map_err(|error| Finding {
                segment: dir.display().to_string(),
                offset: 0,
                fault: error.into(),
            })?,
        };
        let segments = listed.into_iter().map(|(first, _)| first).collect();
        Ok(Self {
            dir: dir.to_owned(),
            sealer,
            segments,
            next_segment: 0,
            open: None,
            owner: None,
            last: None,
            interrupted_bytes: 0,
        })
    }

    /// Goes straight to the last segment: the ones before are not read.
    pub(super) fn only_last(mut self) -> Self {
        self.next_segment = self.segments.len().saturating_sub(1);
        self
    }

    /// Where the last record that was read ends: the segment and the offset in it.
    pub(super) fn position(&self) -> Option<(u64, u64)> {
        let first = *self.segments.get(self.next_segment.checked_sub(1)?)?;
        Some((first, self.open.as_ref()?.offset))
    }

    /// The next record and whether a stretch begins with it.
    pub(super) fn next(&mut self) -> Result<Option<(Record, bool)>, Finding> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let is_last = self.next_segment == self.segments.len();
            let Some(open) = &mut self.open else { return Ok(None) };
            let read = segment::step(&mut open.file).map_err(|error| open.finding(error.into()))?;
            match read {
                Step::Frame(frame, stored, bytes) => return self.take(&frame, stored, bytes).map(Some),
                Step::Length => return Err(open.finding(BadBytes::Length.into())),
                Step::Torn if !is_last => return Err(open.finding(Fault::Torn)),
                Step::Torn => {
                    let length = open.file.get_ref().metadata().map(|found| found.len()).unwrap_or_default();
                    self.interrupted_bytes = length.saturating_sub(open.offset);
                    return Ok(None);
                }
                Step::End if is_last => return Ok(None),
                Step::End => self.open = None,
            }
        }
    }

    /// Opens the next segment and judges its head against what came before.
    fn open_next(&mut self) -> Result<bool, Finding> {
        let Some(first) = self.segments.get(self.next_segment).copied() else { return Ok(false) };
        self.next_segment += 1;
        let path = segment::path(&self.dir, first);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let finding = |fault| Finding { segment: name.clone(), offset: 0, fault };
        let mut file = BufReader::new(File::open(&path).map_err(|error| finding(error.into()))?);
        let mut head = [0; HEAD_BYTES];
        let filled = segment::read_full(&mut file, &mut head).map_err(|error| finding(error.into()))?;
        if filled < HEAD_BYTES && self.next_segment == self.segments.len() {
            // It was being made when the process ended: there is nothing in it.
            self.interrupted_bytes = filled as u64;
            return Ok(false);
        }
        let head =
            Head::decode(&head).filter(|head| head.first == first).ok_or_else(|| finding(Fault::Head))?;
        self.judge(&head).map_err(finding)?;
        if head.anew || self.last.is_none() {
            self.last = Some((first.wrapping_sub(1), head.previous));
        }
        let begins = head.anew || self.owner.is_none();
        self.owner = Some(head.owner);
        self.open = Some(Open { file, name, offset: HEAD_BYTES as u64, begins });
        Ok(true)
    }

    fn judge(&self, head: &Head) -> Result<(), Fault> {
        if head.owner.realm != self.sealer.realm() {
            return Err(Fault::Realm { realm: head.owner.realm });
        }
        if self.owner.is_some_and(|owner| owner != head.owner) {
            return Err(Fault::Mixed { node: head.owner.node, cluster: head.owner.cluster });
        }
        if !head.is_genuine(self.sealer) {
            return Err(Fault::Chain { index: head.first });
        }
        let Some((last, link)) = self.last else { return Ok(()) };
        let expected = last.wrapping_add(1);
        match head.anew {
            true if head.first >= expected => Ok(()),
            false if head.first > expected => Err(Fault::Gap { from: expected, to: head.first - 1 }),
            false if head.first == expected && head.previous == link => Ok(()),
            _ => Err(Fault::Chain { index: head.first }),
        }
    }

    fn take(&mut self, frame: &[u8], stored: [u8; HASH_LEN], bytes: u64) -> Result<(Record, bool), Finding> {
        let open = self.open.as_mut().expect("a frame was read from it");
        let (last, before) = self.last.expect("set when the segment was opened");
        let expected = last.wrapping_add(1);
        let record = records::decode_journal(frame).map_err(|error| open.finding(error.into()))?;
        if record.id.index != expected || link(self.sealer, &before, frame) != stored {
            return Err(open.finding(Fault::Chain { index: expected }));
        }
        open.offset += bytes;
        self.last = Some((expected, stored));
        Ok((record, std::mem::take(&mut open.begins)))
    }
}

impl Open {
    fn finding(&self, fault: Fault) -> Finding {
        Finding { segment: self.name.clone(), offset: self.offset, fault }
    }
}
