//! Backups in a folder, one folder each: written beside, synced, then named.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use raft_store::snapshot::SnapshotData;

use super::manifest::{Manifest, PIECE_BYTES};
use super::{KEYRING, MANIFEST, SNAPSHOT};

/// Begins the name of a backup that is being written, or was when its node ended.
const DRAFT: &str = ".draft-";
/// A folder of backups.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// Writes a backup whole; nothing of it is there before all of it is. One of the same name is of the same
    /// entry and the same second, and stays.
    ///
    /// # Errors
    /// The file system refuses; what was begun is removed.
    pub fn store(&self, manifest: &Manifest, snapshot: &SnapshotData, keyring: &[u8]) -> anyhow::Result<()> {
        let at = || format!("the backup cannot be written to {}", self.0.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).with_context(at)?;
        self.sweep().with_context(at)?;
        if self.0.join(&manifest.name).exists() {
            return Ok(());
        }
        let draft = self.0.join(format!("{DRAFT}{}", manifest.name));
        let written = write(&draft, manifest, snapshot, keyring)
            .and_then(|()| fs::rename(&draft, self.0.join(&manifest.name)))
            .and_then(|()| sync(&self.0));
        if written.is_err() {
            let _ = fs::remove_dir_all(&draft); // the next backup sweeps it
        }
        written.with_context(at)
    }

    /// The manifests of all backups here, oldest first; folders that are none are passed over.
    ///
    /// # Errors
    /// The folder does not read.
    pub fn list(&self) -> anyhow::Result<Vec<Manifest>> {
        let at = || format!("cannot list {}", self.0.display());
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(at),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.with_context(at)?.path();
            if let Ok(manifest) = Manifest::read(&path)
                && path.file_name().is_some_and(|name| name == manifest.name.as_str())
            {
                found.push(manifest);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Removes a backup: first it is none any more, then its files go.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        let gone = self.0.join(format!("{DRAFT}{name}"));
        let remove = || -> io::Result<()> {
            fs::rename(self.0.join(name), &gone)?;
            fs::remove_dir_all(&gone)?;
            sync(&self.0)
        };
        remove().with_context(|| format!("the backup {name} cannot be removed from {}", self.0.display()))
    }

    /// Removes drafts whose node ended.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(DRAFT) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

fn write(draft: &Path, manifest: &Manifest, snapshot: &SnapshotData, keyring: &[u8]) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(draft)?;
    let mut to = create(&draft.join(SNAPSHOT))?;
    let mut offset = 0;
    while offset < snapshot.len() {
        let piece = snapshot.read_at(offset, PIECE_BYTES)?;
        to.write_all(&piece)?;
        offset += piece.len() as u64;
    }
    to.sync_all()?;
    let text = serde_json::to_vec_pretty(manifest)?;
    for (name, bytes) in [(KEYRING, keyring), (MANIFEST, &text)] {
        let mut file = create(&draft.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    sync(draft)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
