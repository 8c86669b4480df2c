//! The entries of one request, encoded by the task that made them.
//!
//! Encoding here, and not on the audit thread, spreads that work over the cores: the one thread only
//! copies, hashes and writes.

use std::sync::{Mutex, PoisonError};

use model::id::TenantHandle;

use crate::entry::{Entry, Kind};
use crate::ledger::Chain;
use crate::record::encode_body;

/// Room made by the first entry: a Create and a Get by a caller with a certificate need 340 bytes. Memory is
/// wiped when it is given back, so growing step by step would cost more than all of the encoding.
const FIRST_RESERVE_BYTES: usize = 448;

/// Entries that become durable together, with one wait.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Every entry: a head, then its encoded body. One piece of memory, since another thread gives it back.
    bytes: Vec<u8>,
    entries: usize,
}

/// Before each body: 1 with the tenant whose chain it joins or 0 without one, and its length.
const HEAD_BYTES: usize = 1 + 4 + 2;

impl Batch {
    /// No entries yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), entries: 0 }
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
        if self.is_empty() {
            self.bytes.reserve(FIRST_RESERVE_BYTES);
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        encode_body(entry, &mut self.bytes);
        let length = self.bytes.len() - at - HEAD_BYTES;
        let length = u16::try_from(length).expect("a record is far below 64 KiB");
        self.bytes[at..at + HEAD_BYTES].copy_from_slice(&head(entry.tenant, length));
        self.entries += 1;
    }

    /// How many entries it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Each entry's chain and encoded body, in order.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (Chain, &[u8])> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let ([is_tenant, a, b, c, d, length @ ..], bodies) = rest.split_first_chunk::<HEAD_BYTES>()?;
            let chain = (*is_tenant == 1).then_some(TenantHandle([*a, *b, *c, *d]));
            let (body, next) = bodies.split_at(u16::from_be_bytes(*length).into());
            rest = next;
            Some((chain, body))
        })
    }
}

/// Batches that are durable, emptied: the memory of the next ones. The task that makes a batch is never the thread
/// that is done with it, and an allocator serves such traffic the slow way.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<Vec<Batch>>);

/// More than this many requests seldom wait for one commit; 256 spares of two entries hold 110 KiB.
const SPARES_MAX: usize = 256;
/// A batch with more room than this was a rare one and is given back.
const SPARE_BYTES_MAX: usize = 4 * FIRST_RESERVE_BYTES;

impl Spares {
    /// An empty batch, with the memory of another if there is one to spare.
    pub(crate) fn take(&self) -> Batch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes batches back that nobody needs any more.
    pub(crate) fn give(&self, batches: impl IntoIterator<Item = Batch>) {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for mut batch in batches {
            if spares.len() < SPARES_MAX && batch.bytes.capacity() <= SPARE_BYTES_MAX {
                batch.bytes.clear();
                batch.entries = 0;
                spares.push(batch);
            }
        }
    }
}

fn head(chain: Chain, length: u16) -> [u8; HEAD_BYTES] {
    let [a, b, c, d] = chain.map_or([0; 4], |tenant| tenant.0);
    let [high, low] = length.to_be_bytes();
    [u8::from(chain.is_some()), a, b, c, d, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Operation, Outcome};

    fn entry(tenant: Option<TenantHandle>, detail: &str) -> Entry<'_> {
        let operation = Operation { code: 10, name: "Get" };
        Entry { tenant, detail, ..Entry::new(Kind::KeyOperation, operation, Outcome::Ok, 1) }
    }

    #[test]
    fn entries_come_back_as_they_were_pushed() {
        let entries = [
            entry(Some(TenantHandle([1, 2, 3, 4])), "one"),
            entry(None, ""),
            entry(Some(TenantHandle([0; 4])), "another"),
        ];
        let mut batch = Batch::new();
        assert_eq!((batch.len(), batch.bodies().count()), (0, 0));
        entries.iter().for_each(|entry| batch.push(entry));
        assert_eq!(batch.len(), entries.len());
        let bodies: Vec<_> = batch.bodies().map(|(chain, body)| (chain, body.to_vec())).collect();
        let expected = entries.iter().map(|entry| {
            let mut body = Vec::new();
            encode_body(entry, &mut body);
            (entry.tenant, body)
        });
        assert_eq!(bodies, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_spare_batch_is_empty_and_keeps_its_memory() {
        let spares = Spares::default();
        let mut batch = spares.take();
        batch.push(&entry(None, "x"));
        spares.give([batch, Batch { bytes: Vec::with_capacity(SPARE_BYTES_MAX + 1), entries: 0 }]);
        let spare = spares.take();
        assert!(spare.is_empty() && spare.bodies().next().is_none());
        assert!(spare.bytes.capacity() >= FIRST_RESERVE_BYTES);
        assert_eq!(spares.take().bytes.capacity(), 0, "the large one was not kept");
    }
}
