//! Checking a backup, offline: what anybody can check, and what the keyring tells besides.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use crypto::Keyring;
use keystore::RootKeystore;
use model::id::Realm;
use raft_store::offline::Contents;
use raft_store::snapshot::SnapshotData;

use super::manifest::{File, Manifest};
use super::{KEYRING, SNAPSHOT};
use crate::server::keyring;

/// A backup, every byte of it checked.
pub struct Opened {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it holds.
    pub contents: Contents,
    /// Its keyring, unsealed.
    pub keyring: Arc<Keyring>,
    /// Its keyring as it lies there.
    pub sealed: Vec<u8>,
}

/// Checks that the files are those the manifest describes. Needs no key, and so cannot tell whether the
/// whole backup was made up.
///
/// # Errors
/// One sentence that names the file and what is wrong.
pub fn check_files(folder: &Path) -> anyhow::Result<Manifest> {
    let manifest = Manifest::read(folder)?;
    let (path, data) = snapshot(folder)?;
    let found = File::of_snapshot(&data).with_context(|| path.display().to_string())?;
    compare(&path, &manifest.snapshot, &found)?;
    let path = folder.join(KEYRING);
    let sealed = std::fs::read(&path).with_context(|| path.display().to_string())?;
    compare(&path, &manifest.keyring, &File::of_bytes(&sealed))?;
    Ok(manifest)
}

fn snapshot(folder: &Path) -> anyhow::Result<(std::path::PathBuf, SnapshotData)> {
    let path = folder.join(SNAPSHOT);
    let data = SnapshotData::open(&path).with_context(|| path.display().to_string())?;
    Ok((path, data))
}

fn compare(path: &Path, expected: &File, found: &File) -> anyhow::Result<()> {
    if expected.bytes != found.bytes {
        let (found, expected) = (found.bytes, expected.bytes);
        bail!("{} has {found} bytes, its manifest says {expected}: take another backup", path.display());
    }
    if expected.sha256 != found.sha256 {
        bail!("{} does not have the checksum its manifest says: take another backup", path.display());
    }
    Ok(())
}

/// Opens a backup with the platform root that wraps its keyring: every chunk, every row, the seal of the
/// manifest, and that the rows make the state the manifest describes.
///
/// # Errors
/// One sentence that says what is wrong.
pub async fn open(folder: &Path, root: &dyn RootKeystore) -> anyhow::Result<Opened> {
    let manifest = check_files(folder)?;
    let realm: Realm = manifest.realm.parse().context("the manifest names no realm")?;
    let sealed = std::fs::read(folder.join(KEYRING))?;
    let keyring = keyring::unseal(&sealed, realm, root).await?;
    if manifest.seal != manifest.expected_seal(&*keyring) {
        bail!("the manifest was altered, or made by somebody without the keyring: take another backup");
    }
    let (path, data) = snapshot(folder)?;
    let contents = Contents::read(&data, &*keyring).with_context(|| path.display().to_string())?;
    let digest = data_encoding::HEXLOWER.encode(&contents.digest.sum);
    if (contents.digest.rows, &digest) != (manifest.rows, &manifest.set_hash) {
        bail!("the snapshot holds other rows than the manifest says: take another backup");
    }
    if contents.head.index().0 != manifest.last.index {
        bail!("the snapshot ends at another entry than the manifest says: take another backup");
    }
    Ok(Opened { manifest, contents, keyring, sealed })
}
