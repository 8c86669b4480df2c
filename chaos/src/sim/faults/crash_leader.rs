//! The leader loses power.

use super::{Fault, crash_and_restart};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "crash-leader", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.leader() else { return Ok(false) };
    crash_and_restart(world, at).await
}
