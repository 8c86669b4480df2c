//! The promises, one file each: pure functions from what is known and what was seen.
//!
//! | | |
//! |---|---|
//! | I1 | [`isolation`]: nobody gets another tenant's key |
//! | I2 | [`withdrawal`]: nothing begun after a withdrawal was acknowledged is answered with the key; [`lease`]: a node that is cut off falls silent in time, and no answer outlives its lease; [`cold`]: what is withdrawn is not kept hot |
//! | I3 | [`same_key`]: one identifier, one key; [`lineage`]: nothing is handed out again after a restore |
//! | I4 | [`audited`]: every answer has a durable record |
//! | I5 | [`durability`]: what was acknowledged is there, on every node alike; [`registers`]: metadata is linearizable |

pub mod audited;
pub mod cold;
pub mod durability;
pub mod isolation;
pub mod lease;
pub mod lineage;
pub mod registers;
pub mod same_key;
pub mod withdrawal;

use super::ledger::{Answer, Book, Verdict};

/// Every promise that this answer puts to the test. `service` is the key's, as (tenant, service).
pub fn judge(book: &Book, answer: &Answer, service: (usize, usize)) -> Vec<Verdict> {
    let held = [
        Some(isolation::judge(answer)),
        withdrawal::judge(book, answer, service),
        same_key::judge(book, answer),
    ];
    held.into_iter().flatten().chain(lease::judge(book, answer)).collect()
}
