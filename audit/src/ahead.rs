//! A segment whose space is made ahead, so that a commit writes its records and nothing else.
//!
//! A file that grows has its length and its extents written, through the file system's journal, at every
//! sync: two or three writes where one would do, and most of a commit's time. So a segment is filled with
//! zeros some way ahead; a commit then overwrites whole blocks of them, past the page cache where the file
//! system allows it, with one write that returns when it is durable.
//!
//! The block that a commit ends in is written again by the next: its beginning with the same bytes.
//!
//! Invariants: behind the last record of an open segment there are zeros only, but for an interrupted write;
//! a segment that was ended has none.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags, pwritev2};

/// What is written past the page cache begins and ends at multiples of this: pages, and no disk has larger
/// blocks.
const BLOCK_BYTES: usize = 4096;

/// How far ahead space is made: a few thousand requests. Making it takes as long as ten commits.
const AHEAD_BYTES: u64 = 4 << 20;

/// Zeros written at once: enough to be cheap, few enough to keep the memory.
const ZEROS_BYTES: usize = 256 << 10;

/// Room for a commit to begin with: 64 requests of two records.
const STAGED_BYTES: usize = 64 << 10;

/// The open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    /// The same, past the page cache; `None` where the file system does not have that.
    direct: Option<File>,
    /// From the beginning of the block in which the durable records end.
    staged: Blocks,
    /// Offset of `staged` in the file.
    begins: u64,
    /// Length of the durable records, and the summary.
    durable: u64,
    /// Length of the file.
    made: u64,
    ahead_bytes: u64,
}

impl Segment {
    /// Goes on after the last byte of a file that is durable.
    pub(crate) fn new(file: File, path: &Path, segment_bytes: u64) -> io::Result<Self> {
        let durable = file.metadata()?.len();
        let begins = durable - durable % BLOCK_BYTES as u64;
        let mut last = vec![0; usize::try_from(durable - begins).expect("less than a block")];
        file.read_exact_at(&mut last, begins)?;
        let mut staged = Blocks::new(STAGED_BYTES);
        staged.push(&last);
        let flags = OFlags::DIRECT.bits().cast_signed();
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(path).ok();
        let ahead_bytes = AHEAD_BYTES.min(segment_bytes);
        Ok(Self { file, direct, staged, begins, durable, made: durable, ahead_bytes })
    }

    /// Adds bytes to the next commit.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.staged.push(bytes);
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let end = self.begins + self.staged.len() as u64;
        if block_end(end) > self.made {
            self.make_ahead(block_end(end))?;
        }
        match &self.direct {
            Some(direct) => write_through(direct, self.staged.padded(), self.begins)?,
            None => {
                self.file.write_all_at(self.staged.padded(), self.begins)?;
                self.file.sync_data()?;
            }
        }
        self.durable = end;
        self.begins += self.staged.keep_last_block() as u64;
        Ok(())
    }

    /// Cuts off what was made ahead.
    pub(crate) fn end(self) -> io::Result<()> {
        self.file.set_len(self.durable)?;
        self.file.sync_all()
    }

    /// Fills the file with zeros up to `needed` and some way beyond; durable when it returns.
    fn make_ahead(&mut self, needed: u64) -> io::Result<()> {
        let until = block_end(needed + self.ahead_bytes);
        // The rest of the last block, so that what follows is whole blocks.
        self.made = block_end(self.made);
        self.file.set_len(self.made)?;
        let mut zeros = Blocks::new(ZEROS_BYTES);
        zeros.length = ZEROS_BYTES;
        while self.made < until {
            let bytes = usize::try_from(until - self.made).unwrap_or(usize::MAX).min(ZEROS_BYTES);
            self.write_zeros(&zeros.padded()[..bytes])?;
            self.made += bytes as u64;
        }
        self.file.sync_all()
    }

    /// The first attempt at a file also tells whether it can be written past the page cache.
    fn write_zeros(&mut self, zeros: &[u8]) -> io::Result<()> {
        if let Some(direct) = &self.direct {
            match direct.write_all_at(zeros, self.made) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                outcome => return outcome,
            }
        }
        self.file.write_all_at(zeros, self.made)
    }
}

/// The end of the block that ends at or contains the end of `bytes`.
const fn block_end(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES as u64)
}

/// Writes whole blocks and returns when they are durable.
fn write_through(file: &File, mut blocks: &[u8], mut offset: u64) -> io::Result<()> {
    while !blocks.is_empty() {
        match pwritev2(file, &[IoSlice::new(blocks)], offset, ReadWriteFlags::DSYNC) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                blocks = &blocks[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Bytes that begin at a block's boundary in memory, as writing past the page cache demands.
#[derive(Debug)]
struct Blocks {
    memory: Vec<u8>,
    /// Where in `memory` the first block begins.
    first: usize,
    length: usize,
}

impl Blocks {
    fn new(capacity: usize) -> Self {
        let memory = vec![0; capacity + BLOCK_BYTES];
        let first = memory.as_ptr().align_offset(BLOCK_BYTES);
        Self { memory, first, length: 0 }
    }

    fn len(&self) -> usize {
        self.length
    }

    fn push(&mut self, bytes: &[u8]) {
        let length = self.length + bytes.len();
        if self.first + length.next_multiple_of(BLOCK_BYTES) > self.memory.len() {
            let mut larger = Self::new(length.next_power_of_two());
            larger.push(&self.memory[self.first..self.first + self.length]);
            *self = larger;
        }
        self.memory[self.first + self.length..self.first + length].copy_from_slice(bytes);
        self.length = length;
    }

    /// All bytes, and zeros to the end of the last block.
    fn padded(&mut self) -> &[u8] {
        let padded = self.length.next_multiple_of(BLOCK_BYTES);
        let blocks = &mut self.memory[self.first..self.first + padded];
        blocks[self.length..].fill(0);
        blocks
    }

    /// Forgets all whole blocks; says how many bytes they had.
    fn keep_last_block(&mut self) -> usize {
        let whole = self.length - self.length % BLOCK_BYTES;
        self.memory.copy_within(self.first + whole..self.first + self.length, self.first);
        self.length -= whole;
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends in pieces, each with its own sync, and looks at the file after each.
    fn check(pieces: &[usize], direct: bool) {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("segment");
        std::fs::write(&path, b"summary").unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut segment = Segment::new(file, &path, 64 << 10).unwrap();
        segment.direct = segment.direct.filter(|_| direct);
        let mut expected = b"summary".to_vec();
        for (n, bytes) in (1..).zip(pieces) {
            let piece = vec![n; *bytes];
            segment.append(&piece);
            segment.sync().unwrap();
            expected.extend(piece);
            let found = std::fs::read(&path).unwrap();
            assert_eq!(found.len() % BLOCK_BYTES, 0);
            assert!(found.starts_with(&expected), "after piece {n}");
            assert!(found[expected.len()..].iter().all(|byte| *byte == 0), "behind piece {n}");
        }
        segment.end().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
    }

    #[test]
    fn every_commit_stands_behind_the_last_and_before_zeros() {
        for direct in [false, true] {
            check(&[1, 2, 4086, 1, 4095, 4096, 4097, 100_000, 1, 300_000, 7], direct);
            check(&[4096 - 7, 8192, 1], direct);
            check(&[], direct);
        }
    }
}
