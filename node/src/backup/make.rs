//! Making a backup of a running cluster, from any node of it.

use std::sync::Arc;

use anyhow::Context as _;
use raft_store::Store;

use super::manifest::{File, Manifest};
use super::target::Target;
use crate::server::keyring::Kept;

/// Writes a backup that holds everything acknowledged before this call.
///
/// # Errors
/// One sentence: there is no quorum, or the target refuses.
pub async fn make(store: &Store, kept: &Kept, target: &Target) -> anyhow::Result<Manifest> {
    let exported = store.export().await?;
    // Only now: whatever term the snapshot was sealed under, the keyring on disk has it.
    let (keyring, sealed) = (kept.keyring(), Arc::<[u8]>::from(kept.sealed().as_slice()));
    let identity = store.identity().clone();
    let keyring_file = File::of_bytes(&sealed);
    let describe = move || {
        let snapshot = File::of_snapshot(&exported.data).context("the snapshot cannot be read")?;
        let manifest = Manifest::new(&exported, &identity, snapshot, keyring_file, &*keyring);
        anyhow::Ok((manifest, exported.data))
    };
    let described = tokio::task::spawn_blocking(describe).await.context("the backup was interrupted")?;
    let (manifest, snapshot) = described?;
    target.store(manifest, snapshot, sealed).await
}
