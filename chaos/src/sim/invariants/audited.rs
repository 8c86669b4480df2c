//! I4: whatever was answered is in the answering node's audit log, after everything that happened to it.

use crate::promise::Promise;
use crate::sim::ledger::Verdict;
use crate::sim::world::World;

/// Looks every answer up.
pub fn judge(world: &World) -> Vec<Verdict> {
    let answers = world.ledger.book().answers.clone();
    let test = |(node, record): (usize, u64)| {
        let held = match world.node(node).audit.has(record) {
            true => Ok(()),
            false => Err(format!("node {node} answered, and its audit log knows nothing of it")),
        };
        Verdict { promise: Promise::I4, held }
    };
    answers.into_iter().map(test).collect()
}
