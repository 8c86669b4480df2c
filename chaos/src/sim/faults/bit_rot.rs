//! One bit of one row flips while the machine is down: it must refuse to start, and never serve it.

use anyhow::ensure;
use tokio::time::sleep;

use super::{Fault, start};
use crate::sim::world::{NAMES, World};

pub const FAULT: Fault = Fault { name: "bit-rot", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    world.crash(at).await;
    let rotten = world.disk(at).image();
    let bit = rotten.rot();
    let own = world.swap_disk(at, rotten);
    if bit {
        ensure!(world.start(at).await.is_err(), "{} started on a disk with a flipped bit", NAMES[at]);
    }
    world.swap_disk(at, own);
    sleep(world.dice.between_ms(10, 1_000)).await;
    start(world, at).await?;
    Ok(bit)
}
