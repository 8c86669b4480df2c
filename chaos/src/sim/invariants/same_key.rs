//! I3: one identifier has one key: on every node, before and after every restart.

use crate::promise::Promise;
use crate::sim::ledger::{Answer, Book, Verdict};

/// Put to the test from the second answer on.
pub fn judge(book: &Book, answer: &Answer) -> Option<Verdict> {
    let known = book.keys[answer.key].fingerprint?;
    let held = match known == answer.fingerprint {
        true => Ok(()),
        false => Err(format!("node {} has other bytes for key {}", answer.node, answer.key)),
    };
    Some(Verdict { promise: Promise::I3, held })
}
