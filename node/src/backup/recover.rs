//! Recovery from a lost quorum: a survivor's data makes the first node of a new lineage.
//!
//! What the survivor has goes aside whole, and stays there: nobody starts it again, and whoever must know
//! later what it held can look.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use raft_store::offline::Survivor;

use super::heir::{Heir, Terms};
use crate::config::Config;
use crate::server::{DataDir, keyring};

/// The new lineage's data, until it has its name.
const NEXT: &str = "raft.next";

/// What a recovery did.
pub struct Recovered {
    /// The last entry of the survivor's log.
    pub last: u64,
    /// The last entry it knew to be committed.
    pub committed: u64,
    /// Where its old data lies.
    pub aside: PathBuf,
    /// The lineage that began.
    pub heir: Heir,
}

/// Whether a recovery of this data folder was interrupted: it must be ended before the node starts.
#[must_use]
pub fn is_interrupted(data_dir: &Path) -> bool {
    data_dir.join(NEXT).exists()
}

/// Makes the node of a configuration, which must not run, the first of a new lineage. `None`: an earlier
/// attempt had come so far that it only had to be ended.
///
/// # Errors
/// One sentence; the node's data is as it was.
pub async fn recover(config: &Config, terms: &Terms) -> anyhow::Result<Option<Recovered>> {
    let root = &config.node.data_dir;
    if !root.join("keyring").exists() {
        bail!("{} holds no node", root.display());
    }
    let data = DataDir::open(root).await?;
    if let Some(aside) = begun(root)? {
        move_aside(root, &aside)?;
        return Ok(None);
    }
    let sealed = fs::read(data.keyring()).with_context(|| data.keyring().display().to_string())?;
    let identity = raft_store::identity::load(&data.raft())?
        .with_context(|| format!("{} holds no node", root.display()))?;
    if identity.name != config.node.name {
        bail!("the data is of node {:?}, the configuration of {:?}", identity.name, config.node.name);
    }
    let barrier = config.platform_root.barrier.open(&config.roots).await?;
    let keyring = keyring::unseal(&sealed, identity.realm, barrier.as_ref()).await?;
    let Survivor { identity, head, committed } = Survivor::read(&data.raft(), &*keyring)?;
    let mut old = head.nodes();
    old.retain(|id, _| *id != identity.node.0);
    terms.accept(&head, &[], "this node's log ends at")?;
    terms.fencing.judge(&old, config.listen.kmip)?;
    let last = head.index().0;
    let heir = terms.begin(head, &old, config, &keyring, &root.join(NEXT))?;
    let aside = root.join(format!("before-{}", identity.cluster));
    match fs::create_dir(&aside) {
        // A recovery was interrupted before it moved anything there.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_empty(&aside)? => {}
        made => made.with_context(|| aside.display().to_string())?,
    }
    move_aside(root, &aside)?;
    Ok(Some(Recovered { last, committed, aside, heir }))
}

fn is_empty(folder: &Path) -> anyhow::Result<bool> {
    Ok(fs::read_dir(folder).with_context(|| folder.display().to_string())?.next().is_none())
}

/// Where an interrupted recovery was moving the old data to. One that had not begun to move it is undone.
fn begun(root: &Path) -> anyhow::Result<Option<PathBuf>> {
    let next = root.join(NEXT);
    if !next.exists() {
        return Ok(None);
    }
    let moved = |entry: &fs::DirEntry| {
        entry.file_name().to_string_lossy().starts_with("before-") && entry.path().join("raft").exists()
    };
    // The folder `raft` is there again, empty, if a start was tried in between.
    if raft_store::identity::load(&root.join("raft"))?.is_some() {
        fs::remove_dir_all(&next).with_context(|| next.display().to_string())?;
        return Ok(None);
    }
    let mut entries = fs::read_dir(root)?.filter_map(Result::ok);
    let newest = entries
        .by_ref()
        .filter(moved)
        .max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok());
    let found = newest.with_context(|| format!("{} is in no state a recovery leaves", root.display()))?;
    Ok(Some(found.path()))
}

/// Moves the old data aside, what it is first, and gives the new its name last.
fn move_aside(root: &Path, aside: &Path) -> anyhow::Result<()> {
    for name in ["raft", "audit", "journal"] {
        let (from, to) = (root.join(name), aside.join(name));
        if from.exists() && !to.exists() {
            fs::rename(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    let (next, raft) = (root.join(NEXT), root.join("raft"));
    fs::rename(&next, &raft).with_context(|| next.display().to_string())?;
    Ok(fs::File::open(root)?.sync_all()?)
}
