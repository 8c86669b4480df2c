//! Everything some machines send is late, by up to the length of an election, and out of step.

use super::{Fault, last};
use crate::sim::world::{NAMES, World};

pub const FAULT: Fault = Fault { name: "slow-links", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let before = world.net.counts().slowed;
    for name in NAMES.into_iter().filter(|_| world.dice.once_in(2)) {
        let most = u64::try_from(world.dice.below(400)).unwrap_or_default() + 20;
        NAMES.into_iter().for_each(|other| world.net.slow(name, other, most / 10, most));
    }
    last(world).await;
    world.net.heal();
    Ok(world.net.counts().slowed > before)
}
