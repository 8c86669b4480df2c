//! Where snapshots lie: one current one, and those being made or received.
//!
//! A snapshot becomes current by one rename after its bytes are synced; the directory is synced after. A
//! reader keeps its file even when a newer one takes the name.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const CURRENT: &str = "current";
const TEMPORARY: &str = ".part";
/// Bytes copied at once.
const COPY_BYTES: usize = 256 * 1024;

/// The place for snapshots, on disk or in memory. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    place: Place,
    /// Held while the current snapshot is compared and replaced.
    turn: Arc<Mutex<()>>,
}

#[derive(Clone, Debug)]
enum Place {
    /// Temporary files are numbered.
    Dir { path: PathBuf, next: Arc<AtomicU64> },
    /// What was not finished is lost at a crash.
    Ram(Arc<Mutex<Option<SnapshotData>>>),
}

impl Default for Place {
    fn default() -> Self {
        Self::Ram(Arc::default())
    }
}

impl Shelf {
    /// Opens a directory and removes what a dead process left half-made.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(TEMPORARY) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { place: Place::Dir { path: path.to_owned(), next: Arc::default() }, turn: Arc::default() })
    }

    /// What a restarted process would find in memory.
    pub(crate) fn after_crash(&self) -> Self {
        let place = match &self.place {
            dir @ Place::Dir { .. } => dir.clone(),
            Place::Ram(current) => Place::Ram(Arc::new(Mutex::new(unpoisoned(current).clone()))),
        };
        Self { place, turn: Arc::default() }
    }

    /// Begins a new snapshot.
    pub(crate) fn create(&self) -> io::Result<SnapshotWriter> {
        match &self.place {
            Place::Ram(_) => Ok(SnapshotWriter { sink: Sink::Ram(Vec::new()) }),
            Place::Dir { path, next } => {
                let name = format!("{}{TEMPORARY}", next.fetch_add(1, Ordering::Relaxed));
                let part = Part(path.join(name));
                let file = OpenOptions::new().read(true).write(true).create_new(true).open(&part.0)?;
                Ok(SnapshotWriter { sink: Sink::File { file, part } })
            }
        }
    }

    /// Makes a finished snapshot the current one, durably, if `replaces` says so about the present one: a
    /// slow build must not replace what was installed meanwhile.
    pub(crate) fn keep(
        &self,
        data: &SnapshotData,
        replaces: impl FnOnce(&SnapshotData) -> bool,
    ) -> io::Result<()> {
        let _turn = unpoisoned(&self.turn);
        if self.current()?.is_some_and(|present| !replaces(&present)) {
            return Ok(());
        }
        match &self.place {
            Place::Ram(current) => *unpoisoned(current) = Some(data.clone()),
            Place::Dir { path, .. } => {
                let part = match self.part_of(data) {
                    Some(part) => part,
                    // It lies elsewhere under its own name: another node's, or what is current here.
                    None => self.copy(data)?,
                };
                std::fs::rename(&part.0, path.join(CURRENT))?;
                mem::forget(part);
                File::open(path)?.sync_all()?;
            }
        }
        Ok(())
    }

    fn part_of(&self, data: &SnapshotData) -> Option<Part> {
        match &*data.0 {
            Source::File { part, .. } => unpoisoned(part).take(),
            Source::Ram(_) => None,
        }
    }

    fn copy(&self, data: &SnapshotData) -> io::Result<Part> {
        let mut writer = self.create()?;
        let mut offset = 0;
        while offset < data.len() {
            let piece = data.read_at(offset, COPY_BYTES)?;
            writer.write(&piece)?;
            offset += piece.len() as u64;
        }
        let copied = writer.finish()?;
        self.part_of(&copied).ok_or_else(|| io::Error::other("a copy has no file of its own"))
    }

    /// The current snapshot, if there is one.
    pub(crate) fn current(&self) -> io::Result<Option<SnapshotData>> {
        match &self.place {
            Place::Ram(current) => Ok(unpoisoned(current).clone()),
            Place::Dir { path, .. } => match File::open(path.join(CURRENT)) {
                Ok(file) => Ok(Some(SnapshotData::file(file, None)?)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary file's name; dropping it removes the file.
#[derive(Debug)]
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a temporary snapshot stays until the next start");
        }
    }
}

/// A finished snapshot, readable at any offset. Clones are cheap.
#[derive(Clone, Debug)]
pub struct SnapshotData(Arc<Source>);

#[derive(Debug)]
enum Source {
    Ram(Vec<u8>),
    File { file: File, len: u64, part: Mutex<Option<Part>> },
}

impl SnapshotData {
    /// A snapshot that lies in a file of its own, of which nothing is known yet.
    ///
    /// # Errors
    /// The file does not open.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::file(File::open(path)?, None)
    }

    fn file(file: File, part: Option<Part>) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self(Arc::new(Source::File { file, len, part: Mutex::new(part) })))
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &*self.0 {
            Source::Ram(bytes) => bytes.len() as u64,
            Source::File { len, .. } => *len,
        }
    }

    /// Whether there is nothing in it, which no finished snapshot is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads at most `max` bytes from `offset`; fewer only at the end.
    ///
    /// # Errors
    /// The file does not read.
    pub fn read_at(&self, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        let rest = self.len().saturating_sub(offset);
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(max);
        match &*self.0 {
            Source::Ram(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes[from..from + wanted].to_vec())
            }
            Source::File { file, .. } => {
                let mut out = vec![0; wanted];
                file.read_exact_at(&mut out, offset)?;
                Ok(out)
            }
        }
    }
}

/// A snapshot being written.
#[derive(Debug)]
pub struct SnapshotWriter {
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Ram(Vec<u8>),
    File { file: File, part: Part },
}

impl SnapshotWriter {
    /// Appends bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Ram(out) => out.extend_from_slice(bytes),
            Sink::File { file, .. } => file.write_all(bytes)?,
        }
        Ok(())
    }

    /// Syncs the bytes. The snapshot is not current yet, and is removed if nobody installs it.
    ///
    /// # Errors
    /// The file cannot be synced.
    pub fn finish(self) -> io::Result<SnapshotData> {
        match self.sink {
            Sink::Ram(out) => Ok(SnapshotData(Arc::new(Source::Ram(out)))),
            Sink::File { file, part } => {
                file.sync_all()?;
                SnapshotData::file(file, Some(part))
            }
        }
    }
}
