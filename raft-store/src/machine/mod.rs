//! The replicated state machine: committed entries in, rows and generations out.
//!
//! One apply step = rows + applied mark + membership + committed mark in one atomic batch, in the log's own
//! write-ahead order, unsynced; only then is the new generation published. A command that cannot be opened
//! or understood stops the node: guessing would diverge. Never does I/O to decide, never reads a clock.

mod export;
mod r#gen;
mod install;
mod journaled;
pub(crate) mod load;
pub(crate) mod rows;
pub(crate) mod sums;

use std::io;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use model::id::LogIndex;
use model::sealer::Sealer;
use model::state::{Effect, State};
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::{OptionalSend, StoredMembership};

pub use export::Exported;
pub(crate) use export::Exporter;
pub use r#gen::{CacheGuard, Gen, Serving};

use crate::codec::records::{Applied, Table};
use crate::journal::{Journal, Record};
use crate::snapshot::{BadSnapshot, SnapshotData, reader, writer};
use crate::storage::disk::{Batch, Disk};
use crate::storage::{Storage, StoreError};
use crate::types::{
    Entry, EntryId, EntryPayload, LeaderId, Member, Members, Outcome, SealedCommand, SnapshotMeta, TypeConfig,
};
use r#gen::Publisher;
use load::Loaded;
use rows::Changed;
use sums::Sums;

/// Entries applied in one step: large enough to share one batch and one publication, small enough that the
/// first of them does not wait long.
const STEP_ENTRIES_MAX: usize = 128;

/// A snapshot as openraft hands it around.
type RaftSnapshot = Snapshot<LeaderId, u64, Member, SnapshotData>;

/// What a machine is opened with.
#[derive(Clone)]
pub struct MachineOptions {
    /// Opens commands, seals rows.
    pub sealer: Arc<dyn Sealer>,
    /// Closes epochs and purges cached keys around each generation.
    pub guard: Arc<dyn CacheGuard>,
    /// The region of an empty state; a state that exists keeps its own.
    pub region: String,
    /// The highest replicated format version this binary knows.
    pub format: u32,
}

/// The state machine of one node.
pub struct Machine<D: Disk> {
    storage: Arc<Storage<D>>,
    sealer: Arc<dyn Sealer>,
    publisher: Publisher,
    applied: Applied,
    sums: Sums,
    state: State,
    journal: Option<Arc<Journal>>,
    format: u32,
}

impl<D: Disk> Machine<D> {
    /// Reads the state back from its rows, checking each and all of them, and publishes it as the first
    /// generation.
    ///
    /// # Errors
    /// [`StoreError`] if a row is missing, moved, altered or not understood: this node must not serve.
    pub fn open(storage: &Arc<Storage<D>>, options: MachineOptions) -> Result<(Self, Serving), StoreError> {
        let MachineOptions { sealer, guard, region, format } = options;
        let Loaded { applied, sums, state } = load::load(storage.disk(), &*sealer, &region)?;
        check_format(&state, format)?;
        if load::has_others(storage.disk(), applied.generation)? {
            let mut batch = Batch::default();
            load::drop_others(&mut batch, applied.generation);
            storage.write(batch)?;
        }
        let first = Gen { index: index_of(applied.last), state: state.clone() };
        let (publisher, serving) = Publisher::new(first, guard);
        let storage = Arc::clone(storage);
        Ok((Self { storage, sealer, publisher, applied, sums, state, journal: None, format }, serving))
    }

    /// Number of rows and keyed hash of the whole state: equal on two nodes that applied the same entries.
    #[must_use]
    pub fn digest(&self) -> Table {
        self.sums.total
    }

    /// Writes a step and, once it is in the database, publishes it and reports.
    fn commit(&mut self, step: Step) -> Result<(), StoreError> {
        let Some(last) = step.last else { return Ok(()) };
        let mut sums = self.sums.clone();
        let applied = Applied {
            generation: self.applied.generation,
            last: Some(last),
            members: step.members.unwrap_or_else(|| self.applied.members.clone()),
        };
        let mut batch = Batch::default();
        rows::write(
            &mut batch,
            self.storage.disk(),
            &*self.sealer,
            applied.generation,
            &mut sums,
            &step.changed,
        )?;
        load::put_applied(&mut batch, &*self.sealer, &applied, &sums.total)?;
        self.storage.put_committed(&mut batch, last)?;
        self.storage.write(batch)?;
        (self.sums, self.applied, self.state) = (sums, applied, step.state);
        let next = Gen { index: LogIndex(last.index), state: self.state.clone() };
        self.publisher.publish(next, &step.effects);
        self.record(step.records);
        for (responder, outcome) in step.replies {
            responder.send(outcome);
        }
        Ok(())
    }

    fn builder(&self) -> Builder<D> {
        Builder {
            storage: Arc::clone(&self.storage),
            sealer: Arc::clone(&self.sealer),
            meta: SnapshotMeta {
                last_log_id: self.applied.last,
                last_membership: self.applied.members.clone(),
            },
            state: self.state.clone(),
        }
    }
}

/// Behaviour is chosen by the replicated version: a binary that does not know it would behave otherwise than
/// its peers, and diverge.
fn check_format(state: &State, known: u32) -> Result<(), StoreError> {
    let active = state.cluster().format;
    if active <= known { Ok(()) } else { Err(StoreError::Format { active, known }) }
}

fn index_of(last: Option<EntryId>) -> LogIndex {
    LogIndex(last.map_or(0, |id| id.index))
}

