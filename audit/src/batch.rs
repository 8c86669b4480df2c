//! The entries of one request, encoded by the task that made them.
//!
//! Encoding here, and not on the audit thread, spreads that work over the cores: the one thread only
//! copies, hashes and writes.

use crate::entry::{Entry, Kind};
use crate::ledger::Chain;
use crate::record::encode_body;

/// Room made by the first entry: a Create and a Get by a caller with a certificate need 340 bytes. Memory is
/// wiped when it is given back, so growing step by step would cost more than all of the encoding.
const FIRST_RESERVE_BYTES: usize = 448;

/// Entries that become durable together, with one wait.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

/// One encoded entry: which chain it joins, and where its body ends.
#[derive(Clone, Copy, Debug)]
struct Part {
    chain: Chain,
    end: usize,
}

impl Batch {
    /// No entries yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), parts: Vec::new() }
    }

    /// Adds one entry.
    ///
    /// # Panics
    /// If the entry is a [`Kind::Boot`]: only the log writes those.
    pub fn push(&mut self, entry: &Entry<'_>) {
        assert!(entry.kind != Kind::Boot, "only the log writes boot records");
        self.push_any(entry);
    }

    pub(crate) fn push_any(&mut self, entry: &Entry<'_>) {
        if self.parts.is_empty() {
            self.bytes.reserve(FIRST_RESERVE_BYTES);
        }
        encode_body(entry, &mut self.bytes);
        self.parts.push(Part { chain: entry.tenant, end: self.bytes.len() });
    }

    /// How many entries it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Each entry's chain and encoded body, in order.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (Chain, &[u8])> {
        let mut start = 0;
        self.parts.iter().map(move |part| {
            let body = &self.bytes[start..part.end];
            start = part.end;
            (part.chain, body)
        })
    }
}
