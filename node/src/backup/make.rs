//! Making a backup of a running cluster, from any node of it.

use std::sync::Arc;

use anyhow::Context as _;
use crypto::Keyring;
use raft_store::Store;

use super::folder::Folder;
use super::manifest::{File, Manifest};

/// Writes a backup that holds everything acknowledged before this call.
///
/// # Errors
/// One sentence: there is no quorum, or the target refuses.
pub async fn make(
    store: &Store,
    keyring: Arc<Keyring>,
    sealed: Arc<[u8]>,
    target: Folder,
) -> anyhow::Result<Manifest> {
    let exported = store.export().await?;
    let identity = store.identity().clone();
    let write = move || {
        let snapshot = File::of_snapshot(&exported.data).context("the snapshot cannot be read")?;
        let manifest = Manifest::new(&exported, &identity, snapshot, File::of_bytes(&sealed), &*keyring);
        target.store(&manifest, &exported.data, &sealed)?;
        Ok(manifest)
    };
    tokio::task::spawn_blocking(write).await.context("the backup was interrupted")?
}
