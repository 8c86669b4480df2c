//! A follower hears everything more than a second late, then nothing at all, and something is withdrawn at that
//! moment: the last reply to a renewal is old when it comes. A lease that began with it would outlast the wait
//! of the barrier, which allows for clocks and nothing else.

use tokio::time::sleep;

use super::{Fault, cut, held_since, mend};
use crate::sim::world::{NAMES, World};

pub const FAULT: Fault = Fault { name: "late-replies", play: |world| Box::pin(play(world)) };

/// How late, in milliseconds: more than the margin of a clock, less than a renewal may take.
const LATE_MS: (u64, u64) = (1_100, 1_450);
/// How long before nothing comes at all: longer, and the connection is given up.
const LASTS_MS: (u64, u64) = (20, 250);
/// How long nothing comes: the wait of the barrier, and some more.
const SILENT_MS: (u64, u64) = (4_100, 5_500);

async fn play(world: &World) -> anyhow::Result<bool> {
    let leader = world.leader();
    let followers: Vec<usize> = world.up().into_iter().filter(|at| Some(*at) != leader).collect();
    if followers.is_empty() {
        return Ok(false);
    }
    let (at, before) = (followers[world.dice.below(followers.len())], world.net.counts());
    World::others(at).into_iter().for_each(|other| world.net.slow(other, NAMES[at], LATE_MS.0, LATE_MS.1));
    sleep(world.dice.between_ms(LASTS_MS.0, LASTS_MS.1)).await;
    cut(world, at);
    world.urge();
    sleep(world.dice.between_ms(SILENT_MS.0, SILENT_MS.1)).await;
    mend(world, at);
    Ok(held_since(world, before.held) && world.net.counts().slowed > before.slowed)
}
