//! The disk of a node that does not run: what it held, to the last entry of its log.

use std::path::Path;

use model::sealer::Sealer;
use openraft::storage::RaftLogReader;

use super::{Head, OfflineError, Replay};
use crate::identity::{self, Identity};
use crate::journal::Record;
use crate::machine::load::{self, Loaded};
use crate::production::DATABASE;
use crate::storage::{Options, RocksDisk, Storage, StoreError};

/// A node's data.
#[derive(Clone, Debug)]
pub struct Survivor {
    /// Who it was.
    pub identity: Identity,
    /// Its state after the last entry of its log.
    pub head: Head,
    /// The last entry it knew to be committed.
    pub committed: u64,
}

impl Survivor {
    /// Reads a node's data, every row and every entry of it checked. Entries that were not known to be
    /// committed are applied too: each may have been acknowledged, and none was acknowledged that no
    /// survivor has.
    ///
    /// # Errors
    /// [`OfflineError`]: it is no node's, or damaged.
    pub fn read(dir: &Path, sealer: &dyn Sealer) -> Result<Self, OfflineError> {
        let identity = identity::load(dir)?.ok_or_else(|| OfflineError::NoNode(dir.to_owned()))?;
        let storage = Storage::<RocksDisk>::open(&dir.join(DATABASE), Options::default())?;
        let Loaded { applied, state, .. } = load::load(storage.disk(), sealer, "")?;
        let mut head = Head { state, last: applied.last, members: applied.members };
        let committed = storage.committed().unwrap_or_default().max(head.index().0);
        let from = head.last.map_or(0, |id| id.index + 1);
        let mut log = storage.log_store();
        let entries = futures::executor::block_on(log.try_get_log_entries(from..));
        let mut replay = Replay::default();
        for entry in entries.map_err(|_| StoreError::Hole { index: from })? {
            replay.add(Record::of_entry(entry)).map_err(unreadable)?;
        }
        let replayed = replay.run(&mut head, sealer).map_err(unreadable)?;
        if let Some(gap) = replayed.gaps.first() {
            return Err(StoreError::Hole { index: gap.from }.into());
        }
        Ok(Self { identity, head, committed })
    }
}

fn unreadable(bad: super::BadReplay) -> OfflineError {
    StoreError::State { why: bad.to_string() }.into()
}
