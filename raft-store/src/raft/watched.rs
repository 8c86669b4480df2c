//! The state machine as openraft sees it, with one listener: what was applied, told after it was.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use futures::stream::{Stream, StreamExt};
use model::id::NodeId;
use openraft::OptionalSend;
use openraft::alias::{SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{EntryResponder, RaftStateMachine};

use crate::types::{EntryId, EntryPayload, Membership, TypeConfig};

/// Hears of everything applied on this node, in order, right after it was published.
pub(crate) trait Listener: Send + Sync + 'static {
    /// Entries up to `last` are applied; these configurations were among them, in order. Voters and
    /// learners, joint configurations united.
    fn applied(&self, last: EntryId, configurations: Vec<BTreeSet<NodeId>>);
}

/// A state machine and its listener.
pub(crate) struct Watched<M> {
    pub machine: M,
    pub listener: Arc<dyn Listener>,
}

/// All nodes of a configuration.
pub(crate) fn nodes(membership: &Membership) -> BTreeSet<NodeId> {
    membership.nodes().map(|(id, _)| NodeId(*id)).collect()
}

impl<M: RaftStateMachine<TypeConfig>> RaftStateMachine<TypeConfig> for Watched<M> {
    type SnapshotData = M::SnapshotData;
    type SnapshotBuilder = M::SnapshotBuilder;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<EntryId>, StoredMembershipOf<TypeConfig>), io::Error> {
        self.machine.applied_state().await
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let (mut last, mut configurations) = (None, Vec::new());
        let noted = entries.inspect(|item| {
            let Ok((entry, _)) = item else { return };
            last = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = &entry.payload {
                configurations.push(nodes(membership));
            }
        });
        self.machine.apply(noted).await?;
        if let Some(last) = last {
            self.listener.applied(last, configurations);
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Self::SnapshotBuilder> {
        self.machine.try_create_snapshot_builder(force).await
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.machine.get_snapshot_builder().await
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: Self::SnapshotData,
    ) -> Result<(), io::Error> {
        self.machine.install_snapshot(meta, snapshot).await?;
        if let Some(last) = meta.last_log_id {
            self.listener.applied(last, vec![nodes(meta.last_membership.membership())]);
        }
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, Self::SnapshotData>>, io::Error> {
        self.machine.get_current_snapshot().await
    }
}
