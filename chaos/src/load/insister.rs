//! Asks a node that is cut off, again and again, for what was withdrawn after the cut: it cannot have heard of it,
//! and must not give it all the same.

use std::time::Duration;

use tokio::time::sleep;

use super::Desk;
use super::line::Line;
use crate::environment::Environment;
use crate::invariants::{Promise, Verdict};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(1);
/// Between two looks while no node is cut off, or nothing was withdrawn yet.
const PAUSE_IDLE: Duration = Duration::from_millis(20);

/// The insister of one node.
pub struct Insister {
    node: usize,
    line: Line,
}

impl Insister {
    /// One for a node.
    pub fn new(environment: &Environment, node: usize) -> anyhow::Result<Self> {
        Ok(Self { node, line: Line::new(environment, node)? })
    }

    /// Asks until told to stop.
    pub async fn run(mut self, mut desk: Desk) -> anyhow::Result<()> {
        while desk.is_open() {
            sleep(PAUSE).await;
            let withdrawn = desk.ledger.withdrawn_unheard(self.node);
            if withdrawn.is_empty() {
                sleep(PAUSE_IDLE).await;
                continue;
            }
            let index = withdrawn[desk.random.index(withdrawn.len())];
            let Some(identifier) = desk.ledger.object(index).identifier else { continue };
            let begun = desk.ledger.now();
            if let Ok(answer) = self.line.get(&identifier).await {
                let held = match answer {
                    Ok(()) => Err(format!(
                        "node {}, cut off, gave a key withdrawn before {} ms of the run",
                        self.node,
                        begun.as_millis()
                    )),
                    Err(_) => Ok(()),
                };
                desk.ledger.insisted(Verdict { promise: Promise::I2, held }, index);
            }
        }
        Ok(())
    }
}
