//! One connection to one node, on which a Get is tried once: whatever is not an answer shows.
//!
//! The other clients are patient, and repeat; this one hides nothing.

use std::time::Duration;

use anyhow::Context as _;
use client::{Connection, Connector};
use kmip::message::RequestHeader;
use kmip::ttlv::Limits;
use kmip::{Operation, RequestBuilder, ResponseMessage, ResultStatus, Version, ops};
use tokio::time::timeout;

use crate::environment::{Environment, Tenant};

/// An answer that takes longer is as good as none.
const TIMEOUT: Duration = Duration::from_secs(2);

/// To one node, for tenant-a.
pub struct Line {
    connector: Connector,
    open: Option<Connection>,
    request: Vec<u8>,
}

impl Line {
    /// To a node; it connects when it is used.
    pub fn new(environment: &Environment, node: usize) -> anyhow::Result<Self> {
        let settings = environment.settings(Tenant::A, &[node], super::READ_TIMEOUT)?;
        let connector = Connector::all(&settings)?.pop().context("no node")?;
        Ok(Self { connector, open: None, request: Vec::new() })
    }

    /// Asks for a key: `Ok` if it was given, the node's words if it was refused.
    ///
    /// # Errors
    /// No answer: the connection is made anew the next time.
    pub async fn get(&mut self, identifier: &str) -> anyhow::Result<Result<(), String>> {
        self.request.clear();
        let mut builder = RequestBuilder::new(&mut self.request, &RequestHeader::new(Version::V1_4));
        let get = ops::get::Request { unique_identifier: Some(identifier.into()), ..Default::default() };
        builder.item(Operation::Get, None, &get);
        builder.finish();
        let answer = match timeout(TIMEOUT, self.exchange()).await {
            Ok(answer) => answer,
            Err(_) => Err(anyhow::anyhow!("no answer within {} ms", TIMEOUT.as_millis())),
        };
        if answer.is_err() {
            self.open = None;
        }
        answer
    }

    async fn exchange(&mut self) -> anyhow::Result<Result<(), String>> {
        let connection = match &mut self.open {
            Some(connection) => connection,
            none => none.insert(self.connector.open().await?),
        };
        let answer = ResponseMessage::decode(connection.exchange(&self.request).await?, &Limits::DEFAULT)?;
        let item = answer.items.first().context("an empty answer")?;
        Ok(match item.status {
            ResultStatus::Success => Ok(()),
            _ => Err(item.message.as_deref().unwrap_or("refused without a message").to_owned()),
        })
    }
}
