//! The seam below everything durable: ordered bytes in three spaces, atomic batches, one write-ahead log.
//!
//! Two implementations: [`super::rocks::RocksDisk`], and [`super::ram::RamDisk`], which loses what was not
//! synced when it crashes. All rules about order and durability live above the seam, so both obey the same
//! code.

use std::ops::ControlFlow;

use crate::snapshot::shelf::Shelf;

/// Where a record lies. Few spaces, none per tenant: each costs a write buffer and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Vote, purge mark, applied mark, integrity sums, identity.
    Meta,
    /// Log entries by index.
    Log,
    /// The sealed rows of the state.
    Rows,
}

impl Space {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Meta, Self::Log, Self::Rows];

    /// The name under which it is kept.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Log => "log",
            Self::Rows => "rows",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes a record.
    Put(Space, Vec<u8>, Vec<u8>),
    /// Deletes a record, if it is there.
    Delete(Space, Vec<u8>),
    /// Deletes all records from the first key to before the second.
    DeleteRange(Space, Vec<u8>, Vec<u8>),
}

/// Changes that happen together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<Op>,
}

impl Batch {
    /// Adds a write.
    pub fn put(&mut self, space: Space, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.ops.push(Op::Put(space, key.into(), value));
    }

    /// Adds a deletion.
    pub fn delete(&mut self, space: Space, key: impl Into<Vec<u8>>) {
        self.ops.push(Op::Delete(space, key.into()));
    }

    /// Adds the deletion of a range.
    pub fn delete_range(&mut self, space: Space, from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) {
        self.ops.push(Op::DeleteRange(space, from.into(), to.into()));
    }

    /// The changes, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Looks at pairs in key order until it says stop.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Ordered bytes with a write-ahead log.
///
/// Whatever is written is readable at once and durable after the next [`Disk::sync`]; after a crash exactly
/// a prefix of all batches is there, never shorter than what was synced.
pub trait Disk: Send + Sync + 'static {
    /// Whether work may be handed to other threads: false where one seed must decide everything.
    const THREADS: bool;

    /// Writes a batch: readable at return, not durable.
    ///
    /// # Errors
    /// [`DiskError`]; the disk must not be used again.
    fn write(&self, batch: &Batch) -> Result<(), DiskError>;

    /// Makes everything written before durable.
    ///
    /// # Errors
    /// [`DiskError`]; the disk must not be used again: a failed sync cannot be repeated.
    fn sync(&self) -> Result<(), DiskError>;

    /// Reads one record.
    ///
    /// # Errors
    /// [`DiskError`]
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError>;

    /// Visits the records from the first key to before the second, as they all were at one moment.
    ///
    /// # Errors
    /// [`DiskError`]
    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), DiskError>;

    /// The last record of a space.
    ///
    /// # Errors
    /// [`DiskError`]
    fn last(&self, space: Space) -> Result<Option<Pair>, DiskError>;

    /// Where snapshots lie.
    fn shelf(&self) -> &Shelf;
}

/// The disk failed, or refuses what lies on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database failed to {what}: {detail}")]
pub struct DiskError {
    /// What was being done.
    pub what: &'static str,
    /// What the database said.
    pub detail: String,
}
