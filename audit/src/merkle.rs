//! The Merkle tree over all records, kept as its right edge (RFC 6962 2.1).
//!
//! Only the roots of the complete subtrees are held: one hash per set bit of the size, at most 64.
//! A record's hash is its leaf; adding it costs one more hash on average. A checkpoint signs the root.

use sha2::{Digest, Sha256};

/// The right edge of a growing tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    size: u64,
    /// Roots of complete subtrees, the largest first.
    edge: Vec<[u8; 32]>,
}

impl Tree {
    /// Rebuilds a tree from its size and edge; `None` if they do not belong together.
    pub(crate) fn from_parts(size: u64, edge: Vec<[u8; 32]>) -> Option<Self> {
        (edge.len() == size.count_ones() as usize).then_some(Self { size, edge })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn edge(&self) -> &[[u8; 32]] {
        &self.edge
    }

    /// Adds a record by its hash, which is a leaf hash already.
    pub(crate) fn push(&mut self, record_hash: &[u8; 32]) {
        let mut node = *record_hash;
        for _ in 0..self.size.trailing_ones() {
            let left = self.edge.pop().expect("the edge has one root per set bit of the size");
            node = join(&left, &node);
        }
        self.edge.push(node);
        self.size += 1;
    }

    /// The root over all leaves.
    pub(crate) fn root(&self) -> [u8; 32] {
        let mut from_right = self.edge.iter().rev();
        match from_right.next() {
            None => Sha256::digest([]).into(),
            Some(last) => from_right.fold(*last, |right, left| join(left, &right)),
        }
    }
}

fn join(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962 2.1 over leaf hashes, word for word: split at the largest power of two below n.
    fn by_definition(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
                join(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn the_edge_gives_the_root_of_the_definition() {
        let leaves: Vec<[u8; 32]> = (0..70u8).map(|n| [n; 32]).collect();
        let mut tree = Tree::default();
        for n in 0..=leaves.len() {
            assert_eq!(tree.root(), by_definition(&leaves[..n]), "{n} leaves");
            let again = Tree::from_parts(tree.size(), tree.edge().to_vec()).unwrap();
            assert_eq!(again, tree);
            leaves.get(n).iter().for_each(|leaf| tree.push(leaf));
        }
    }
}
