//! Making a backup of a running cluster, from any node of it.

use std::sync::Arc;

use anyhow::Context as _;
use crypto::Keyring;
use raft_store::Store;

use super::manifest::{File, Manifest};
use super::target::Target;

/// Writes a backup that holds everything acknowledged before this call.
///
/// # Errors
/// One sentence: there is no quorum, or the target refuses.
pub async fn make(
    store: &Store,
    keyring: Arc<Keyring>,
    sealed: Arc<[u8]>,
    target: &Target,
) -> anyhow::Result<Manifest> {
    let exported = store.export().await?;
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
