//! I5: what was acknowledged is there, on every node; what surely failed is not; all nodes hold one state.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use crate::outcome::Outcome;
use crate::promise::Promise;
use crate::sim::ledger::Verdict;
use crate::sim::realm;
use crate::sim::world::World;

/// Until nodes that nothing happens to hold the same state.
const AGREE_MAX: Duration = Duration::from_secs(5);

/// Looks at every node, once all is well again.
pub async fn judge(world: &World) -> anyhow::Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    for at in world.up() {
        let process = world.running(at).context("it ran a moment ago")?;
        let generation = process.store.read_index().await?;
        let book = world.ledger.book();
        let mut test = |held| verdicts.push(Verdict { promise: Promise::I5, held });
        let tenant = world.realm.tenants[0].handle;
        for (number, outcome) in &book.registered {
            let there = generation.state.service_named(tenant, &realm::another_name(*number)).is_some();
            test(fits(*outcome, there).map_err(|what| format!("service {number} {what} on node {at}")));
        }
        for (key, facts) in world.realm.keys.iter().zip(&book.keys) {
            let Some(outcome) = facts.destruction else { continue };
            let object = generation.state.object(world.realm.tenant_of(key).handle, &key.uid);
            let there = object.is_some_and(|object| object.lifecycle.state.is_destroyed());
            test(
                fits(outcome, there)
                    .map_err(|what| format!("the destruction of {} {what} on node {at}", key.uid)),
            );
        }
    }
    verdicts.push(Verdict { promise: Promise::I5, held: agree(world).await });
    Ok(verdicts)
}

fn fits(outcome: Outcome, there: bool) -> Result<(), &'static str> {
    match (outcome, there) {
        (Outcome::Ok, false) => Err("was acknowledged and is lost"),
        (Outcome::Failed, true) => Err("was said to have failed and is there"),
        _ => Ok(()),
    }
}

async fn agree(world: &World) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let all = world
            .up()
            .into_iter()
            .filter_map(|at| world.running(at))
            .map(|process| process.store.generation());
        let all: Vec<_> = all.collect();
        let equal = |pair: &[std::sync::Arc<raft_store::Gen>]| {
            pair[0].index == pair[1].index && pair[0].state == pair[1].state
        };
        if all.windows(2).all(equal) {
            return Ok(());
        }
        if begun.elapsed() > AGREE_MAX {
            let at: Vec<_> = all.iter().map(|generation| generation.index).collect();
            return Err(format!("the nodes hold different states, at {at:?}"));
        }
        sleep(Duration::from_millis(20)).await;
    }
}
