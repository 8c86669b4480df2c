//! Random histories: cuts, crashes, restarts and writes in any order; then everything heals.
//!
//! Checked at the end: every acknowledged write is on every node, and all nodes hold the same state. A
//! write whose outcome was unknown may be there or not. Checked all the time: no node that holds a lease
//! answers with what was withdrawn and acknowledged (I2).

use std::collections::BTreeSet;
use std::time::Duration;

use model::tenant::TenantState;
use raft_store::ProposeError;
use raft_store::lease::class::LeaseLength;
use tokio::time::{sleep, timeout};

use crate::commands::{create, handle, suspend};
use crate::sim::{Dice, NAMES, Sim, simulate};

const STEPS: usize = 40;

#[test]
fn acknowledged_writes_survive_random_faults() {
    simulate("acknowledged_writes", history);
}

async fn history(dice: Dice) {
    let mut sim = Sim::three(dice.clone()).await;
    let mut acknowledged = BTreeSet::new();
    for number in 0..STEPS as u32 {
        disturb(&mut sim).await;
        let up = sim.up();
        let store = sim.store(up[dice.below(up.len())]).clone();
        match timeout(Duration::from_secs(8), store.propose(create(number, 3_000), None)).await {
            Ok(Ok(_)) => drop(acknowledged.insert(number)),
            Ok(Err(error)) => println!("{number}: {error}"),
            Err(_) => println!("{number}: still waiting"),
        }
    }
    println!("{} of {STEPS} writes acknowledged", acknowledged.len());
    assert!(!acknowledged.is_empty(), "the faults left no time for any write");
    sim.net.heal();
    for at in 0..3 {
        if !sim.is_up(at) {
            sim.start(at).await;
        }
    }
    for (at, name) in NAMES.into_iter().enumerate() {
        let ready = sim.store(at).wait_ready(Duration::from_secs(20)).await;
        assert!(ready.is_ok(), "{name} does not heal: {ready:?} {:?}", sim.store(at).status());
    }
    let mut states = Vec::new();
    for at in 0..3 {
        let generation = sim.store(at).read_index().await.unwrap();
        for number in &acknowledged {
            assert!(generation.state.tenant(handle(*number)).is_some(), "tenant {number} lost on {at}");
        }
        states.push(generation);
    }
    sim.until("equal states", || async {
        let generations: Vec<_> = (0..3).map(|at| sim.store(at).generation()).collect();
        generations.windows(2).all(|pair| pair[0].index == pair[1].index && pair[0].state == pair[1].state)
    })
    .await;
}

#[test]
fn what_was_withdrawn_is_served_nowhere() {
    simulate("what_was_withdrawn", withdrawals);
}

async fn withdrawals(dice: Dice) {
    let mut sim = Sim::three(dice.clone()).await;
    for number in 0..STEPS as u32 {
        sim.store(dice.below(3)).propose(create(number, 3_000), None).await.unwrap();
    }
    let (mut withdrawn, mut served) = (BTreeSet::new(), 0);
    for number in 0..STEPS as u32 {
        disturb(&mut sim).await;
        let up = sim.up();
        let store = sim.store(up[dice.below(up.len())]).clone();
        match timeout(Duration::from_secs(12), store.propose(suspend(number), None)).await {
            Ok(Ok(_)) => drop(withdrawn.insert(number)),
            Ok(Err(error @ ProposeError::BarrierPending { .. })) => println!("{number}: {error}"),
            Ok(Err(_)) | Err(_) => {}
        }
        served += serve(&sim, &withdrawn);
        sleep(Duration::from_millis(dice.roll() % 300)).await;
        served += serve(&sim, &withdrawn);
    }
    println!("{} of {STEPS} withdrawals acknowledged, {served} tenants served", withdrawn.len());
    assert!(!withdrawn.is_empty() && served > 0, "the faults left no time for anything");
}

/// A request for every tenant on every node, as the engine does it; counts what is answered.
fn serve(sim: &Sim, withdrawn: &BTreeSet<u32>) -> usize {
    let mut served = 0;
    for at in sim.up() {
        let store = sim.store(at);
        let Ok(lease) = store.lease().capture() else { continue };
        let generation = store.generation();
        assert!(generation.index >= lease.read_index(), "a lease that its generation does not cover");
        if store.lease().check(lease, LeaseLength::DEFAULT, store.boot_now()).is_err() {
            continue;
        }
        for tenant in generation.state.tenants().filter(|tenant| tenant.state == TenantState::Active) {
            let number = u32::from_be_bytes(tenant.handle.0);
            assert!(!withdrawn.contains(&number), "{} serves withdrawn tenant {number}", NAMES[at]);
            served += 1;
        }
    }
    served
}

/// One fault, or its end, or a little peace. At most one node is down at a time.
async fn disturb(sim: &mut Sim) {
    let at = sim.dice.below(3);
    match sim.dice.below(8) {
        0 => {
            sim.net.heal();
            sim.isolate(at);
        }
        1 => sim.net.cut(NAMES[at], NAMES[(at + 1) % 3]),
        2 | 3 => sim.net.heal(),
        4 if sim.up().len() == 3 => sim.crash(at).await,
        5 | 6 => {
            for at in 0..3 {
                if !sim.is_up(at) {
                    sim.start(at).await;
                }
            }
        }
        _ => sleep(Duration::from_millis(sim.dice.roll() % 1_500)).await,
    }
}
