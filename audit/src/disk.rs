//! The four things the audit thread asks of a disk.
//!
//! A trait only because a disk that fails, fills up or hangs cannot be had otherwise: the tests bring
//! their own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::ahead::Segment;

/// Appends to one segment at a time.
pub(crate) trait Disk: Send + 'static {
    /// Begins a new segment; when it returns, the segment and its summary are durable, and the one before
    /// ends with its last record.
    fn begin(&mut self, name: &str, summary: &[u8]) -> io::Result<()>;
    /// Appends to the current segment. After an error the segment's end is undefined.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything appended durable. After an error nothing is known, and it must not be retried:
    /// the kernel may have dropped the pages.
    fn sync(&mut self) -> io::Result<()>;
    /// Ends the current segment with its last record.
    fn end(&mut self) -> io::Result<()>;
}

/// Suffix of a segment whose summary is not durable yet.
pub(crate) const UNFINISHED: &str = ".new";

/// A folder of segments.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    /// Bytes of records a segment is meant for.
    segment_bytes: u64,
    current: Option<Segment>,
    /// Held while the log is open.
    _lock: File,
}

impl Folder {
    pub(crate) fn new(dir: &Path, segment_bytes: u64, lock: File) -> Self {
        Self { dir: dir.to_owned(), segment_bytes, current: None, _lock: lock }
    }

    /// Goes on with an existing segment, cut to `length` bytes; durable when it returns.
    pub(crate) fn resume(&mut self, path: &Path, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() != length {
            file.set_len(length)?;
        }
        file.sync_all()?;
        self.current = Some(Segment::new(file, path, self.segment_bytes)?);
        Ok(())
    }

    fn current(&mut self) -> &mut Segment {
        self.current.as_mut().expect("a log begins or resumes a segment before it appends")
    }
}

impl Disk for Folder {
    fn begin(&mut self, name: &str, summary: &[u8]) -> io::Result<()> {
        self.end()?;
        let path = self.dir.join(name);
        let unfinished = self.dir.join([name, UNFINISHED].concat());
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(summary)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(&self.dir)?.sync_all()?;
        self.current = Some(Segment::new(file, &path, self.segment_bytes)?);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.current().append(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.current().sync()
    }

    fn end(&mut self) -> io::Result<()> {
        self.current.take().map_or(Ok(()), Segment::end)
    }
}
