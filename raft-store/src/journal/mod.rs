//! The revocation journal: everything applied on this node, in files of their own beside the data.
//!
//! A backup is a moment; what was withdrawn after it must not come back with it. So each node writes down
//! every entry it applies: log id, cluster time, the command still sealed, a keyed hash of its answer, and a
//! link to the entry before. Any one node's journal replayed over a backup brings the state to its head
//! (CONSISTENCY 11 and 12).
//!
//! It never holds plaintext, and never holds an answer back: `apply` hands a record over and goes on, one
//! thread writes and syncs. How far it is behind is told as a number, and a start writes down what a crash
//! kept from it.
//!
//! Invariants:
//! - Within a stretch indices have no gap, and each record's hash covers the record before. A stretch begins
//!   where entries were never seen here: a snapshot was installed, or the log was cut before the journal had
//!   it. The beginning is keyed too: nobody without the barrier keyring can make a gap look like one.
//! - Records on disk never change. Behind the last one stands at most one interrupted write.
//! - Old segments go when all together exceed a bound, the oldest first.
//! - After one failed write or sync nothing more is written, and the node stops.
//!
//! (The audit log is another chain on purpose: its records are a closed set about single requests, one chain
//! per tenant and in the clear; these are ciphertext, one chain, and about the log.)

mod reader;
mod record;
mod segment;
mod writer;

use model::sealer::Sealer;

use crate::codec::BadBytes;

pub use reader::{Report, Stretch, read, verify};
pub(crate) use record::hash_of_answer;
pub use record::{Content, Record};
pub use writer::{Journal, JournalError, Options, Status};

/// Begins the keyed hash of every link.
const LINK: &[u8] = b"keyraft/v1/journal-link";
/// Begins the keyed hash of where a stretch begins.
const BEGINNING: &[u8] = b"keyraft/v1/journal-beginning";
/// Begins the keyed hash of an answer.
const ANSWER: &[u8] = b"keyraft/v1/journal-answer";
/// Length of a link in bytes.
const HASH_LEN: usize = 32;

/// Where and why a journal is not what its node wrote.
#[derive(Debug, thiserror::Error)]
#[error("{segment}, byte {offset}: {fault}")]
pub struct Finding {
    /// The file's name.
    pub segment: String,
    /// Where in it.
    pub offset: u64,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file does not read.
    #[error("the file cannot be read: {0}")]
    File(#[from] std::io::Error),
    /// The head of a segment is damaged, or of a later version.
    #[error("the segment's head is damaged or of a format this version does not know")]
    Head,
    /// A record is damaged.
    #[error("the record cannot be read: {0}")]
    Record(#[from] BadBytes),
    /// The file ends in the middle of a record, and is not the last.
    #[error("the segment ends inside a record")]
    Torn,
    /// Altered, or linked to something else than what stands before it.
    #[error("entry {index} was altered, or does not follow what stands before it")]
    Chain {
        /// The entry.
        index: u64,
    },
    /// Entries are missing.
    #[error("entries {from} to {to} are missing")]
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Segments of several nodes or lineages lie in one folder.
    #[error("the segment belongs to node {node} of cluster {cluster}, the others do not")]
    Mixed {
        /// Whose it is.
        node: model::id::NodeId,
        /// Of which lineage.
        cluster: model::id::ClusterId,
    },
    /// The journal belongs to another realm than the keyring.
    #[error("the journal belongs to realm {realm}, the keyring does not")]
    Realm {
        /// Its realm.
        realm: model::id::Realm,
    },
}

/// The link of a record to the one before.
fn link(sealer: &dyn Sealer, before: &[u8; HASH_LEN], frame: &[u8]) -> [u8; HASH_LEN] {
    sealer.set_hash(&[LINK, before].concat(), frame)
}
