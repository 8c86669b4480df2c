//! One derivation after the other on one node, each tried once: whatever is not a key is a miss.

use std::time::Duration;

use client::{Client, KeyRequest};
use tokio::time::sleep;

use super::line::Line;
use super::{Desk, Probes};
use crate::environment::{Environment, Tenant};
use crate::timeline::Miss;

/// Between two derivations.
const PAUSE: Duration = Duration::from_millis(10);
/// Most misses kept of one node: a node that is away for long misses the same again and again.
const MISSES_MAX: usize = 20_000;

/// The probe of one node.
pub struct Probe {
    node: usize,
    line: Line,
    identifier: String,
}

impl Probe {
    /// Makes a key to be derived again and again.
    pub async fn new(environment: &Environment, node: usize) -> anyhow::Result<Self> {
        let settings = environment.settings(Tenant::A, &[node], super::READ_TIMEOUT)?;
        let (identifier, _) = Client::new(&settings)?.create_and_get(&KeyRequest::aes256()).await?;
        Ok(Self { node, line: Line::new(environment, node)?, identifier })
    }

    /// Derives until told to stop.
    pub async fn run(mut self, probes: Probes, desk: Desk) -> anyhow::Result<()> {
        while desk.is_open() {
            let begun = desk.ledger.now();
            let answer = self.line.get(&self.identifier).await;
            let missed = match answer {
                Ok(Ok(())) => None,
                Ok(Err(refused)) => Some(refused),
                Err(error) => Some(format!("{error:#}")),
            };
            let ended = desk.ledger.now();
            probes.with(self.node, |probed| match missed {
                None => {
                    probed.succeeded += 1;
                    probed.slowest = probed.slowest.max(ended - begun);
                    probed.last_success = Some((begun, ended));
                }
                Some(why) if probed.missed.len() < MISSES_MAX => {
                    probed.missed.push(Miss { node: self.node, begun, ended, why });
                }
                Some(_) => {}
            });
            sleep(PAUSE).await;
        }
        Ok(())
    }
}
