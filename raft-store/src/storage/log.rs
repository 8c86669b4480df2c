//! The Raft log: entries by index, the vote, and the marks, as openraft asks for them.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::sync::Arc;

use futures::Stream;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{OptionalSend, RaftTypeConfig};

use super::disk::{Batch, Disk, Space};
use super::{PURGED, SHOWN, Storage, StoreError, VOTE};
use crate::codec::records;
use crate::types::{Entry, EntryId, TypeConfig, Vote};

/// Most bytes of entries read at once: a message between peers stays below gRPC's usual 4 MiB, and one
/// entry may have 1 MiB.
const READ_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most entries read at once while applying.
const APPLY_READ_MAX: u64 = 256;

/// The log of one node. Clones read and write the same log.
pub struct LogStore<D: Disk> {
    storage: Arc<Storage<D>>,
}

impl<D: Disk> Clone for LogStore<D> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.storage))
    }
}

impl<D: Disk> LogStore<D> {
    pub(super) fn new(storage: Arc<Storage<D>>) -> Self {
        Self { storage }
    }

    /// Reads entries in `[from, to)`, at least one if there is one, until `bytes_max` is reached.
    fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, StoreError> {
        let mut raw = Vec::new();
        let mut bytes = 0;
        let mut visit = |_: &[u8], value: &[u8]| {
            if bytes > 0 && bytes + value.len() > bytes_max {
                return ControlFlow::Break(());
            }
            bytes += value.len();
            raw.push(value.to_vec());
            ControlFlow::Continue(())
        };
        if from < to {
            self.storage.disk().scan(Space::Log, &key(from), &key(to), &mut visit)?;
        }
        decode(raw)
    }
}

fn key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

fn put_shown(batch: &mut Batch, shown: Option<EntryId>) -> Result<(), StoreError> {
    if let Some(shown) = shown {
        batch.put(Space::Meta, SHOWN, records::encode_id(shown)?);
    }
    Ok(())
}

/// Decodes entries and checks that no index is missing between them.
fn decode(raw: Vec<Vec<u8>>) -> Result<Vec<Entry>, StoreError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(raw.len());
    for bytes in raw {
        let entry = records::decode_entry(&bytes)
            .map_err(|source| StoreError::Record { what: "log entry", source })?;
        if let Some(last) = entries.last()
            && entry.log_id.index != last.log_id.index + 1
        {
            return Err(StoreError::Hole { index: last.log_id.index + 1 });
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The half-open range of indices a bound pair means.
fn half_open(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl<D: Disk> RaftLogReader<TypeConfig> for LogStore<D> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (from, to) = half_open(&range);
        Ok(self.read(from, to, usize::MAX)?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.storage.view().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        Ok(self.read(start, end, READ_BYTES_MAX)?)
    }

    /// Reads for applying, a bounded piece at a time: after a long absence the range is the whole log.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (from, to) = half_open(&range);
        let reader = self.clone();
        let pieces = futures::stream::try_unfold(from, move |from| {
            let piece = reader.read(from, to.min(from.saturating_add(APPLY_READ_MAX)), READ_BYTES_MAX);
            async move {
                let piece = piece?;
                let next = piece.last().map(|entry| entry.log_id.index + 1);
                Ok::<_, io::Error>(next.map(|next| (futures::stream::iter(piece.into_iter().map(Ok)), next)))
            }
        });
        Box::pin(futures::TryStreamExt::try_flatten(pieces))
    }
}

impl<D: Disk> RaftLogStorage<TypeConfig> for LogStore<D> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let view = self.storage.view();
        Ok(LogState { last_purged_log_id: view.purged, last_log_id: view.last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let vote = *vote;
        let mut batch = Batch::default();
        batch.put(Space::Meta, VOTE, records::encode_vote(&vote).map_err(StoreError::from)?);
        Ok(self.storage.submit_durably(batch, |view| view.vote = Some(vote)).await?)
    }

    /// Kept in memory here and written with every apply: it travels with what it allowed.
    async fn save_committed(&mut self, committed: Option<EntryId>) -> Result<(), io::Error> {
        self.storage.view().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<EntryId>, io::Error> {
        Ok(self.storage.view().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = <TypeConfig as RaftTypeConfig>::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut batch = Batch::default();
        let mut last = None;
        for entry in entries {
            let value = records::encode_entry(&entry).map_err(StoreError::from)?;
            batch.put(Space::Log, key(entry.log_id.index), value);
            last = Some(entry.log_id);
        }
        let done = Box::new(move |result: Result<(), StoreError>| {
            callback.io_completed(result.map_err(io::Error::from));
        });
        let update = move |view: &mut super::View| view.last = last.or(view.last);
        Ok(self.storage.submit(batch, update, Some(done))?)
    }

    /// What was last before stays on record ([`SHOWN`]): what replaces it may be older, and a node that crashes then
    /// must not show its peers less than it has shown, or they take its disk for a rewound one.
    async fn truncate_after(&mut self, after: Option<EntryId>) -> Result<(), io::Error> {
        let (purged, last, shown) = {
            let view = self.storage.view();
            (view.purged, view.last, view.mark().last)
        };
        let from = after.map_or(0, |id| id.index + 1);
        let Some(last) = last.filter(|last| last.index >= from) else { return Ok(()) };
        let mut batch = Batch::default();
        put_shown(&mut batch, shown)?;
        batch.delete_range(Space::Log, key(from), key(last.index + 1));
        // openraft names an entry of ours; a log without entries begins at the purge mark.
        let kept = after.max(purged);
        let update = |view: &mut super::View| (view.last, view.shown) = (kept, shown);
        Ok(self.storage.submit_durably(batch, update).await?)
    }

    /// Waits for the sync, which also makes durable every apply queued before: what is purged is nowhere
    /// needed again.
    async fn purge(&mut self, upto: EntryId) -> Result<(), io::Error> {
        let mut batch = Batch::default();
        batch.put(Space::Meta, PURGED, records::encode_id(upto).map_err(StoreError::from)?);
        batch.delete_range(Space::Log, key(0), key(upto.index + 1));
        // A snapshot that ends behind the log may be older than what was last in it.
        let (whole, shown) = {
            let view = self.storage.view();
            (view.last.is_none_or(|last| last.index <= upto.index), view.mark().last)
        };
        if whole {
            put_shown(&mut batch, shown)?;
        }
        let update = |view: &mut super::View| {
            view.purged = view.purged.max(Some(upto));
            if whole {
                (view.last, view.shown) = (Some(upto), shown);
            }
        };
        Ok(self.storage.submit_durably(batch, update).await?)
    }
}
