//! Walks a log from a segment to its end and checks every step: the one reader behind opening,
//! verifying and exporting.
//!
//! Memory is bounded by the number of chains and one buffer, whatever the length of the log. The first
//! fault ends the walk.

use std::path::{Path, PathBuf};

use model::id::{BootId, ClusterId, NodeId};

use crate::entry::Kind;
use crate::finding::{Fault, Finding};
use crate::frame;
use crate::ledger::Ledger;
use crate::reader::{Reader, Step};
use crate::record::Record;
use crate::segment;
use crate::tail::{self, Tail};

/// Who wrote: lineage, node and process start.
pub(crate) type Author = (ClusterId, NodeId, BootId);

/// Where a segment is to be gone on with.
pub(crate) struct Position {
    pub path: PathBuf,
    /// Where the next record belongs; the segment is sound up to here.
    pub offset: u64,
    /// Bytes of the records before.
    pub record_bytes: u64,
}

/// A position in a log, and the ledger up to it.
pub(crate) struct Walk {
    dir: PathBuf,
    /// First sequences of the segments after the current one, the next one last.
    ahead: Vec<u64>,
    reader: Reader,
    author: Option<Author>,
    /// The current group commit; a segment begins with a new one.
    batch_first: Option<u64>,
    /// The state after the last record walked over.
    pub ledger: Ledger,
    /// Segments walked into so far.
    pub segments: u64,
}

impl Walk {
    /// Begins at the segment that holds record `from`, or at the first one there is after it. `None`: the
    /// folder holds no segment.
    pub(crate) fn begin(dir: &Path, from: u64) -> Result<Option<Self>, Finding> {
        let mut ahead = segment::list(dir).map_err(|error| folder_finding(error.into(), from))?;
        ahead.reverse();
        let holds = ahead.iter().position(|first| *first <= from);
        ahead.truncate(holds.map_or(ahead.len(), |at| at + 1));
        let Some(first) = ahead.pop() else { return Ok(None) };
        let reader = Reader::open(dir, first)?;
        let ledger = reader.summary.ledger.clone();
        let (author, batch_first) = (None, None);
        Ok(Some(Self { dir: dir.to_owned(), ahead, reader, author, batch_first, ledger, segments: 1 }))
    }

    /// The next record, or `None` at a lawful end of the log.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Finding> {
        loop {
            match self.reader.step().map_err(|error| self.finding(error.into()))? {
                Step::Record(record, hash, bytes) => {
                    self.admit(&record, hash).map_err(|fault| self.finding(fault))?;
                    self.reader.pass(bytes);
                    return Ok(Some(record));
                }
                Step::Unreadable(why) => {
                    if self.ends(why)? {
                        return Ok(None);
                    }
                    self.reader.again().map_err(|error| self.finding(error.into()))?;
                }
                Step::End => match self.ahead.pop() {
                    Some(first) => self.enter(first)?,
                    None => return Ok(None),
                },
            }
        }
    }

    /// The last author seen; before any record, whoever began the segment.
    pub(crate) fn author(&self) -> Author {
        let summary = &self.reader.summary;
        self.author.unwrap_or((summary.cluster, summary.node, summary.boot))
    }

    /// Where the walk stands: the segment to resume after the last lawful record.
    pub(crate) fn position(&self) -> Position {
        Position {
            path: self.reader.path().to_owned(),
            offset: self.reader.offset,
            record_bytes: self.reader.record_bytes(),
        }
    }

    pub(crate) fn finding(&self, fault: Fault) -> Finding {
        self.reader.finding(fault, self.ledger.next_sequence())
    }

    fn admit(&mut self, record: &Record, hash: [u8; 32]) -> Result<(), Fault> {
        self.check_author(record)?;
        self.ledger.check(record)?;
        self.check_commit(record)?;
        self.ledger.advance(record.tenant, hash);
        self.author = Some(author_of(record));
        self.batch_first = Some(record.place.batch_first);
        Ok(())
    }

    /// A boot record names a new process start; every other record belongs to the current one.
    fn check_author(&self, record: &Record) -> Result<(), Fault> {
        let new = author_of(record);
        let lawful = match (record.kind, self.author) {
            (Kind::Boot, None) => record.tenant.is_none(),
            (Kind::Boot, Some(old)) => record.tenant.is_none() && may_follow(old, new),
            (_, None) => record.place.sequence > 1 && new == self.author(),
            (_, Some(old)) => new == old,
        };
        if lawful { Ok(()) } else { Err(Fault::Altered("the record does not belong to the boot before it")) }
    }

    /// A record belongs to the group commit of the record before, or begins one.
    fn check_commit(&self, record: &Record) -> Result<(), Fault> {
        let named = record.place.batch_first;
        if named == record.place.sequence || Some(named) == self.batch_first {
            return Ok(());
        }
        Err(Fault::Altered("the record names an impossible group commit"))
    }

    fn enter(&mut self, first: u64) -> Result<(), Finding> {
        let reader = Reader::open(&self.dir, first)?;
        if reader.summary.ledger != self.ledger {
            let expected = self.ledger.next_sequence();
            let fault = if first > expected {
                Fault::Gap { expected, found: first }
            } else {
                Fault::Altered("the segment's opening summary does not match the records before it")
            };
            return Err(reader.finding(fault, expected));
        }
        self.reader = reader;
        self.batch_first = None;
        self.segments += 1;
        Ok(())
    }

    /// Whether the log ends before what cannot be read. Only the last segment may be torn, or have space that
    /// no record has used yet. `false`: it can be read now, for the log is being written.
    fn ends(&mut self, why: &'static str) -> Result<bool, Finding> {
        if !self.ahead.is_empty() {
            return Err(self.finding(Fault::Altered(why)));
        }
        let expected = self.ledger.next_sequence();
        let rest = self.reader.rest().map_err(|error| self.finding(error.into()))?;
        if frame::read(&rest).is_some() {
            return Ok(false);
        }
        match tail::judge(&rest, self.reader.offset, expected) {
            Tail::Unused => Ok(true),
            Tail::Torn => Err(self.finding(Fault::Truncated("the last group commit was interrupted"))),
            Tail::Damaged => Err(self.finding(Fault::Altered(why))),
        }
    }
}

/// Whether a process start may continue a log: the same node later in the same lineage, or a new lineage
/// (after a restore or recovery node numbers may change).
pub(crate) fn may_follow(old: Author, new: Author) -> bool {
    old.0 != new.0 || (old.1 == new.1 && old.2 < new.2)
}

/// A finding about the folder as a whole.
pub(crate) fn folder_finding(fault: Fault, sequence: u64) -> Finding {
    Finding { fault, segment: "the folder".to_owned(), offset: 0, sequence }
}

fn author_of(record: &Record) -> Author {
    (record.place.cluster, record.place.node, record.place.boot)
}
