//! Integrity of absence: for each (tenant, table) how many rows there are and an additive keyed hash of them.
//!
//! A lost override row would revive a destroyed key, and no seal on the other rows would tell. The hash is
//! over the logical row, not over its sealed bytes: the sums of two nodes at the same index are equal.

use imbl::OrdMap;
use model::sealer::ROW_PRF_LEN;

use crate::codec::records::Table;

/// The tenant's prefix and the table's number.
pub(crate) type TableId = [u8; ROW_PRF_LEN + 1];

/// The sums of all tables and of everything together. Cloning is cheap: a step works on a clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) tables: OrdMap<TableId, Table>,
    pub(crate) total: Table,
}

impl Sums {
    pub(crate) fn add(&mut self, table: TableId, hash: &[u8; 32]) {
        let sum = self.tables.entry(table).or_default();
        *sum = Table { rows: sum.rows + 1, sum: add(&sum.sum, hash) };
        self.total = Table { rows: self.total.rows + 1, sum: add(&self.total.sum, hash) };
    }

    /// Takes a row away; false if the table never held it, which cannot be. An empty table leaves nothing.
    pub(crate) fn subtract(&mut self, table: TableId, hash: &[u8; 32]) -> bool {
        let sum = self.table(&table);
        let (Some(rows), Some(all)) = (sum.rows.checked_sub(1), self.total.rows.checked_sub(1)) else {
            return false;
        };
        let left = Table { rows, sum: subtract(&sum.sum, hash) };
        self.total = Table { rows: all, sum: subtract(&self.total.sum, hash) };
        if rows > 0 {
            self.tables.insert(table, left);
            return true;
        }
        self.tables.remove(&table);
        left == Table::default()
    }

    pub(crate) fn table(&self, table: &TableId) -> Table {
        self.tables.get(table).copied().unwrap_or_default()
    }
}

/// a + b modulo 2²⁵⁶, big-endian.
fn add(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut carry = false;
    for i in (0..32).rev() {
        let (sum, first) = a[i].overflowing_add(b[i]);
        let (sum, second) = sum.overflowing_add(u8::from(carry));
        (out[i], carry) = (sum, first || second);
    }
    out
}

/// a − b modulo 2²⁵⁶, big-endian.
fn subtract(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut borrow = false;
    for i in (0..32).rev() {
        let (difference, first) = a[i].overflowing_sub(b[i]);
        let (difference, second) = difference.overflowing_sub(u8::from(borrow));
        (out[i], borrow) = (difference, first || second);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn carries_and_borrows_run_through_and_wrap() {
        let one = add(&[0; 32], &{
            let mut one = [0; 32];
            one[31] = 1;
            one
        });
        assert_eq!(add(&[0xff; 32], &one), [0; 32]);
        assert_eq!(subtract(&[0; 32], &one), [0xff; 32]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn order_does_not_matter_and_taking_away_undoes(hashes: Vec<[u8; 32]>, extra: [u8; 32]) {
            let table = [7; ROW_PRF_LEN + 1];
            let (mut forward, mut backward) = (Sums::default(), Sums::default());
            hashes.iter().for_each(|hash| forward.add(table, hash));
            hashes.iter().rev().for_each(|hash| backward.add(table, hash));
            prop_assert_eq!(&forward, &backward);
            let before = forward.clone();
            forward.add(table, &extra);
            prop_assert_ne!(&before, &forward);
            prop_assert!(forward.subtract(table, &extra));
            prop_assert_eq!(before, forward);
        }

        #[test]
        fn nothing_is_taken_from_an_empty_table(hash: [u8; 32]) {
            prop_assert!(!Sums::default().subtract([0; ROW_PRF_LEN + 1], &hash));
        }
    }
}
