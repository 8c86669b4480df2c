//! One machine, any, loses power: what it had not synced is partly gone.

use super::{Fault, crash_and_restart};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "crash", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    crash_and_restart(world, at).await
}
