//! What is wrong with a log, and where.

use std::io;

/// The first thing wrong with a log.
#[derive(Debug, thiserror::Error)]
#[error("{segment}, offset {offset}, record {sequence}: {fault}")]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// The file's name within the folder.
    pub segment: String,
    /// Where in the file the record begins, in bytes.
    pub offset: u64,
    /// The sequence of the record that should stand there.
    pub sequence: u64,
}

/// The ways in which a log can be wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Bytes are not what was written, or records do not fit together.
    #[error("altered: {0}")]
    Altered(&'static str),
    /// Records are missing between two that are there.
    #[error("gap: expected record {expected}, found record {found}")]
    Gap {
        /// The sequence that should come next.
        expected: u64,
        /// The one that does.
        found: u64,
    },
    /// A checkpoint's signature is not one of the cluster's.
    #[error("signature: the checkpoint over {size} records is not signed by this cluster")]
    Signature {
        /// How many records the checkpoint covers.
        size: u64,
    },
    /// The log ends too early.
    #[error("truncated: {0}")]
    Truncated(&'static str),
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Finding {
    /// The exit code of `keyraft audit verify`: 2 altered, 3 gap, 4 signature, 5 truncated, 1 unreadable.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self.fault {
            Fault::Io(_) => 1,
            Fault::Altered(_) => 2,
            Fault::Gap { .. } => 3,
            Fault::Signature { .. } => 4,
            Fault::Truncated(_) => 5,
        }
    }
}
