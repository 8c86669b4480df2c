//! One machine is heard by nobody, or hears nobody: half a partition, which liveness checks miss.

use super::{Fault, held_since, last};
use crate::sim::world::{NAMES, World};

pub const FAULT: Fault = Fault { name: "one-way", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    let (before, speaks) = (world.net.counts().held, world.dice.once_in(2));
    for other in World::others(at) {
        let (from, to) = if speaks { (other, NAMES[at]) } else { (NAMES[at], other) };
        world.net.cut(from, to);
    }
    last(world).await;
    world.net.heal();
    Ok(held_since(world, before))
}
