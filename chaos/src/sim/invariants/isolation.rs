//! I1: no tenant is ever given another's key.

use crate::promise::Promise;
use crate::sim::ledger::{Answer, Verdict};

/// Every answer is a test: strangers ask all the time.
pub fn judge(answer: &Answer) -> Verdict {
    let held =
        if answer.foreign { Err(format!("node {} gave a key to a stranger", answer.node)) } else { Ok(()) };
    Verdict { promise: Promise::I1, held }
}
