//! Writing the first node of a new lineage: whole, beside, and then named.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use model::id::LogIndex;
use model::sealer::Sealer;

use super::{Head, OfflineError};
use crate::codec::records::Applied;
use crate::identity::{self, Identity};
use crate::machine::sums::Sums;
use crate::machine::{keep, load, rows};
use crate::production::DATABASE;
use crate::snapshot::{BadSnapshot, writer};
use crate::storage::disk::{Batch, Disk};
use crate::storage::{Options, RocksDisk, Storage};
use crate::types::SnapshotMeta;

/// Rows written at once.
const BATCH_ROWS: usize = 1_024;

/// Writes a node's data folder that holds `head` and nothing else, under the name it will have; nothing
/// must be there. A crash leaves all of it or none under that name.
///
/// # Errors
/// [`OfflineError`]: something is there, or the disk refuses.
pub fn found(dir: &Path, identity: &Identity, head: &Head, sealer: &dyn Sealer) -> Result<(), OfflineError> {
    if dir.exists() {
        return Err(OfflineError::Exists(dir.to_owned()));
    }
    let draft = dir.with_extension("new");
    let at = |source| OfflineError::Io { path: draft.clone(), source };
    if draft.exists() {
        // An earlier attempt that did not end: nothing ever ran on it.
        fs::remove_dir_all(&draft).map_err(at)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(&draft).map_err(at)?;
    let storage = Storage::<RocksDisk>::open(&draft.join(DATABASE), Options::default())?;
    futures::executor::block_on(found_on(&storage, head, sealer))?;
    drop(storage);
    identity::write(&draft, identity)?;
    name(&draft, dir).map_err(at)
}

fn name(draft: &Path, dir: &Path) -> io::Result<()> {
    File::open(draft)?.sync_all()?;
    fs::rename(draft, dir)?;
    File::open(dir.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Writes `head` to an empty disk of any kind; durable once this returns.
///
/// # Errors
/// [`OfflineError`]: the disk refuses.
pub async fn found_on<D: Disk>(
    storage: &Storage<D>,
    head: &Head,
    sealer: &dyn Sealer,
) -> Result<(), OfflineError> {
    let mut batch = write_rows(storage, head, sealer)?;
    if let Some(last) = head.last {
        storage.put_beginning(&mut batch, last)?;
    }
    storage.write_durably(batch).await?;
    let meta = SnapshotMeta { last_log_id: head.last, last_membership: head.members.clone() };
    let shelf = storage.disk().shelf();
    let file = shelf.create().map_err(BadSnapshot::from)?;
    let data = writer::write(file, sealer, &meta, &head.state)?;
    Ok(keep(shelf, &data, &meta)?)
}

/// Returns what makes the rows count: to be written last.
fn write_rows<D: Disk>(
    storage: &Storage<D>,
    head: &Head,
    sealer: &dyn Sealer,
) -> Result<Batch, OfflineError> {
    let applied = Applied { generation: 0, last: head.last, members: head.members.clone() };
    let mut sums = Sums::default();
    let revision = LogIndex(head.index().0);
    let mut rest = head.state.rows().peekable();
    while rest.peek().is_some() {
        let changed = rest.by_ref().take(BATCH_ROWS).map(|(key, row)| (key, (revision, Some(row)))).collect();
        let mut batch = Batch::default();
        rows::write(&mut batch, storage.disk(), sealer, applied.generation, &mut sums, &changed)?;
        storage.write(batch)?;
    }
    let mut batch = Batch::default();
    load::put_applied(&mut batch, sealer, &applied, &sums.total)?;
    Ok(batch)
}
