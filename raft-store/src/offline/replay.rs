//! Bringing a state forward by a journal.

use std::collections::BTreeMap;

use model::id::LogIndex;
use model::sealer::Sealer;
use openraft::StoredMembership;

use super::Head;
use crate::codec::BadBytes;
use crate::journal::{Content, Record, hash_of_answer};
use crate::types::{BadCommand, SealedCommand};

/// Entries that no journal at hand has, between the backup and the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// A journal and a state that do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum BadReplay {
    /// Two journals hold different entries at one place of the log.
    #[error("two journals hold different entries at index {index}: they are of different lineages")]
    Contradiction {
        /// The place.
        index: u64,
    },
    /// The command does not open or is not understood.
    #[error("the journal's entry {index} cannot be applied: {source}")]
    Command {
        /// The entry.
        index: u64,
        /// Why.
        source: BadCommand,
    },
    /// The entry led to something else when it was applied first.
    #[error("the journal's entry {index} leads to another answer than it did: it belongs to another backup")]
    Answer {
        /// The entry.
        index: u64,
    },
    /// The answer cannot be compared.
    #[error("an answer cannot be encoded: {0}")]
    Unencodable(#[from] BadBytes),
}

/// The entries of one or more journals of one lineage that come after a backup.
#[derive(Debug, Default)]
pub struct Replay {
    records: BTreeMap<u64, Record>,
}

/// What a replay led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Entries that were applied.
    pub entries: u64,
    /// Withdrawals among them that took effect.
    pub withdrawals: u64,
    /// What is missing in between. From the first gap on only withdrawals were applied: they cannot give
    /// what was not given, and everything else needs what came before it.
    pub gaps: Vec<Gap>,
}

impl Replay {
    /// Adds a record; one that another journal had already is compared.
    ///
    /// # Errors
    /// [`BadReplay::Contradiction`]
    pub fn add(&mut self, record: Record) -> Result<(), BadReplay> {
        let index = record.id.index;
        match self.records.get(&index) {
            Some(known) if (known.id, &known.content) != (record.id, &record.content) => {
                Err(BadReplay::Contradiction { index })
            }
            // A record that was written down again after a crash knows its answer no more.
            Some(known) if known.answer.is_some() => Ok(()),
            _ => {
                self.records.insert(index, record);
                Ok(())
            }
        }
    }

    /// Applies everything in order.
    ///
    /// # Errors
    /// [`BadReplay`]; the head is then half-way and of no use.
    pub fn run(self, head: &mut Head, sealer: &dyn Sealer) -> Result<Replayed, BadReplay> {
        let mut replayed = Replayed::default();
        let mut expected = head.last.map_or(0, |id| id.index + 1);
        for (index, record) in self.records.range(expected..) {
            if *index > expected {
                replayed.gaps.push(Gap { from: expected, to: index - 1 });
            }
            expected = index + 1;
            apply(head, sealer, record, &mut replayed)?;
        }
        Ok(replayed)
    }
}

fn apply(
    head: &mut Head,
    sealer: &dyn Sealer,
    record: &Record,
    replayed: &mut Replayed,
) -> Result<(), BadReplay> {
    match &record.content {
        Content::Blank => {}
        Content::Members(members) => head.members = StoredMembership::new(Some(record.id), members.clone()),
        Content::Command(sealed) => command(head, sealer, record, sealed, replayed)?,
    }
    head.last = Some(record.id);
    replayed.entries += 1;
    Ok(())
}

fn command(
    head: &mut Head,
    sealer: &dyn Sealer,
    record: &Record,
    sealed: &SealedCommand,
    replayed: &mut Replayed,
) -> Result<(), BadReplay> {
    let index = record.id.index;
    let command = sealed.open(sealer).map_err(|source| BadReplay::Command { index, source })?;
    let whole = replayed.gaps.is_empty();
    if !whole && !command.action.withdraws(command.stamp.time) {
        return Ok(());
    }
    let applied = head.state.apply(LogIndex(index), &command);
    if whole
        && let Some(known) = record.answer
        && hash_of_answer(sealer, &applied.answer)? != known
    {
        return Err(BadReplay::Answer { index });
    }
    if applied.withdrawal == Some(LogIndex(index)) {
        replayed.withdrawals += 1;
    }
    Ok(())
}
