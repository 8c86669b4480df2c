//! Plays the plan of faults: one at a time, and the next only when the struck node serves again. A
//! minority is away at any moment, so every promise must hold throughout.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cluster::{Cluster, NODES};
use crate::faults::{self, Fault, Step, Victim};
use crate::invariants::{Promise, Verdict};
use crate::ledger::{NO_FAULT, Time};
use crate::load::{Load, writer};
use crate::timeline::Strike;

/// Until a node that came back must serve: it replays its log, catches up, and gets a lease.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Until a cluster without a leader must have one: several elections.
const LEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// A node that is cut off has fallen silent after L/(1 − ρ) + M, with the default lease of 3 s.
const LAST_SERVE_MAX: Duration = Duration::from_millis(4_031);
/// Between two looks.
const POLL: Duration = Duration::from_millis(5);
/// Between two writes that look for the end of a pause.
const WRITE_PROBE_PAUSE: Duration = Duration::from_millis(25);

/// Strikes until the time is up; the last fault is healed when this returns.
pub async fn rage(
    cluster: &mut Cluster,
    load: &Load,
    faults: &[&'static Fault],
    seed: u64,
    duration: Duration,
) -> anyhow::Result<Vec<Strike>> {
    let end = Instant::now() + duration;
    let mut strikes = Vec::new();
    for step in faults::plan(faults, seed, NODES) {
        if Instant::now() + step.pause >= end {
            break;
        }
        sleep(step.pause).await;
        strikes.push(strike(cluster, load, &step).await?);
    }
    sleep(end.saturating_duration_since(Instant::now())).await;
    Ok(strikes)
}

#[allow(clippy::print_stdout)] // progress for whoever waits
async fn strike(cluster: &mut Cluster, load: &Load, step: &Step) -> anyhow::Result<Strike> {
    let leader = leader(cluster).await?;
    let node = match step.fault.victim {
        Victim::Any => step.node,
        Victim::Joined => step.node.max(1),
        Victim::Leader => leader,
    };
    let was_leader = node == leader;
    let struck = load.ledger().now();
    load.ledger().set_fault(step.fault.name);
    (step.fault.strike)(cluster, node)?;
    load.ledger().set_cut_off(step.fault.cuts_off.then_some(node));
    let everyone = step.fault.everyone;
    let gap = (was_leader && !everyone && step.fault.at_once).then(|| WriteGap::begin(load, node, struck));
    sleep(step.lasts).await;
    let bitten = (step.fault.has_bitten)(cluster, node);
    let write_gap = match gap {
        Some(gap) => gap.end(step.lasts).await,
        None => None,
    };
    let last_serve = step.fault.cuts_off.then(|| last_serve(load, node, struck));
    load.ledger().set_cut_off(None);
    let healed = load.ledger().now();
    (step.fault.heal)(cluster, node)?;
    let mut ready = serves_again(cluster, load, node, healed).await?;
    for other in (0..NODES).filter(|other| everyone && *other != node) {
        ready = ready.max(serves_again(cluster, load, other, healed).await?);
    }
    load.ledger().set_fault(NO_FAULT);
    let noticed = load.missed_since(node, struck);
    println!(
        "chaos: {:>6.1} s  {} node {node}{}; away {:.1} s, served {:.1} s after its return{}",
        struck.as_secs_f64(),
        step.fault.name,
        if was_leader { " (leader)" } else { "" },
        (healed - struck).as_secs_f64(),
        (ready - healed).as_secs_f64(),
        write_gap.map_or_else(String::new, |gap| format!("; writes paused {:.2} s", gap.as_secs_f64())),
    );
    let fault = step.fault.name;
    Ok(Strike {
        fault,
        node,
        everyone,
        was_leader,
        struck,
        healed,
        ready,
        bitten,
        noticed,
        last_serve,
        write_gap,
    })
}

/// How long a node that is cut off went on giving keys; more than its lease allows breaks I2.
fn last_serve(load: &Load, node: usize, struck: Time) -> Duration {
    let after = load.last_answer(node).unwrap_or_default().saturating_sub(struck);
    let held = match after <= LAST_SERVE_MAX {
        true => Ok(()),
        false => Err(format!("node {node} gave a key {after:?} after it was cut off")),
    };
    load.ledger().note_general(Verdict { promise: Promise::I2, held });
    after
}

async fn leader(cluster: &Cluster) -> anyhow::Result<usize> {
    let deadline = Instant::now() + LEADER_TIMEOUT;
    loop {
        if let Some(leader) = cluster.leader().await {
            return Ok(leader);
        }
        if Instant::now() > deadline {
            bail!("no leader within {} s, with every node up", LEADER_TIMEOUT.as_secs());
        }
        sleep(POLL).await;
    }
}

async fn serves_again(cluster: &Cluster, load: &Load, node: usize, healed: Time) -> anyhow::Result<Time> {
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        if let Some(ready) = load.answered_since(node, healed) {
            return Ok(ready);
        }
        if Instant::now() > deadline {
            let (words, secs) = (cluster.last_words(node), READY_TIMEOUT.as_secs());
            bail!("node {node} did not serve within {secs} s of its return; its log ends with:\n{words}");
        }
        sleep(POLL).await;
    }
}

/// Writes to the other nodes, again and again, until one is acknowledged that began after the strike.
struct WriteGap {
    struck: Time,
    probing: tokio::task::JoinHandle<anyhow::Result<Time>>,
}

impl WriteGap {
    fn begin(load: &Load, struck_node: usize, struck: Time) -> Self {
        let ledger = load.ledger().clone();
        let others: Vec<_> =
            (0..NODES).filter(|node| *node != struck_node).map(|node| load.writer(node)).collect();
        let probing = tokio::spawn(async move {
            let mut writes = JoinSet::new();
            for round in 0_u64.. {
                for (which, client) in others.iter().enumerate() {
                    let (client, ledger) = (client.clone(), ledger.clone());
                    let name = format!("gap-{}-{round}-{which}", struck.as_micros());
                    writes.spawn(async move {
                        let made = writer::create_named(&client, &ledger, &name).await;
                        made.map(|_| ledger.now())
                    });
                }
                sleep(WRITE_PROBE_PAUSE).await;
                while let Some(done) = writes.try_join_next() {
                    if let Some(at) = done.context("a write panicked")? {
                        writes.detach_all();
                        return Ok(at);
                    }
                }
            }
            bail!("unreachable: the rounds do not end")
        });
        Self { struck, probing }
    }

    /// The pause, or `None` when it outlasted the fault by more than an election's worth.
    async fn end(self, lasted: Duration) -> Option<Duration> {
        let patience = LEADER_TIMEOUT.saturating_sub(lasted);
        let abort = self.probing.abort_handle();
        let Ok(Ok(Ok(at))) = tokio::time::timeout(patience, self.probing).await else {
            abort.abort();
            return None;
        };
        Some(at.saturating_sub(self.struck))
    }
}
