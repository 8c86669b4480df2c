//! A sync fails, as a dying disk'\''s does: nothing is acknowledged after it, and the node stops.

use super::{Fault, last, start};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "sync-error", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    let disk = world.disk(at);
    disk.fail_syncs();
    last(world).await;
    let stopped = disk.has_failed();
    world.crash(at).await;
    start(world, at).await?;
    Ok(stopped)
}
