//! The leader is cut off and does not know it: it goes on believing that it leads.

use super::{Fault, cut_off};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "isolate-leader", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.leader() else { return Ok(false) };
    Ok(cut_off(world, at).await)
}
