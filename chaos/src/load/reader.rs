//! Gets what others made, from any node, and holds the answer against the ledger.

use std::time::Duration;

use client::{Client, Error};
use tokio::time::sleep;

use super::Desk;
use crate::ledger::{Answer, Ledger, Outcome, Read};

/// Between two reads.
const PAUSE: Duration = Duration::from_millis(3);
/// While there is nothing to read yet.
const PAUSE_EMPTY: Duration = Duration::from_millis(50);
/// Half of the reads go to the newest objects: what just changed is what breaks.
const NEWEST: usize = 60;

/// Reads until told to stop; the clients are those of the nodes, in their order.
pub async fn read(clients: Vec<Client>, mut desk: Desk) -> anyhow::Result<()> {
    while desk.is_open() {
        match pick(&mut desk) {
            Some((index, identifier)) => {
                let node = desk.random.index(clients.len());
                let read = get(&clients[node], &desk.ledger, node, &identifier).await;
                desk.ledger.count("get", outcome(&read.answer));
                desk.ledger.judge_read(index, &read);
                sleep(PAUSE).await;
            }
            None => sleep(PAUSE_EMPTY).await,
        }
    }
    Ok(())
}

fn pick(desk: &mut Desk) -> Option<(usize, String)> {
    let length = desk.ledger.len();
    if length == 0 {
        return None;
    }
    let index = if desk.random.below(2) == 0 {
        desk.random.index(length)
    } else {
        length - 1 - desk.random.index(length.min(NEWEST))
    };
    Some((index, desk.ledger.object(index).identifier?))
}

/// One Get, with its times.
pub async fn get(client: &Client, ledger: &Ledger, node: usize, identifier: &str) -> Read {
    let begun = ledger.now();
    let answer = match client.get(identifier).await {
        Ok(key) => Answer::Key(ledger.fingerprint(&key)),
        Err(Error::Refused { reason, .. }) => Answer::Refused(reason),
        Err(_) => Answer::Unavailable,
    };
    Read { node, begun, ended: ledger.now(), answer }
}

const fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Answer::Key(_) => Outcome::Ok,
        Answer::Refused(_) => Outcome::Failed,
        Answer::Unavailable => Outcome::Unknown,
    }
}
