//! Reads one segment, record by record, in constant memory (but for its summary).
//!
//! It checks what a record says about itself (checksum, hash, encoding); how records fit together is
//! for `walk`.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::finding::{Fault, Finding};
use crate::frame::{HEADER_BYTES, Header};
use crate::record::Record;
use crate::segment::{self, Summary};

/// One open segment and how far it was read.
pub(crate) struct Reader {
    path: PathBuf,
    name: String,
    file: BufReader<File>,
    body: Vec<u8>,
    /// What the segment begins with.
    pub summary: Summary,
    /// Where the next record begins.
    pub offset: u64,
    /// Where the first record begins.
    begins: u64,
}

/// What stands at the current offset.
pub(crate) enum Step {
    /// A record, its hash and its length on disk.
    Record(Record, [u8; 32], u64),
    /// The end of the file, exactly after a record.
    End,
    /// Something else, and why it cannot be read.
    Unreadable(&'static str),
}

impl Reader {
    pub(crate) fn open(dir: &Path, first: u64) -> Result<Self, Finding> {
        let name = segment::name(first);
        let path = dir.join(&name);
        let fail = |fault| Finding { fault, segment: name.clone(), offset: 0, sequence: first };
        let mut file = File::open(&path).map(BufReader::new).map_err(|error| fail(error.into()))?;
        let (summary, offset) = Summary::read(&mut file)
            .map_err(|error| fail(error.into()))?
            .map_err(|bad| fail(Fault::Altered(bad.0)))?;
        if summary.ledger.next_sequence() != first {
            return Err(fail(Fault::Altered("the segment's name and its opening summary differ")));
        }
        Ok(Self { path, name, file, body: Vec::new(), summary, offset, begins: offset })
    }

    /// Reads what stands at the current offset; [`Reader::pass`] moves on.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let mut header = [0; HEADER_BYTES];
        match read_full(&mut self.file, &mut header)? {
            0 => return Ok(Step::End),
            HEADER_BYTES => {}
            _ => return Ok(Step::Unreadable("the file ends inside a record")),
        }
        let Some(header) = Header::parse(&header) else {
            return Ok(Step::Unreadable("the record's header is damaged"));
        };
        self.body.resize(header.body_bytes, 0);
        if read_full(&mut self.file, &mut self.body)? < header.body_bytes {
            return Ok(Step::Unreadable("the file ends inside a record"));
        }
        Ok(match header.open(&self.body) {
            Ok((record, hash)) => Step::Record(record, hash, (HEADER_BYTES + header.body_bytes) as u64),
            Err(why) => Step::Unreadable(why),
        })
    }

    /// Moves on by the length of the record just read.
    pub(crate) fn pass(&mut self, bytes: u64) {
        self.offset += bytes;
    }

    /// Everything from the current offset to the end: at most one segment, and what was made ahead.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.file.seek(SeekFrom::Start(self.offset))?;
        self.file.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// Reads the current offset anew.
    pub(crate) fn again(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.offset)).map(drop)
    }

    pub(crate) fn finding(&self, fault: Fault, sequence: u64) -> Finding {
        Finding { fault, segment: self.name.clone(), offset: self.offset, sequence }
    }

    /// Bytes of the records read so far.
    pub(crate) fn record_bytes(&self) -> u64 {
        self.offset - self.begins
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Fills the buffer as far as the file goes; returns how far.
fn read_full(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
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
