//! What the next record must look like: a pure state that the writer and the verifier share.
//!
//! It knows the last sequence, every chain's head and the Merkle edge, and nothing of files. The writer
//! asks it to [`Ledger::seal`] a body; the reader asks it to [`Ledger::check`] a record. Both advance it
//! the same way, so what one writes the other accepts, and nothing else.

use std::collections::BTreeMap;

use model::id::TenantHandle;

use crate::finding::Fault;
use crate::frame;
use crate::log::Identity;
use crate::merkle::Tree;
use crate::record::{Place, Record};

/// Which chain: a tenant's, or (`None`) the node's own for events without a tenant.
pub type Chain = Option<TenantHandle>;

/// The last record of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// How many records the chain has.
    pub sequence: u64,
    /// Hash of the last one; zeros if there is none.
    pub hash: [u8; 32],
}

/// The state of a log after its last record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Ordered, so that a snapshot of equal heads has equal bytes.
    pub heads: BTreeMap<Chain, Head>,
    pub tree: Tree,
}

impl Ledger {
    /// The sequence of the next record.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.tree.size() + 1
    }

    pub(crate) fn head(&self, chain: Chain) -> Head {
        self.heads.get(&chain).copied().unwrap_or_default()
    }

    /// Gives a body its place and appends the framed record to `out`.
    pub(crate) fn seal(
        &mut self,
        chain: Chain,
        body: &[u8],
        batch_first: u64,
        by: &Identity,
        out: &mut Vec<u8>,
    ) {
        let head = self.head(chain);
        let place = Place {
            sequence: self.next_sequence(),
            batch_first,
            chain_sequence: head.sequence + 1,
            cluster: by.cluster,
            node: by.node,
            boot: by.boot,
            previous: head.hash,
        };
        let hash = frame::write(&place, body, out);
        self.advance(chain, hash);
    }

    /// Says whether the record read next follows, and how it does not.
    pub(crate) fn check(&self, record: &Record) -> Result<(), Fault> {
        let (place, head) = (&record.place, self.head(record.tenant));
        if place.sequence > self.next_sequence() {
            return Err(Fault::Gap { expected: self.next_sequence(), found: place.sequence });
        }
        if place.sequence < self.next_sequence() {
            return Err(Fault::Altered("the record's sequence was seen before"));
        }
        if place.chain_sequence != head.sequence + 1 {
            return Err(Fault::Altered("the record's position in its chain is wrong"));
        }
        if place.previous != head.hash {
            return Err(Fault::Altered("the record does not link to the record before it in its chain"));
        }
        Ok(())
    }

    /// Moves past a record that was sealed or checked.
    pub(crate) fn advance(&mut self, chain: Chain, hash: [u8; 32]) {
        let head = self.heads.entry(chain).or_default();
        *head = Head { sequence: head.sequence + 1, hash };
        self.tree.push(&hash);
    }
}
