//! A snapshot for people: written like Raft's own, and not kept among them.

use std::sync::Arc;

use model::sealer::Sealer;
use model::state::State;

use super::{Machine, slowly};
use crate::codec::records::Table;
use crate::snapshot::{BadSnapshot, SnapshotData, writer};
use crate::storage::disk::{Batch, Disk};
use crate::storage::{Storage, StoreError};
use crate::types::SnapshotMeta;

/// One frozen moment of a machine, not written yet.
pub(crate) struct Exporter<D: Disk> {
    storage: Arc<Storage<D>>,
    sealer: Arc<dyn Sealer>,
    meta: SnapshotMeta,
    state: State,
    digest: Table,
}

/// A snapshot that nobody keeps: its file goes with it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The snapshot, sealed.
    pub data: SnapshotData,
    /// What it covers.
    pub meta: SnapshotMeta,
    /// The state in it.
    pub state: State,
    /// Number of rows and keyed hash of all of them.
    pub digest: Table,
}

impl<D: Disk> Machine<D> {
    /// Freezes this moment; costs nothing.
    pub(crate) fn exporter(&self) -> Exporter<D> {
        Exporter {
            storage: Arc::clone(&self.storage),
            sealer: Arc::clone(&self.sealer),
            meta: SnapshotMeta {
                last_log_id: self.applied.last,
                last_membership: self.applied.members.clone(),
            },
            state: self.state.clone(),
            digest: self.digest(),
        }
    }
}

impl<D: Disk> Exporter<D> {
    /// Writes it, on a thread for that; what it covers is synced first.
    pub(crate) async fn write(self) -> Result<Exported, StoreError> {
        self.storage.write_durably(Batch::default()).await?;
        let Self { storage, sealer, meta, state, digest } = self;
        let write = move || -> Result<Exported, BadSnapshot> {
            let file = storage.disk().shelf().create()?;
            let data = writer::write(file, &*sealer, &meta, &state)?;
            Ok(Exported { data, meta, state, digest })
        };
        Ok(slowly::<D, _>(write).await?)
    }
}
