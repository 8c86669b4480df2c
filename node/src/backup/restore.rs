//! Restore: a backup and the journals of the old nodes make the first node of a new lineage.
//!
//! Everything is judged first; nothing is written before nothing can be refused any more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use crypto::Keyring;
use raft_store::journal;
use raft_store::offline::{Gap, Head, Replay, Replayed};
use raft_store::types::Member;

use super::heir::{Heir, Terms};
use super::manifest::Manifest;
use super::open::{self, Opened};
use crate::config::Config;
use crate::server::{DataDir, keyring};

/// What a restore did.
pub struct Restored {
    /// The backup it came from.
    pub manifest: Manifest,
    /// What the journals added.
    pub replayed: Replayed,
    /// The last entry in it.
    pub last: u64,
    /// The lineage that began.
    pub heir: Heir,
}

/// Restores a backup into the data folder of a configuration, which must hold no node.
///
/// # Errors
/// One sentence; nothing on disk was changed.
pub async fn restore(
    folder: &Path,
    config: &Config,
    journals: &[PathBuf],
    terms: &Terms,
) -> anyhow::Result<Restored> {
    refuse_unless_fresh(&config.node.data_dir)?;
    let root = config.platform_root.barrier.open(&config.roots).await?;
    let Opened { manifest, contents, keyring, sealed } = open::open(folder, root.as_ref()).await?;
    let mut head = contents.head;
    refuse_other_region(&head, config)?;
    let mut old = head.nodes();
    let replayed = replay(&mut head, &manifest, journals, &keyring)?;
    old.extend(head.nodes());
    accept(terms, &head, &replayed.gaps, journals)?;
    terms.fencing.judge(&old, config.listen.kmip)?;
    let last = head.index().0;
    let heir = write(head, &old, config, terms, &keyring, &sealed).await?;
    Ok(Restored { manifest, replayed, last, heir })
}

fn accept(terms: &Terms, head: &Head, gaps: &[Gap], journals: &[PathBuf]) -> anyhow::Result<()> {
    let why = if journals.is_empty() {
        "no --journal of an old node was given, and the backup ends at"
    } else {
        "the journals end at"
    };
    terms.accept(head, gaps, why)
}

/// A node's data, or what is left of one, is never written over.
fn refuse_unless_fresh(data_dir: &Path) -> anyhow::Result<()> {
    let raft = data_dir.join("raft");
    let filled = std::fs::read_dir(&raft).is_ok_and(|mut entries| entries.next().is_some());
    if filled {
        bail!("{} holds a node: a restore begins on a node that has no data", data_dir.display());
    }
    Ok(())
}

fn refuse_other_region(head: &Head, config: &Config) -> anyhow::Result<()> {
    let region = &head.state.cluster().region;
    if *region != config.node.region {
        let mine = &config.node.region;
        bail!("the backup is of region {region:?}, but node.region is {mine:?}: correct the configuration");
    }
    Ok(())
}

/// Brings the state forward by what the journals hold after it.
fn replay(
    head: &mut Head,
    manifest: &Manifest,
    journals: &[PathBuf],
    keyring: &Keyring,
) -> anyhow::Result<Replayed> {
    let mut replay = Replay::default();
    for folder in journals {
        let mut contradiction = None;
        let owner = journal::read(folder, keyring, head.index().0, |record, _| {
            if let Err(error) = replay.add(record) {
                contradiction.get_or_insert(error);
            }
        });
        let owner = owner.with_context(|| format!("the journal {} is damaged", folder.display()))?;
        let Some((cluster, _)) = owner else { bail!("{} holds no journal", folder.display()) };
        if cluster.to_string() != manifest.cluster_id {
            let backup = &manifest.cluster_id;
            bail!("the journal {} is of cluster {cluster}, the backup of {backup}", folder.display());
        }
        if let Some(error) = contradiction {
            return Err(error).with_context(|| folder.display().to_string());
        }
    }
    Ok(replay.run(head, keyring)?)
}

async fn write(
    head: Head,
    old: &BTreeMap<u64, Member>,
    config: &Config,
    terms: &Terms,
    keyring: &Keyring,
    sealed: &[u8],
) -> anyhow::Result<Heir> {
    let data = DataDir::open(&config.node.data_dir).await?;
    refuse_unless_fresh(&config.node.data_dir)?; // again, now that nobody else writes there
    // The keyring is on disk before the identity: a node with an identity can always unseal.
    keyring::write(&data.keyring(), sealed)?;
    std::fs::remove_dir(data.raft()).with_context(|| data.raft().display().to_string())?;
    terms.begin(head, old, config, keyring, &data.raft())
}
