//! What is done to data while no node uses it: read a backup or a disk, bring it up to the journal's head,
//! and begin a new lineage with it (CONSISTENCY 12).
//!
//! Nothing here takes part in a cluster, and nothing changes data that is there: a new lineage is written
//! into a folder of its own, whole, before that folder gets its name.

mod disk;
mod found;
mod head;
mod replay;

use crate::identity::IdentityError;
use crate::snapshot::BadSnapshot;
use crate::storage::StoreError;

pub use disk::Survivor;
pub use found::{found, found_on};
pub use head::{Contents, Head};
pub use replay::{BadReplay, Gap, Replay, Replayed};

/// Why data cannot be read or a lineage not be begun.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// A snapshot is not what its maker wrote.
    #[error("the snapshot is refused: {0}")]
    Snapshot(#[from] BadSnapshot),
    /// Its rows do not make a state.
    #[error("the rows do not make a state: {0}")]
    State(#[from] model::state::BadRow),
    /// The database does not open, or must not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder has no usable identity, or one where there must be none.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The folder is no node's.
    #[error("{} has no identity: it is no node's data", .0.display())]
    NoNode(std::path::PathBuf),
    /// The folder holds something.
    #[error("{} exists: a new lineage begins on a node that has no data; choose another folder", .0.display())]
    Exists(std::path::PathBuf),
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: std::path::PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Numbers are used up.
    #[error("a tenant's key versions or the log's indices leave no room for a new lineage")]
    NoRoom,
}
