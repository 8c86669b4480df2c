//! I2 for a node that is cut off: it falls silent L/(1 − ρ) + M after the cut, whatever it was doing.

use raft_store::lease::class::LeaseLength;
use raft_store::lease::clock::last_serve;

use crate::promise::Promise;
use crate::sim::ledger::{Answer, Book, Verdict};

/// Put to the test by every answer of a node that is cut off.
pub fn judge(book: &Book, answer: &Answer) -> Option<Verdict> {
    let since = *book.cut_off.get(&answer.node)?;
    let after = answer.ended.saturating_sub(since);
    let allowed = last_serve(LeaseLength::DEFAULT.duration());
    let held = match after > allowed {
        true => {
            Err(format!("node {} served {after:?} after it was cut off, more than {allowed:?}", answer.node))
        }
        false => Ok(()),
    };
    Some(Verdict { promise: Promise::I2, held })
}
