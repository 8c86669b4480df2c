//! The offline verifier: reads a whole log and names the first thing that is wrong.

use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::entry::Kind;
use crate::finding::{Fault, Finding};
use crate::walk::{Walk, folder_finding};

/// What a log is held against.
#[derive(Clone, Debug)]
pub struct Expect {
    first_sequence: u64,
    /// Size and root of the checkpoints, the smallest last.
    checkpoints: Vec<(u64, [u8; 32])>,
}

impl Default for Expect {
    /// A whole log, from its first record, and no checkpoint: then a log cut clean at its end passes.
    fn default() -> Self {
        Self { first_sequence: 1, checkpoints: Vec::new() }
    }
}

impl Expect {
    /// Accepts a log whose older segments were taken away: its first record is this one.
    #[must_use]
    pub fn starting_at(mut self, first_sequence: u64) -> Self {
        self.first_sequence = first_sequence;
        self
    }

    /// Holds the log against checkpoints. `is_signed` gets [`Checkpoint::encode`] and the signature.
    ///
    /// # Errors
    /// A [`Fault::Signature`] for the first checkpoint that is not signed.
    pub fn checkpoints(
        mut self,
        signed: impl IntoIterator<Item = (Checkpoint, Vec<u8>)>,
        is_signed: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<Self, Finding> {
        for (checkpoint, signature) in signed {
            let size = checkpoint.size;
            if !is_signed(&checkpoint.encode(), &signature) {
                return Err(folder_finding(Fault::Signature { size }, size));
            }
            self.checkpoints.push((size, checkpoint.root));
        }
        self.checkpoints.sort_unstable();
        self.checkpoints.reverse();
        Ok(self)
    }
}

/// What a sound log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sequence of the first record.
    pub first_sequence: u64,
    /// Sequence of the last record.
    pub last_sequence: u64,
    /// Files.
    pub segments: u64,
    /// Chains: tenants, and the system's.
    pub chains: u64,
    /// Process starts.
    pub boots: u64,
    /// Checkpoints whose root was compared.
    pub checkpoints: u64,
    /// Merkle root over all records.
    pub root: [u8; 32],
}

/// Checks every byte of a log: framing, checksums, hashes, chains, sequences, boots and checkpoints.
///
/// Streams; memory grows with the number of chains only. Run it on a closed log or a copy: a log being
/// written may end inside a record.
///
/// # Errors
/// The first [`Finding`]; its exit code is that of `keyraft audit verify`.
pub fn verify(dir: &Path, expect: &Expect) -> Result<Report, Finding> {
    let first = expect.first_sequence;
    let Some(mut walk) = Walk::begin(dir, first)? else {
        return Err(folder_finding(Fault::Truncated("the folder holds no audit segment"), first));
    };
    if walk.ledger.next_sequence() != first {
        return Err(walk.finding(Fault::Gap { expected: first, found: walk.ledger.next_sequence() }));
    }
    let mut pending = expect.checkpoints.clone();
    let mut report = Report { first_sequence: first, ..Report::default() };
    report.checkpoints += compare(&walk, &mut pending)?;
    while let Some(record) = walk.next()? {
        report.boots += u64::from(record.kind == Kind::Boot);
        report.checkpoints += compare(&walk, &mut pending)?;
    }
    if !pending.is_empty() {
        return Err(walk.finding(Fault::Truncated("the log ends before the last checkpoint")));
    }
    report.last_sequence = walk.ledger.tree.size();
    report.segments = walk.segments;
    report.chains = walk.ledger.heads.len() as u64;
    report.root = walk.ledger.tree.root();
    Ok(report)
}

/// Compares the root with every checkpoint of the current size; returns how many there were.
fn compare(walk: &Walk, pending: &mut Vec<(u64, [u8; 32])>) -> Result<u64, Finding> {
    let size = walk.ledger.tree.size();
    let mut compared = 0;
    while let Some((stated, root)) = pending.pop_if(|(stated, _)| *stated <= size) {
        if stated < size {
            continue; // it speaks of segments that were taken away
        }
        if root != walk.ledger.tree.root() {
            return Err(walk.finding(Fault::Altered("the records before are not those of the checkpoint")));
        }
        compared += 1;
    }
    Ok(compared)
}
