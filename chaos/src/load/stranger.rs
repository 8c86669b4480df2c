//! tenant-b, who asks every node for tenant-a's objects, by identifier and by name.

use std::time::Duration;

use anyhow::Context as _;
use client::{Client, KeyRequest};
use kmip::Attribute;
use tokio::time::sleep;

use super::{Desk, reader};
use crate::invariants::isolation;
use crate::ledger::Outcome;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(15);

/// Tries until told to stop. A stranger that is refused everything proves nothing, so its own key must be
/// served to begin with.
pub async fn try_doors(clients: Vec<Client>, mut desk: Desk) -> anyhow::Result<()> {
    let (own, _) = clients[0].create_and_get(&KeyRequest::aes256()).await.context("tenant-b gets no key")?;
    clients[0].get(&own).await.context("tenant-b does not get its own key back")?;
    while desk.is_open() {
        sleep(PAUSE).await;
        let length = desk.ledger.len();
        if length == 0 {
            continue;
        }
        let index = desk.random.index(length);
        let object = desk.ledger.object(index);
        let node = desk.random.index(clients.len());
        if let Some(identifier) = &object.identifier {
            let read = reader::get(&clients[node], &desk.ledger, node, identifier).await;
            isolation::judge(&read.answer).into_iter().for_each(|verdict| desk.ledger.note(verdict, index));
        }
        if let Some(name) = object.name {
            let found = clients[node].locate(vec![Attribute::Name(name.as_str().into())]).await;
            desk.ledger
                .count("locate-as-stranger", if found.is_ok() { Outcome::Ok } else { Outcome::Unknown });
            if let Ok(found) = found {
                desk.ledger.note(isolation::judge_search(&found), index);
            }
        }
    }
    Ok(())
}
