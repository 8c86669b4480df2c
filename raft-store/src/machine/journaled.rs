//! What the machine tells the journal, and what it tells it again after a restart.

use std::sync::Arc;

use model::command::Answer;
use model::sealer::Sealer;
use openraft::storage::RaftLogReader;

use super::{Machine, Step};
use crate::journal::{self, Journal, Record};
use crate::storage::StoreError;
use crate::storage::disk::Disk;
use crate::types::Entry;

/// Entries read from the log at once.
const READ_ENTRIES: u64 = 256;

impl<D: Disk> Machine<D> {
    /// From now on everything applied goes to the journal. What was applied before and the journal does
    /// not have, because a crash came first, is written down now, as far as the log still has it.
    ///
    /// # Errors
    /// The log does not read.
    pub async fn journal_to(&mut self, journal: Arc<Journal>) -> Result<(), StoreError> {
        let end = self.applied.last.map_or(0, |last| last.index + 1);
        let mut next = journal.status().next;
        let mut log = self.storage.log_store();
        if let Some(purged) = self.storage.purged() {
            next = next.max(purged + 1);
        }
        // A snapshot was installed, and a crash came before the log that it replaces was purged: what the log holds
        // is not what was applied.
        if let Some(last) = self.applied.last {
            let found = log.try_get_log_entries(last.index..=last.index).await;
            let found = found.map_err(|_| StoreError::Hole { index: last.index })?;
            if found.first().is_none_or(|entry| entry.log_id != last) {
                next = next.max(end);
            }
        }
        while next < end {
            let until = (next + READ_ENTRIES).min(end);
            let entries = log.try_get_log_entries(next..until).await;
            let entries = entries.map_err(|_| StoreError::Hole { index: next })?;
            if entries.is_empty() {
                return Err(StoreError::Hole { index: next });
            }
            for entry in entries {
                next = entry.log_id.index + 1;
                journal.record(Record::of_entry(entry));
            }
        }
        self.journal = Some(journal);
        Ok(())
    }

    pub(super) fn record(&self, records: Option<Vec<Record>>) {
        if let (Some(journal), Some(records)) = (&self.journal, records) {
            records.into_iter().for_each(|record| journal.record(record));
        }
    }
}

impl Step {
    /// Keeps an applied entry for the journal.
    pub(super) fn note(
        &mut self,
        sealer: &dyn Sealer,
        entry: Entry,
        answer: Option<&Answer>,
    ) -> Result<(), StoreError> {
        let Some(records) = &mut self.records else { return Ok(()) };
        let answer = answer.map(|answer| journal::hash_of_answer(sealer, answer)).transpose()?;
        let time = self.state.cluster().time;
        records.push(Record { time, answer, ..Record::of_entry(entry) });
        Ok(())
    }
}
