//! One applied entry, as the journal keeps it.

use model::command::Answer;
use model::sealer::Sealer;
use model::time::ClusterTime;

use super::ANSWER;
use crate::codec::{self, BadBytes};
use crate::types::{Entry, EntryId, EntryPayload, Membership, SealedCommand};

/// An entry that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log.
    pub id: EntryId,
    /// Cluster time after it; 0 where the entry was written down after a restart.
    pub time: ClusterTime,
    /// What it holds.
    pub content: Content,
    /// Keyed hash of the answer it led to; `None` for entries without one, and where it is not known any
    /// more.
    pub answer: Option<[u8; 32]>,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing: a leader's first entry.
    Blank,
    /// A membership.
    Members(Membership),
    /// A command, sealed as it lies in the log.
    Command(SealedCommand),
}

impl Record {
    /// An entry of the log that was applied before this process began.
    #[must_use]
    pub fn of_entry(entry: Entry) -> Self {
        let content = match entry.payload {
            EntryPayload::Blank => Content::Blank,
            EntryPayload::Membership(membership) => Content::Members(membership),
            EntryPayload::Normal(sealed) => Content::Command(sealed),
        };
        Self { id: entry.log_id, time: ClusterTime(0), content, answer: None }
    }
}

/// The keyed hash under which an answer is compared when a journal is replayed. Answers name things; their
/// hashes do not.
///
/// # Errors
/// None in practice: an answer is small.
pub(crate) fn hash_of_answer(sealer: &dyn Sealer, answer: &Answer) -> Result<[u8; 32], BadBytes> {
    Ok(sealer.set_hash(ANSWER, &codec::answer_body(answer)?))
}
