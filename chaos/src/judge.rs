//! After the faults: the cluster must heal, serve, and have lost nothing.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use client::{Client, KeyRequest};
use kmip::Attribute;
use rustix::process::Signal;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, NODES};
use crate::environment::Tenant;
use crate::invariants::{Promise, Verdict, durability};
use crate::ledger::{Answer, Ledger, Read};
use crate::load::{WRITE_TIMEOUT, pinned};
use chaos::random;

/// Until every node must serve reads and writes again.
const HEAL_TIMEOUT: Duration = Duration::from_secs(60);
/// Objects looked at in parallel.
const JUDGES: usize = 12;
/// Objects looked at again after all nodes were killed: a sample, spread evenly.
const SAMPLE: usize = 300;

/// How much was looked at in the end.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Settled {
    /// Objects.
    pub objects: usize,
    /// Gets, each on another node.
    pub gets: usize,
    /// Locates by name.
    pub searches: usize,
}

/// Starts what is down and waits until every node serves reads and writes.
pub async fn heal(cluster: &mut Cluster) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    for node in 0..NODES {
        if cluster.is_frozen(node) {
            cluster.signal(node, Signal::CONT)?;
        } else if !cluster.is_running(node) {
            cluster.start_again(node)?;
        }
    }
    for (node, client) in pinned(cluster.environment(), Tenant::A, HEAL_TIMEOUT)?.into_iter().enumerate() {
        let serves =
            || format!("node {node} does not serve; its log ends with:\n{}", cluster.last_words(node));
        client.create_and_get(&KeyRequest::aes256()).await.with_context(serves)?;
        writes_again(&client, begun).await.with_context(serves)?;
    }
    Ok(begun.elapsed())
}

/// Names are random, so that a repeated attempt is another object.
async fn writes_again(client: &Client, begun: Instant) -> anyhow::Result<()> {
    loop {
        let name = format!("healed-{}", random::fresh_seed());
        match client.create(&KeyRequest::aes256().named(&name)).await {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() > HEAL_TIMEOUT => return Err(error.into()),
            Err(_) => {}
        }
    }
}

/// Kills every node at once, starts all, waits until they serve.
pub async fn kill_and_start_all(cluster: &mut Cluster) -> anyhow::Result<()> {
    for node in 0..NODES {
        cluster.signal(node, Signal::KILL)?;
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while (0..NODES).any(|node| cluster.is_running(node)) {
        if Instant::now() > deadline {
            bail!("a node survived kill -9");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    heal(cluster).await.map(drop)
}

/// Looks at every object on every node.
pub async fn settle(cluster: &Cluster, ledger: &Ledger) -> anyhow::Result<Settled> {
    look_at(cluster, ledger, 1).await
}

/// Looks at a sample again.
pub async fn settle_again(cluster: &Cluster, ledger: &Ledger) -> anyhow::Result<Settled> {
    look_at(cluster, ledger, ledger.len().div_ceil(SAMPLE).max(1)).await
}

/// Looks at every `step`-th object, by several judges at once.
async fn look_at(cluster: &Cluster, ledger: &Ledger, step: usize) -> anyhow::Result<Settled> {
    let objects = ledger.len();
    let mut judges = JoinSet::new();
    for first in 0..JUDGES {
        let clients = pinned(cluster.environment(), Tenant::A, WRITE_TIMEOUT)?;
        let ledger = ledger.clone();
        judges.spawn(async move {
            let mut settled = Settled::default();
            for index in (0..objects).step_by(step).skip(first).step_by(JUDGES) {
                let judge = Judge { clients: &clients, ledger: &ledger, index };
                judge.look(&mut settled).await.with_context(|| format!("object {index}"))?;
            }
            anyhow::Ok(settled)
        });
    }
    let mut all = Settled::default();
    while let Some(settled) = judges.join_next().await {
        let settled = settled.context("a judge panicked")??;
        all.objects += settled.objects;
        all.gets += settled.gets;
        all.searches += settled.searches;
    }
    Ok(all)
}

/// Looks at one object. Every node must answer now; one that does not ends the run.
struct Judge<'a> {
    clients: &'a [Client],
    ledger: &'a Ledger,
    index: usize,
}

impl Judge<'_> {
    async fn look(&self, settled: &mut Settled) -> anyhow::Result<()> {
        let object = self.ledger.object(self.index);
        settled.objects += 1;
        let mut identifier = object.identifier.clone();
        if let Some(name) = &object.name {
            settled.searches += 1;
            let client = &self.clients[self.index % self.clients.len()];
            let found = client.locate(vec![Attribute::Name(name.as_str().into())]).await?;
            self.note(durability::judge_search(&object, &found));
            // A write of unknown outcome that did happen is held to what it made.
            identifier = identifier.or_else(|| found.into_iter().next());
        }
        let Some(identifier) = identifier else { return Ok(()) };
        self.ledger.adopt(self.index, &identifier);
        let mut answers = Vec::new();
        for (node, client) in self.clients.iter().enumerate() {
            settled.gets += 1;
            let begun = self.ledger.now();
            let answer = match client.get(&identifier).await {
                Ok(key) => Answer::Key(self.ledger.fingerprint(&key)),
                Err(client::Error::Refused { reason, .. }) => Answer::Refused(reason),
                Err(error) => {
                    return Err(error).with_context(|| format!("Get on node {node}, after healing"));
                }
            };
            answers.push(Read { node, begun, ended: self.ledger.now(), answer });
            if object.activated.is_some() && object.destroyed.is_none() {
                let state = client.state(&identifier).await?;
                self.note(durability::judge_state(&object, state));
            }
        }
        for read in &answers {
            self.ledger.judge_read(self.index, read);
        }
        self.note(agree(&answers));
        Ok(())
    }

    fn note(&self, verdict: Option<Verdict>) {
        verdict.into_iter().for_each(|verdict| self.ledger.note(verdict, self.index));
    }
}

/// With nothing going on, every node says the same, also about an object of unknown fate.
fn agree(reads: &[Read]) -> Option<Verdict> {
    let first = reads.first()?;
    let differs = reads.iter().find(|read| read.answer != first.answer);
    let held = match differs {
        None => Ok(()),
        Some(other) => Err(format!(
            "node {} says {:?}, node {} says {:?}",
            first.node, first.answer, other.node, other.answer
        )),
    };
    Some(Verdict { promise: Promise::I3, held })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::read;
    use crate::ledger::Fingerprint;

    #[test]
    fn nodes_must_agree() {
        let key = |key| read(1, 2, Answer::Key(Fingerprint(key)));
        let held = |reads: &[Read]| agree(reads).map(|verdict| verdict.held.is_ok());
        assert_eq!(held(&[key(1), key(1)]), Some(true));
        assert_eq!(held(&[key(1), key(2)]), Some(false));
        let refused = read(1, 2, Answer::Refused(kmip::ResultReason::ItemNotFound));
        assert_eq!(held(&[refused, key(1)]), Some(false));
    }
}
