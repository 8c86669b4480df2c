//! A machine comes back with its name and an empty disk: it forgot every vote. It must not take part.

use std::time::Duration;

use super::{Fault, is_kept_out};
use crate::sim::disk::SimDisk;
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "wiped-disk", play: |world| Box::pin(play(world)) };

/// Until somebody must have told it.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    world.crash(at).await;
    let empty = SimDisk::new(&world.dice, world.bug);
    is_kept_out(world, at, empty, NOTICED_WITHIN).await
}
