//! One derivation after the other on one node, each tried once: whatever is not a key is a miss.
//!
//! The other clients are patient and repeat; this one shows every interruption.

use std::time::Duration;

use anyhow::{Context as _, bail};
use client::{Client, Connection, Connector, KeyRequest};
use kmip::message::RequestHeader;
use kmip::ttlv::Limits;
use kmip::{Operation, RequestBuilder, ResponseMessage, ResultStatus, Version, ops};
use tokio::time::{sleep, timeout};

use super::{Desk, Probes};
use crate::environment::{Environment, Tenant};
use crate::timeline::Miss;

/// Between two derivations.
const PAUSE: Duration = Duration::from_millis(10);
/// A derivation slower than this is as good as lost.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Most misses kept of one node: a node that is away for long misses the same again and again.
const MISSES_MAX: usize = 20_000;

/// The probe of one node.
pub struct Probe {
    node: usize,
    connector: Connector,
    request: Vec<u8>,
}

impl Probe {
    /// Makes a key to be derived again and again.
    pub async fn new(environment: &Environment, node: usize) -> anyhow::Result<Self> {
        let settings = environment.settings(Tenant::A, &[node], super::READ_TIMEOUT)?;
        let (identifier, _) = Client::new(&settings)?.create_and_get(&KeyRequest::aes256()).await?;
        let connector = Connector::all(&settings)?.pop().context("no node")?;
        let mut request = Vec::new();
        let mut builder = RequestBuilder::new(&mut request, &RequestHeader::new(Version::V1_4));
        let get = ops::get::Request { unique_identifier: Some(identifier.into()), ..Default::default() };
        builder.item(Operation::Get, None, &get);
        builder.finish();
        Ok(Self { node, connector, request })
    }

    /// Derives until told to stop.
    pub async fn run(self, probes: Probes, desk: Desk) -> anyhow::Result<()> {
        let mut line = None;
        while desk.is_open() {
            let begun = desk.ledger.now();
            let outcome = match timeout(TIMEOUT, self.derive(&mut line)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(anyhow::anyhow!("no answer within {} ms", TIMEOUT.as_millis())),
            };
            let ended = desk.ledger.now();
            if outcome.is_err() {
                line = None;
            }
            probes.with(self.node, |probed| match outcome {
                Ok(()) => {
                    probed.succeeded += 1;
                    probed.slowest = probed.slowest.max(ended - begun);
                    probed.last_success = Some((begun, ended));
                }
                Err(error) if probed.missed.len() < MISSES_MAX => {
                    probed.missed.push(Miss { node: self.node, begun, ended, why: format!("{error:#}") });
                }
                Err(_) => {}
            });
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn derive(&self, line: &mut Option<Connection>) -> anyhow::Result<()> {
        let connection = match line {
            Some(connection) => connection,
            None => line.insert(self.connector.open().await?),
        };
        let answer = connection.exchange(&self.request).await?;
        let answer = ResponseMessage::decode(answer, &Limits::DEFAULT)?;
        match answer.items.first() {
            Some(item) if item.status == ResultStatus::Success => Ok(()),
            Some(item) => bail!("{}", item.message.as_deref().unwrap_or("refused without a message")),
            None => bail!("an empty answer"),
        }
    }
}
