//! What the cluster signs and commits once a second, so that rewriting history needs a majority.
//!
//! The log has no keys: it states size, root and heads; others sign [`Checkpoint::encode`].

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::ledger::{Chain, Head, Ledger};
use crate::log::Identity;
use crate::merkle::Tree;
use crate::segment::encode_head;

use model::id::{BootId, ClusterId, NodeId};

/// Heads in one checkpoint: keeps its Raft entry below 200 KiB. What does not fit comes with the next;
/// the root covers every record regardless.
pub const HEADS_PER_CHECKPOINT_MAX: usize = 4096;

/// Begins the signed bytes.
const DOMAIN: &[u8] = b"keyraft/v1/audit/checkpoint\0";

/// A statement about everything that was durable at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The lineage of the stating node.
    pub cluster: ClusterId,
    /// The stating node.
    pub node: NodeId,
    /// Its process start.
    pub boot: BootId,
    /// How many records the log has; also the last sequence.
    pub size: u64,
    /// Merkle root over the hashes of all of them (RFC 6962 2.1).
    pub root: [u8; 32],
    /// Chains that changed since the last checkpoint, and their heads, ordered.
    pub heads: Vec<(Chain, Head)>,
}

impl Checkpoint {
    /// The bytes to sign: domain, cluster, node, boot, size, root, and each head, numbers big-endian.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = DOMAIN.to_vec();
        out.extend_from_slice(self.cluster.as_bytes());
        out.extend_from_slice(&self.node.0.to_be_bytes());
        out.extend_from_slice(&self.boot.0.to_be_bytes());
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.root);
        self.heads.iter().for_each(|(chain, head)| encode_head(*chain, head, &mut out));
        out
    }
}

/// The durable state, as far as a checkpoint tells it.
#[derive(Debug, Default)]
pub(crate) struct Published {
    tree: Tree,
    changed: BTreeMap<Chain, Head>,
    /// Size at the last checkpoint.
    stated: u64,
}

impl Published {
    pub(crate) fn lock(published: &Mutex<Self>) -> MutexGuard<'_, Self> {
        published.lock().expect("no holder of this lock can panic")
    }

    pub(crate) fn advance(&mut self, ledger: &Ledger, touched: impl Iterator<Item = Chain>) {
        self.tree.clone_from(&ledger.tree);
        for chain in touched {
            self.changed.insert(chain, ledger.head(chain));
        }
    }

    /// How many records are durable.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    pub(crate) fn take(&mut self, by: &Identity) -> Option<Checkpoint> {
        if self.tree.size() == self.stated && self.changed.is_empty() {
            return None;
        }
        self.stated = self.tree.size();
        let later = self.changed.keys().nth(HEADS_PER_CHECKPOINT_MAX).copied();
        let rest = later.map(|chain| self.changed.split_off(&chain)).unwrap_or_default();
        let heads = std::mem::replace(&mut self.changed, rest).into_iter().collect();
        let (size, root) = (self.tree.size(), self.tree.root());
        Some(Checkpoint { cluster: by.cluster, node: by.node, boot: by.boot, size, root, heads })
    }
}
