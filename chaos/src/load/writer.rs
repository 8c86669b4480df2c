//! Makes, activates and destroys keys, and writes down what came of it.
//!
//! Only the maker of an object changes it: what should be true of it is never a matter of order between
//! two clients.

use std::time::Duration;

use client::{Client, Error, KeyRequest, Material};
use tokio::time::sleep;

use super::Desk;
use crate::ledger::{Fingerprint, Ledger, Object, Outcome, Write, outcome_of};

/// Between two writes: a steady load, not a flood, so that ledger and judging stay short.
const PAUSE: Duration = Duration::from_millis(8);

/// Writes until told to stop.
pub async fn write(client: Client, mut desk: Desk) -> anyhow::Result<()> {
    let mut own = Vec::new();
    while desk.is_open() {
        match desk.random.below(100) {
            0..45 => {
                let name = name(&mut desk, "key");
                own.extend(create_named(&client, &desk.ledger, &name).await);
            }
            45..60 => own.extend(create_ephemeral(&client, &desk.ledger).await),
            60..70 => own.extend(register(&client, &mut desk).await),
            70..80 => activate(&client, &mut desk, &own).await,
            _ => destroy(&client, &mut desk, &mut own).await,
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

fn name(desk: &mut Desk, kind: &str) -> String {
    format!("{kind}-{:016x}", desk.random.next())
}

/// A recorded key: one replicated write. Returns its index if it was acknowledged.
pub async fn create_named(client: &Client, ledger: &Ledger, name: &str) -> Option<usize> {
    let index = ledger.begin_object(Some(name.to_owned()));
    let made = client.create(&KeyRequest::aes256().named(name)).await;
    end(ledger, "create-named", index, made.map(|identifier| (identifier, None)))
}

/// An ephemeral key and its bytes: no write at all.
async fn create_ephemeral(client: &Client, ledger: &Ledger) -> Option<usize> {
    let index = ledger.begin_object(None);
    let made = client.create_and_get(&KeyRequest::aes256()).await;
    let made = made.map(|(identifier, key)| (identifier, Some(ledger.fingerprint(&key))));
    let index = end(ledger, "create-ephemeral", index, made)?;
    ledger.receive(index);
    Some(index)
}

/// Material of our own; its bytes are known from what a first Get returns.
async fn register(client: &Client, desk: &mut Desk) -> Option<usize> {
    let name = name(desk, "registered");
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        chunk.copy_from_slice(&desk.random.next().to_be_bytes());
    }
    let index = desk.ledger.begin_object(Some(name.clone()));
    let made = client.register(&KeyRequest::aes256().named(&name), Material::SymmetricKey(&bytes)).await;
    let fingerprint = desk.ledger.fingerprint_of(&bytes);
    end(&desk.ledger, "register", index, made.map(|identifier| (identifier, Some(fingerprint))))
}

async fn activate(client: &Client, desk: &mut Desk, own: &[usize]) {
    let Some((index, identifier)) = untouched(desk, own) else { return };
    change(&desk.ledger, "activate", index, |object| &mut object.activated, client.activate(&identifier))
        .await;
}

/// Only objects that were never active: those need no Revoke first. Tried once, whatever comes of it.
async fn destroy(client: &Client, desk: &mut Desk, own: &mut Vec<usize>) {
    let Some((index, identifier)) = untouched(desk, own) else { return };
    own.retain(|other| *other != index);
    change(&desk.ledger, "destroy", index, |object| &mut object.destroyed, client.destroy(&identifier)).await;
}

async fn change(
    ledger: &Ledger,
    operation: &'static str,
    index: usize,
    which: fn(&mut Object) -> &mut Option<Write>,
    call: impl Future<Output = Result<(), Error>>,
) {
    ledger.begin_write(index, which);
    let outcome = match call.await {
        Ok(()) => Outcome::Ok,
        Err(error) => outcome_of(&error),
    };
    ledger.end_write(index, which, outcome);
    ledger.count(operation, outcome);
}

/// One of our objects that was neither activated nor destroyed.
fn untouched(desk: &mut Desk, own: &[usize]) -> Option<(usize, String)> {
    if own.is_empty() {
        return None;
    }
    let index = own[desk.random.index(own.len())];
    let object = desk.ledger.object(index);
    let untouched = object.activated.is_none() && object.destroyed.is_none();
    untouched.then_some((index, object.identifier?))
}

fn end(
    ledger: &Ledger,
    operation: &'static str,
    index: usize,
    made: Result<(String, Option<Fingerprint>), Error>,
) -> Option<usize> {
    let outcome = match &made {
        Ok(_) => Outcome::Ok,
        Err(error) => outcome_of(error),
    };
    ledger.end_object(index, outcome, made.ok());
    ledger.count(operation, outcome);
    (outcome == Outcome::Ok).then_some(index)
}
