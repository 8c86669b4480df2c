//! Durable writes with few and with many clients: etcd and keyraft by turns, in the same minutes.
//!
//! Each write is one that its cluster acknowledges when a quorum has it on disk. etcd's is a put over its JSON
//! gateway, without TLS. keyraft's is a Create with a Name over mutual TLS: a replicated row, and an audit record
//! that is on the answering node's disk before the answer leaves.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use chaos::cluster::{Cluster, NODES};
use chaos::environment::Tenant;
use client::{Client, KeyRequest};
use serde_json::{Value, json};

use super::members::{Etcd, MEMBERS, agent, put};

// One client is a fair comparison only where both have as many to ask.
const _: () = assert!(MEMBERS == NODES);

/// How many write at once.
const CLIENTS: [usize; 3] = [1, 16, 64];
/// How long each has its turn.
const TURN: Duration = Duration::from_secs(5);
/// Longest write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// What etcd stores: about as much as keyraft writes for a named key, in base64.
const VALUE_CHARS: usize = 400;

/// How long each write of a turn took.
type Took = Vec<Duration>;

/// Lets both write by turns; a row per number of clients.
///
/// # Errors
/// A cluster does not start, or refuses a write.
#[allow(clippy::print_stdout)] // progress for whoever waits
pub fn measure(etcd: &Etcd, keyraft: &Path, rounds: u32) -> anyhow::Result<Vec<Value>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut cluster = runtime.block_on(Cluster::start(keyraft, false))?;
    let mut rows = Vec::new();
    for clients in CLIENTS {
        let (mut theirs, mut ours) = (Took::new(), Took::new());
        for round in 0..rounds {
            theirs.extend(turn_of_etcd(etcd, clients, round)?);
            ours.extend(runtime.block_on(turn_of_keyraft(&cluster, clients, round))?);
        }
        let turns = f64::from(rounds) * TURN.as_secs_f64();
        let [their_rate, our_rate] = [&theirs, &ours].map(|took| took.len() as f64 / turns);
        println!(
            "etcd: {clients:>3} clients  etcd {their_rate:.0} writes/s, keyraft {our_rate:.0}: {:.2} of etcd's",
            our_rate / their_rate
        );
        rows.push(json!({
            "clients": clients,
            "etcd": figures_of(theirs, their_rate),
            "keyraft": figures_of(ours, our_rate),
        }));
    }
    runtime.block_on(cluster.stop())?;
    Ok(rows)
}

fn figures_of(mut took: Took, per_s: f64) -> Value {
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len() * percent / 100).map(Duration::as_micros);
    json!({ "per_s": per_s.round() as u64, "p50_us": at(50), "p95_us": at(95) })
}

/// Whom a client asks. A client alone asks one after the other, turn by turn: only one of them leads.
fn asks(client: usize, round: u32) -> usize {
    (client + round as usize) % NODES
}

fn turn_of_etcd(etcd: &Etcd, clients: usize, round: u32) -> anyhow::Result<Took> {
    let until = Instant::now() + TURN;
    let value = "A".repeat(VALUE_CHARS);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..clients)
            .map(|client| {
                let (address, value) = (etcd.client(asks(client, round)), &value);
                scope.spawn(move || {
                    let agent = agent();
                    let mut took = Took::new();
                    while Instant::now() < until {
                        // Four digits of base64 stand for three bytes, so any such number is a key.
                        let key = format!("{round:04}{client:04}{:08}", took.len());
                        let begun = Instant::now();
                        put(&agent, &address, &key, value)?;
                        took.push(begun.elapsed());
                    }
                    anyhow::Ok(took)
                })
            })
            .collect();
        let ended =
            writers.into_iter().map(|writer| writer.join().map_err(|_| anyhow!("a writer panicked"))?);
        ended.collect::<anyhow::Result<Vec<Took>>>().map(|all| all.concat())
    })
    .context("etcd refused a write")
}

async fn turn_of_keyraft(cluster: &Cluster, clients: usize, round: u32) -> anyhow::Result<Took> {
    let until = Instant::now() + TURN;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..clients {
        let settings = cluster.environment().settings(Tenant::A, &[asks(number, round)], WRITE_TIMEOUT)?;
        let client = Client::new(&settings)?;
        writers.spawn(async move {
            let mut took = Took::new();
            while Instant::now() < until {
                let name = format!("writes-{clients}-{round}-{number}-{}", took.len());
                let begun = Instant::now();
                client.create(&KeyRequest::aes256().named(&name)).await?;
                took.push(begun.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut all = Took::new();
    while let Some(took) = writers.join_next().await {
        all.extend(took.context("a writer panicked")?.context("keyraft refused a write")?);
    }
    Ok(all)
}
