//! What can happen to the cluster. To add a fault, write one file and one row in [`FAULTS`].

mod bit_rot;
mod bridge;
mod clock_jump;
mod crash;
mod crash_all;
mod crash_leader;
mod full_disk;
mod isolate;
mod isolate_leader;
mod late_replies;
mod leave;
mod one_way;
mod resets;
mod restore;
mod rewound_disk;
mod roll;
mod slow_disk;
mod slow_links;
mod split;
mod sync_error;
mod wiped_disk;

use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::disk::SimDisk;
use super::world::{NAMES, World};

/// Every fault there is.
pub const FAULTS: &[Fault] = &[
    isolate::FAULT,
    isolate_leader::FAULT,
    one_way::FAULT,
    bridge::FAULT,
    split::FAULT,
    slow_links::FAULT,
    late_replies::FAULT,
    resets::FAULT,
    crash::FAULT,
    crash_leader::FAULT,
    crash_all::FAULT,
    roll::FAULT,
    leave::FAULT,
    slow_disk::FAULT,
    full_disk::FAULT,
    sync_error::FAULT,
    bit_rot::FAULT,
    clock_jump::FAULT,
];

/// What ends a run: a machine comes back on a disk that is not its own and must be kept out for good, or a
/// backup begins a new lineage. Nothing of the old cluster may come back after that, so nothing follows.
pub const ENDINGS: &[Fault] = &[rewound_disk::FAULT, wiped_disk::FAULT, restore::FAULT];

/// Something that happens, lasts and ends.
#[derive(Clone, Copy)]
pub struct Fault {
    /// In the result.
    pub name: &'static str,
    /// Makes it happen and ends it; says whether it bit. An error is a promise broken on the way.
    pub play: for<'w> fn(&'w World) -> BoxFuture<'w, anyhow::Result<bool>>,
}

/// Lets a fault last, in milliseconds: below and above every lease.
async fn last(world: &World) {
    sleep(world.dice.between_ms(300, 5_000)).await;
}

/// Whether the network held anything back since `before`.
fn held_since(world: &World, before: u64) -> bool {
    world.net.counts().held > before
}

/// Cuts one machine off from all others for a while.
async fn cut_off(world: &World, at: usize) -> bool {
    let before = world.net.counts().held;
    cut(world, at);
    last(world).await;
    mend(world, at);
    held_since(world, before)
}

/// Cuts one machine off from all others, until it is mended.
fn cut(world: &World, at: usize) {
    world.net.split(&[NAMES[at]], &World::others(at));
    let now = world.ledger.now();
    world.ledger.book().cut_off.insert(at, now);
}

fn mend(world: &World, at: usize) {
    world.ledger.book().cut_off.remove(&at);
    world.net.heal();
}

/// Crashes a machine and starts it again after a while.
async fn crash_and_restart(world: &World, at: usize) -> anyhow::Result<bool> {
    let bit = world.crash(at).await.is_some();
    last(world).await;
    start(world, at).await?;
    Ok(bit)
}

/// Starts a machine that must start.
async fn start(world: &World, at: usize) -> anyhow::Result<()> {
    world.start(at).await.with_context(|| format!("{} does not start again", NAMES[at]))
}

/// Starts a crashed machine on a disk that is not its own, and waits until it is told to stop for good.
async fn is_kept_out(world: &World, at: usize, disk: SimDisk, within: Duration) -> anyhow::Result<bool> {
    world.swap_disk(at, disk);
    start(world, at).await?;
    let begun = Instant::now();
    while begun.elapsed() < within {
        sleep(Duration::from_millis(20)).await;
        let Some(process) = world.running(at) else { return Ok(false) };
        if process.store.condemned().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
