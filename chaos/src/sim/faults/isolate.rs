//! One machine, any, is cut off from all others; their packets wait and arrive late.

use super::{Fault, cut_off};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "isolate", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    Ok(cut_off(world, at).await)
}