/// Entries applied together, before anyone knows.
struct Step {
    state: State,
    last: Option<EntryId>,
    members: Option<Members>,
    changed: Changed,
    effects: Vec<Effect>,
    replies: Vec<(ApplyResponder<TypeConfig>, Outcome)>,
    entries: usize,
    /// For the journal, if there is one.
    records: Option<Vec<Record>>,
}

impl Step {
    fn new(state: State, journaled: bool) -> Self {
        let (changed, effects, replies) = (Changed::new(), Vec::new(), Vec::new());
        let records = journaled.then(Vec::new);
        Self { state, last: None, members: None, changed, effects, replies, entries: 0, records }
    }

    fn take(
        &mut self,
        sealer: &dyn Sealer,
        entry: Entry,
        responder: Option<ApplyResponder<TypeConfig>>,
    ) -> Result<(), StoreError> {
        let id = entry.log_id;
        let index = LogIndex(id.index);
        let outcome = match &entry.payload {
            EntryPayload::Normal(sealed) => self.command(sealer, index, sealed)?,
            EntryPayload::Membership(membership) => {
                self.members = Some(StoredMembership::new(Some(id), membership.clone()));
                Outcome { index, answer: None, withdrawal: None }
            }
            EntryPayload::Blank => Outcome { index, answer: None, withdrawal: None },
        };
        self.note(sealer, entry, outcome.answer.as_ref())?;
        self.last = Some(id);
        self.entries += 1;
        self.replies.extend(responder.map(|responder| (responder, outcome)));
        Ok(())
    }

    fn command(
        &mut self,
        sealer: &dyn Sealer,
        index: LogIndex,
        sealed: &SealedCommand,
    ) -> Result<Outcome, StoreError> {
        let command = sealed
            .open(sealer)
            .map_err(|source| StoreError::Command { index: index.0, source: Arc::new(source) })?;
        let applied = self.state.apply(index, &command);
        let rows = applied.changes.rows.into_iter().map(|(key, row)| (key, (index, row)));
        self.changed.extend(rows);
        self.effects.extend(applied.changes.effects);
        Ok(Outcome { index, answer: Some(applied.answer), withdrawal: applied.withdrawal })
    }
}

impl<D: Disk> RaftStateMachine<TypeConfig> for Machine<D> {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder<D>;

    async fn applied_state(&mut self) -> Result<(Option<EntryId>, Members), io::Error> {
        Ok((self.applied.last, self.applied.members.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        loop {
            let mut step = Step::new(self.state.clone(), self.journal.is_some());
            while step.entries < STEP_ENTRIES_MAX
                && let Some(item) = entries.next().await
            {
                let (entry, responder) = item?;
                step.take(&*self.sealer, entry, responder).map_err(|error| self.stop(error))?;
            }
            if step.entries == 0 {
                return Ok(());
            }
            check_format(&step.state, self.format).map_err(|error| self.stop(error))?;
            self.commit(step).map_err(|error| self.stop(error))?;
        }
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Self::SnapshotBuilder> {
        Some(self.builder())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.builder()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, data: SnapshotData) -> Result<(), io::Error> {
        Ok(self.install(meta, data).await?)
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot>, io::Error> {
        let Some(snapshot) = self.storage.disk().shelf().current()? else { return Ok(None) };
        let meta = reader::meta(&snapshot).map_err(StoreError::from)?;
        Ok(Some(Snapshot { meta, snapshot }))
    }
}

impl<D: Disk> Machine<D> {
    /// An entry that every node must apply cannot be applied here, or cannot be written: this node ends.
    fn stop(&self, error: StoreError) -> io::Error {
        self.storage.stop(&chain_of(&error));
        error.into()
    }
}

/// An error and all its causes in one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// Builds a snapshot from the state as it was when this was made.
pub struct Builder<D: Disk> {
    storage: Arc<Storage<D>>,
    sealer: Arc<dyn Sealer>,
    meta: SnapshotMeta,
    state: State,
}

impl<D: Disk> RaftSnapshotBuilder<TypeConfig> for Builder<D> {
    type SnapshotData = SnapshotData;

    /// What the snapshot covers is synced first: it must never be ahead of the state it came from.
    async fn build_snapshot(&mut self) -> Result<RaftSnapshot, io::Error> {
        self.storage.write_durably(Batch::default()).await?;
        let (storage, sealer) = (Arc::clone(&self.storage), Arc::clone(&self.sealer));
        let (meta, state) = (self.meta.clone(), self.state.clone());
        let build = move || -> Result<SnapshotData, BadSnapshot> {
            let shelf = storage.disk().shelf();
            let data = writer::write(shelf.create()?, &*sealer, &meta, &state)?;
            keep(shelf, &data, &meta)?;
            Ok(data)
        };
        let snapshot = slowly::<D, _>(build).await.map_err(StoreError::from)?;
        Ok(Snapshot { meta: self.meta.clone(), snapshot })
    }
}

/// Makes a snapshot current unless a newer one is.
pub(crate) fn keep(
    shelf: &crate::snapshot::shelf::Shelf,
    data: &SnapshotData,
    meta: &SnapshotMeta,
) -> Result<(), BadSnapshot> {
    let older = |present: &SnapshotData| {
        reader::meta(present).map_or(true, |present| present.last_log_id <= meta.last_log_id)
    };
    Ok(shelf.keep(data, older)?)
}

/// Runs work that takes long on a thread for that, or right here where there are no threads.
pub(crate) async fn slowly<D: Disk, T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if !D::THREADS {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
