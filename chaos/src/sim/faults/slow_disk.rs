//! A disk takes far longer to sync than an election takes (etcd #13527: a stalled disk must not make
//! two leaders).

use super::{Fault, last};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "slow-disk", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let at = match world.dice.once_in(2) {
        true => world.leader(),
        false => world.any_up(),
    };
    let Some(at) = at else { return Ok(false) };
    let disk = world.disk(at);
    disk.slow_ms(1_500);
    last(world).await;
    disk.slow_ms(0);
    Ok(disk.was_slowed())
}
