//! Installing a snapshot: written beside the living rows, checked whole, switched by one synced batch.
//!
//! Until the switch the old state serves and survives any crash; what a crash leaves of the new one is
//! removed at the next open.

use std::sync::Arc;

use model::id::LogIndex;
use model::row::{Row, RowKey};
use model::sealer::Sealer;
use model::state::{Effect, State};

use super::r#gen::Gen;
use super::rows::{self, Changed};
use super::sums::Sums;
use super::{Machine, keep, load, slowly};
use crate::codec::records::Applied;
use crate::snapshot::reader::Reader;
use crate::snapshot::{BadSnapshot, SnapshotData};
use crate::storage::disk::{Batch, Disk};
use crate::storage::{Storage, StoreError};
use crate::types::SnapshotMeta;

impl<D: Disk> Machine<D> {
    /// Replaces the state by a snapshot's. Refuses it whole, with the old state intact, if anything in it
    /// is wrong.
    pub(super) async fn install(
        &mut self,
        meta: &SnapshotMeta,
        data: SnapshotData,
    ) -> Result<(), StoreError> {
        let applied = Applied {
            generation: self.applied.generation + 1,
            last: meta.last_log_id,
            members: meta.last_membership.clone(),
        };
        let beside = Beside {
            storage: Arc::clone(&self.storage),
            sealer: Arc::clone(&self.sealer),
            meta: meta.clone(),
            data,
            living: self.applied.generation,
        };
        let (state, sums) = slowly::<D, _>(move || beside.write()).await?;
        super::check_format(&state, self.format)?;
        self.switch(applied, state, sums).await
    }

    async fn switch(&mut self, applied: Applied, state: State, sums: Sums) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        load::put_applied(&mut batch, &*self.sealer, &applied, &sums.total)?;
        if let Some(last) = applied.last {
            self.storage.put_committed(&mut batch, last)?;
        }
        self.storage.write_durably(batch).await?;
        let effects: Vec<Effect> =
            self.state.tenants().map(|tenant| Effect::PurgeTenant(tenant.handle)).collect();
        (self.applied, self.state, self.sums) = (applied, state, sums);
        let index = super::index_of(self.applied.last);
        self.publisher.publish(Gen { index, state: self.state.clone() }, &effects);
        let mut batch = Batch::default();
        load::drop_others(&mut batch, self.applied.generation);
        self.storage.write(batch)
    }
}

/// What writing the new rows beside the old ones needs; it runs on a thread of its own.
struct Beside<D: Disk> {
    storage: Arc<Storage<D>>,
    sealer: Arc<dyn Sealer>,
    meta: SnapshotMeta,
    data: SnapshotData,
    living: u64,
}

impl<D: Disk> Beside<D> {
    fn write(&self) -> Result<(State, Sums), StoreError> {
        // An earlier attempt of this process may have left rows there.
        self.clear()?;
        let written = self.rows();
        if written.is_err() {
            self.clear()?;
        }
        written
    }

    fn clear(&self) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        load::drop_others(&mut batch, self.living);
        self.storage.write(batch)
    }

    fn rows(&self) -> Result<(State, Sums), StoreError> {
        let mut reader = Reader::open(&self.data, &*self.sealer)?;
        if reader.meta != self.meta {
            return Err(BadSnapshot::OtherMeta.into());
        }
        let mut sums = Sums::default();
        let mut all: Vec<(RowKey, Row)> = Vec::new();
        while let Some(chunk) = reader.chunk()? {
            self.chunk(&mut sums, &chunk)?;
            all.extend(chunk);
        }
        let state = State::from_rows(all).map_err(|error| StoreError::State { why: error.to_string() })?;
        keep(self.storage.disk().shelf(), &self.data, &self.meta)?;
        Ok((state, sums))
    }

    fn chunk(&self, sums: &mut Sums, chunk: &[(RowKey, Row)]) -> Result<(), StoreError> {
        let revision = LogIndex(self.meta.last_log_id.map_or(0, |id| id.index));
        let changed: Changed = chunk.iter().map(|(key, row)| (*key, (revision, Some(row.clone())))).collect();
        let mut batch = Batch::default();
        let generation = self.living + 1;
        rows::write(&mut batch, self.storage.disk(), &*self.sealer, generation, sums, &changed)?;
        self.storage.write(batch)
    }
}
