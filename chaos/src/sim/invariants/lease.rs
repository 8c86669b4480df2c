//! I2 for what a node decides by itself: one that is cut off falls silent L/(1 − ρ) + M after the cut, and no
//! answer leaves later than the lease it was decided under allows, whatever held it up.

use std::time::Duration;

use raft_store::lease::class::LeaseLength;
use raft_store::lease::clock::last_serve;

use crate::promise::Promise;
use crate::sim::ledger::{Answer, Book, Verdict};

/// Put to the test by every answer, and once more by those of a node that is cut off.
pub fn judge(book: &Book, answer: &Answer) -> impl Iterator<Item = Verdict> {
    let after_cut = book.cut_off.get(&answer.node).map(|since| {
        let (node, allowed) = (answer.node, last_serve(LeaseLength::DEFAULT.duration()));
        within(answer.ended.saturating_sub(*since), allowed, || {
            format!("node {node} served after it was cut off")
        })
    });
    let after_capture = within(answer.ended.saturating_sub(answer.captured), answer.usable, || {
        format!("node {} answered under a lease it had captured before", answer.node)
    });
    after_cut.into_iter().chain([after_capture])
}

fn within(took: Duration, allowed: Duration, what: impl FnOnce() -> String) -> Verdict {
    let held = match took <= allowed {
        true => Ok(()),
        false => Err(format!("{}: {took:?}, more than {allowed:?}", what())),
    };
    Verdict { promise: Promise::I2, held }
}
