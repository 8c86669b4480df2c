//! Metadata is linearizable: writes and reads of a tenant's labels, from any node, as one register.

use crate::linearizable::is_linearizable;
use crate::promise::Promise;
use crate::sim::ledger::{Book, Verdict};

/// Searches an order for the history of each register.
pub fn judge(book: &Book) -> Vec<Verdict> {
    let test = |(register, history): (usize, &Vec<_>)| {
        let held = match is_linearizable(0, history) {
            true => Ok(()),
            false => Err(format!("the history of register {register} is not linearizable: {history:?}")),
        };
        Verdict { promise: Promise::I5, held }
    };
    book.registers.iter().enumerate().map(test).collect()
}
