//! One seed: a cluster, its faults, its end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic;
use std::sync::{Arc, Once};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep, timeout};

use super::bugs::Bug;
use super::clients::Clients;
use super::dice::Dice;
use super::faults::{ENDINGS, FAULTS, Fault};
use super::invariants::{audited, durability, registers};
use super::serve::request;
use super::still::Still;
use super::trace::Trace;
use super::world::World;
use crate::outcome::Outcome;
use crate::promise::Promise;

/// How long faults strike, simulated.
const FAULTY: Duration = Duration::from_secs(20);
/// Peace before a fault, in milliseconds.
const PEACE_MS: (u64, u64) = (100, 1_200);
/// A run that takes longer, simulated, is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// How long a lost run's tasks may take to end.
const SETTLE: Duration = Duration::from_secs(1);

/// What a run did and met. Equal for equal seeds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Every fault that struck, whether it bit, and how long the cluster took to be in order again.
    pub strikes: Vec<(&'static str, bool, Duration)>,
    /// Operations by fault of the moment, name and outcome.
    pub counts: BTreeMap<(&'static str, &'static str, Outcome), u64>,
    /// How often each promise was put to the test.
    pub tests: BTreeMap<Promise, u64>,
    /// How long a node that was cut off went on serving at most.
    pub worst_after_cut: Duration,
    /// How often such a node was asked for a key whose withdrawal was acknowledged.
    pub withdrawn_asked: u64,
    /// What broke.
    pub broken: Vec<String>,
    /// Everything that happened, as one number.
    pub trace: u64,
}

/// Plays one seed, with a mistake planted or not.
///
/// # Panics
/// If the runtime cannot be made.
pub fn run(seed: u64, bug: Option<Bug>) -> Summary {
    listen_to_panics();
    Bug::plant(bug);
    SIMULATING.set(true);
    let still = Still::begin();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_be_bytes()))
        .build()
        .expect("a runtime without threads needs next to nothing");
    let trace = Trace::default();
    let mut summary = runtime.block_on(play(seed, bug, &trace));
    drop(runtime);
    drop(still);
    summary.trace = trace.digest();
    SIMULATING.set(false);
    Bug::plant(None);
    summary.broken.extend(PANICKED.take());
    summary
}

async fn play(seed: u64, bug: Option<Bug>, trace: &Trace) -> Summary {
    let world = match timeout(STUCK_AFTER, World::new(seed, bug, trace)).await {
        Ok(Ok(world)) => Arc::new(world),
        Ok(Err(error)) => return lost(format!("the cluster does not come up: {error:#}")),
        Err(_) => return lost("the cluster does not come up".to_owned()),
    };
    let mut strikes = Vec::new();
    let ended = timeout(STUCK_AFTER, phases(&world, seed, &mut strikes)).await;
    let stuck = || Err(anyhow::anyhow!("stuck for {} s", STUCK_AFTER.as_secs()));
    let failed = ended.unwrap_or_else(|_| stuck()).err().map(|error| format!("{error:#}"));
    let mut book = world.ledger.book();
    Summary {
        strikes,
        counts: std::mem::take(&mut book.counts),
        tests: book.tests.clone(),
        worst_after_cut: book.worst_after_cut,
        withdrawn_asked: book.withdrawn_asked,
        broken: book.broken.iter().cloned().chain(failed).collect(),
        trace: 0, // once the last task has ended
    }
}

fn lost(why: String) -> Summary {
    Summary { broken: vec![why], ..Summary::default() }
}

async fn phases(
    world: &Arc<World>,
    seed: u64,
    strikes: &mut Vec<(&'static str, bool, Duration)>,
) -> anyhow::Result<()> {
    let clients = Clients::start(world);
    let begun = Instant::now();
    let mut plan = plan(seed);
    while begun.elapsed() < FAULTY && world.ledger.book().broken.is_empty() {
        sleep(world.dice.between_ms(PEACE_MS.0, PEACE_MS.1)).await;
        let Some(fault) = plan.next() else { break };
        world.ledger.book().fault = fault.name;
        let bit = (fault.play)(world).await.with_context(|| format!("during {}", fault.name))?;
        world.heal().await.with_context(|| format!("after {}", fault.name))?;
        let took = world.until_in_order().await.with_context(|| format!("after {}", fault.name))?;
        world.ledger.book().fault = "none";
        strikes.push((fault.name, bit, took));
    }
    let world = clients.stop().await?;
    if world.ledger.book().broken.is_empty() {
        world.until_in_order().await?;
        serves(&world).await?;
        sleep(SETTLE).await;
        judge(&world).await?;
        let ending = &ENDINGS[world.dice.below(ENDINGS.len())];
        let bit = (ending.play)(&world).await.with_context(|| format!("during {}", ending.name))?;
        strikes.push((ending.name, bit, Duration::ZERO));
    }
    Ok(())
}

/// Every fault in an order that the seed decides, again and again.
fn plan(seed: u64) -> impl Iterator<Item = &'static Fault> {
    let dice = Dice::new(seed, 2);
    let mut left: Vec<&Fault> = Vec::new();
    std::iter::from_fn(move || {
        if left.is_empty() {
            left = FAULTS.iter().collect();
        }
        Some(left.swap_remove(dice.below(left.len())))
    })
}

/// Nothing is wrong any more: every node must give a key that was not withdrawn.
async fn serves(world: &Arc<World>) -> anyhow::Result<()> {
    let keys = world.realm.keys.iter().zip(world.ledger.book().keys.clone()).enumerate().collect::<Vec<_>>();
    let untouched = keys.iter().find(|(_, (key, facts))| key.service > 0 && facts.destruction.is_none());
    let Some((index, _)) = untouched else { return Ok(()) };
    let (index, deadline) = (*index, Instant::now() + Duration::from_secs(20));
    for at in world.up() {
        let count = || world.ledger.book().answers.iter().filter(|(node, _)| *node == at).count();
        let before = count();
        while count() == before {
            if Instant::now() > deadline {
                bail!("node {at} gives no key, with nothing wrong any more");
            }
            request(Arc::clone(world), at, index, false).await;
        }
    }
    Ok(())
}

async fn judge(world: &World) -> anyhow::Result<()> {
    let lasting = durability::judge(world).await?;
    let linear = registers::judge(&world.ledger.book());
    for verdict in lasting.into_iter().chain(linear).chain(audited::judge(world)) {
        world.ledger.note(verdict);
    }
    Ok(())
}

thread_local! {
    static SIMULATING: Cell<bool> = const { Cell::new(false) };
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic of any task of a run is a broken run, and is told with its seed instead of in the middle.
fn listen_to_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if SIMULATING.get() {
                PANICKED.with_borrow_mut(|first| {
                    first.get_or_insert_with(|| info.to_string());
                });
            } else {
                before(info);
            }
        }));
    });
}
