//! A state and the entry it stands at, in memory.

use std::collections::{BTreeMap, BTreeSet};

use model::id::{LogIndex, NodeId};
use model::lineage::NewLineage;
use model::sealer::Sealer;
use model::state::State;
use openraft::StoredMembership;

use super::OfflineError;
use crate::codec::records::Table;
use crate::danger::{self, Bug};
use crate::machine::rows;
use crate::machine::sums::Sums;
use crate::snapshot::reader::Reader;
use crate::snapshot::{BadSnapshot, SnapshotData};
use crate::types::{EntryId, Member, Members, Membership, entry_id, members_by_id};

/// The state after one entry of the log.
#[derive(Clone, Debug)]
pub struct Head {
    /// The state.
    pub state: State,
    /// The last entry in it; `None` before the first.
    pub last: Option<EntryId>,
    /// The last membership in it.
    pub members: Members,
}

/// What a snapshot holds, every byte of it checked.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The state it makes.
    pub head: Head,
    /// Number of rows and keyed hash of all of them: equal on every node that applied the same entries.
    pub digest: Table,
    /// Rows by the number of their table.
    pub tables: BTreeMap<u8, u64>,
}

impl Contents {
    /// Reads a snapshot to its end.
    ///
    /// # Errors
    /// [`OfflineError::Snapshot`] says what is wrong with it, [`OfflineError::State`] that its rows do not
    /// belong together.
    pub fn read(data: &SnapshotData, sealer: &dyn Sealer) -> Result<Self, OfflineError> {
        let mut reader = Reader::open(data, sealer)?;
        let (mut sums, mut tables, mut all) = (Sums::default(), BTreeMap::new(), Vec::new());
        while let Some(chunk) = reader.chunk()? {
            for (key, row) in &chunk {
                let (table, hash) = rows::hash_of(sealer, key, row)?;
                sums.add(table, &hash);
                *tables.entry(key.table()).or_insert(0) += 1;
            }
            all.extend(chunk);
        }
        let head = Head {
            state: State::from_rows(all)?,
            last: reader.meta.last_log_id,
            members: reader.meta.last_membership.clone(),
        };
        Ok(Self { head, digest: sums.total, tables })
    }
}

impl From<crate::codec::BadBytes> for OfflineError {
    fn from(bad: crate::codec::BadBytes) -> Self {
        Self::Snapshot(BadSnapshot::Content(bad))
    }
}

impl Head {
    /// Index of the last entry.
    #[must_use]
    pub fn index(&self) -> LogIndex {
        LogIndex(self.last.map_or(0, |id| id.index))
    }

    /// Voters and learners by node id.
    #[must_use]
    pub fn nodes(&self) -> BTreeMap<u64, Member> {
        members_by_id(&self.members)
    }

    /// Ids of the voters.
    #[must_use]
    pub fn voters(&self) -> BTreeSet<u64> {
        self.members.membership().voter_ids().collect()
    }

    /// Begins a new lineage of which `member` is the first node and only voter; returns its id.
    ///
    /// # Errors
    /// [`OfflineError::NoRoom`]
    pub fn begin_lineage(
        &mut self,
        attempt: [u8; 16],
        member: Member,
        quarantine: bool,
    ) -> Result<NodeId, OfflineError> {
        let new = NewLineage { attempt, name: member.name.clone(), quarantine };
        let node = match danger::has(Bug::RestoreWithoutFloors) {
            true => NodeId(self.index().0 + 1),
            false => self.state.begin_lineage(self.index(), new).ok_or(OfflineError::NoRoom)?,
        };
        // A term of its own: no entry of the old lineage can look like one of the new.
        let term = self.last.map_or(0, |id| id.leader_id.term).checked_add(1).ok_or(OfflineError::NoRoom)?;
        let last = entry_id(term, node.0, node.0);
        let voters = vec![BTreeSet::from([node.0])];
        let membership = Membership::new(voters, BTreeMap::from([(node.0, member)]));
        let membership = membership.expect("one voter that is a node makes a membership");
        self.last = Some(last);
        self.members = StoredMembership::new(Some(last), membership);
        Ok(node)
    }
}
