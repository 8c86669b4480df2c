//! The append-only, hash-chained, group-committed record of every key operation, and its verifier.
//!
//! One thread per node drains a bounded queue, writes what it found, syncs once and wakes the waiting
//! responses. [`AuditLog::append`] answers with [`Durable`], which nothing else can make: a response
//! that carries key bytes holds one, and so was recorded first (I4).
//!
//! What it never does: hold a key, a free-form map or anything else that could carry one; drop a record
//! to stay fast; go on after a failed write or sync.
//!
//! Invariants:
//! - Sequences have no gap: the log's own starts at 1, and so does each chain's, across boots.
//! - A record names the hash of its chain's previous record; a chain is one tenant's, or the system's.
//! - An open log begins with a boot record. Records on disk never change; behind the last one stand zeros,
//!   or a torn write that was never acknowledged.
//! - After one failed write or sync no append is ever acknowledged again.
//!
//! A log cut clean at its end looks whole: only a checkpoint or an export shows it (CONSISTENCY 11).
#![forbid(unsafe_code)]

mod ahead;
mod batch;
mod checkpoint;
mod disk;
mod entry;
mod export;
mod finding;
mod frame;
mod herald;
mod json;
mod ledger;
mod log;
mod merkle;
mod metrics;
mod muster;
mod open;
mod reader;
mod record;
mod segment;
mod tail;
mod verify;
mod walk;
mod writer;

pub use batch::Batch;
pub use checkpoint::{Checkpoint, HEADS_PER_CHECKPOINT_MAX};
pub use entry::{Entry, Kind, Operation, Outcome, RequestId};
pub use export::{Export, export};
pub use finding::{Fault, Finding};
pub use ledger::{Chain, Head};
pub use log::{AuditError, AuditLog, Durable, Identity, Settings};
pub use metrics::Metrics;
pub use open::OpenError;
pub use record::{Place, Record};
pub use verify::{Expect, Report, verify};

#[cfg(test)]
mod tests;
