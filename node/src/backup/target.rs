//! Where backups go: a folder, or a bucket.

use std::path::PathBuf;

use anyhow::Context as _;
use raft_store::snapshot::SnapshotData;

use super::bucket::{Bucket, SCHEME};
use super::folder::Folder;
use super::manifest::Manifest;
use crate::config;

/// A place for backups. Clones are the same place.
#[derive(Clone, Debug)]
pub enum Target {
    /// On a disk.
    Folder(Folder),
    /// In a store.
    Bucket(Bucket),
}

impl Target {
    /// The target of a node's settings; `None` if it has none.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn of(settings: &config::Backup) -> anyhow::Result<Option<Self>> {
        let Some(address) = &settings.target else { return Ok(None) };
        Ok(Some(if address.starts_with(SCHEME) {
            Self::Bucket(Bucket::open(address, settings.s3.as_ref())?)
        } else {
            Self::Folder(Folder(PathBuf::from(address)))
        }))
    }

    /// Stores a backup: it is there whole or not at all.
    ///
    /// # Errors
    /// The place refuses.
    pub async fn store(
        &self,
        manifest: Manifest,
        snapshot: SnapshotData,
        keyring: std::sync::Arc<[u8]>,
    ) -> anyhow::Result<Manifest> {
        match self {
            Self::Bucket(bucket) => bucket.store(&manifest, &snapshot, &keyring).await.map(|()| manifest),
            Self::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || folder.store(&manifest, &snapshot, &keyring).map(|()| manifest)).await
            }
        }
    }

    /// The manifests of all backups here, oldest first.
    ///
    /// # Errors
    /// The place does not read.
    pub async fn list(&self) -> anyhow::Result<Vec<Manifest>> {
        match self {
            Self::Bucket(bucket) => bucket.list().await,
            Self::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || folder.list()).await
            }
        }
    }

    /// Removes a backup.
    ///
    /// # Errors
    /// The place refuses.
    pub async fn remove(&self, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Bucket(bucket) => bucket.remove(name).await,
            Self::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                blocking(move || folder.remove(&name)).await
            }
        }
    }
}

/// Work for the disk, off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work was interrupted")?
}

/// A backup to read: the folder it lies in, or one it was brought to, which goes with this.
pub struct Fetched {
    /// Where it lies now.
    pub folder: PathBuf,
    _brought: Option<Brought>,
}

/// Removed when dropped.
struct Brought(PathBuf);

impl Drop for Brought {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // it lies where temporary files do
    }
}

/// Finds a backup: a folder, or `s3://bucket/prefix/name`.
///
/// # Errors
/// The store refuses, or its settings are missing.
pub async fn fetch(backup: &str, s3: Option<&config::S3>) -> anyhow::Result<Fetched> {
    if !backup.starts_with(SCHEME) {
        return Ok(Fetched { folder: PathBuf::from(backup), _brought: None });
    }
    let (place, name) = backup.rsplit_once('/').context("the address names no backup")?;
    let folder = std::env::temp_dir().join(format!("keyraft-backup-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
    let brought = Brought(folder.clone());
    Bucket::open(place, s3)?.fetch(name, &folder).await?;
    Ok(Fetched { folder, _brought: Some(brought) })
}
