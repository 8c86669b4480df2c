//! Two voters cannot reach each other, everybody else reaches both (openraft #2080: a leader that one
//! voter cannot hear must not stay leader for ever, nor must two take turns).

use super::{Fault, held_since, last};
use crate::sim::world::{NAMES, VOTERS, World};

pub const FAULT: Fault = Fault { name: "bridge", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let before = world.net.counts().held;
    let one = world.dice.below(VOTERS);
    world.net.split(&[NAMES[one]], &[NAMES[(one + 1) % VOTERS]]);
    last(world).await;
    world.net.heal();
    Ok(held_since(world, before))
}
