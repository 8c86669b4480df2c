//! The leader and the learner on one side, the other voters on the other: the deposed leader goes on
//! sending heartbeats to somebody who believes it, while the others elect and commit.

use super::{Fault, held_since, last};
use crate::sim::world::{NAMES, VOTERS, World};

pub const FAULT: Fault = Fault { name: "split", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(leader) = world.leader().filter(|at| *at < VOTERS) else { return Ok(false) };
    let before = world.net.counts().held;
    let here = [NAMES[leader], NAMES[VOTERS]];
    let there: Vec<_> = NAMES.into_iter().filter(|name| !here.contains(name)).collect();
    world.net.split(&here, &there);
    last(world).await;
    world.net.heal();
    Ok(held_since(world, before))
}
