//! No space is left: the store stops at the first write that fails; the machine comes back with space.

use super::{Fault, last, start};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "full-disk", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    let disk = world.disk(at);
    disk.fill();
    last(world).await;
    let stopped = disk.has_failed();
    world.crash(at).await; // a crash keeps what was synced; the disk after it has space
    start(world, at).await?;
    Ok(stopped)
}
