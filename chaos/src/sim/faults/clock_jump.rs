//! A wall clock jumps by an hour, forward or back: leases do not care, a leader whose clock is off hands
//! over, and cluster time does not follow it.

use super::{Fault, last};
use crate::sim::world::World;

const HOUR_MS: i64 = 3_600_000;

pub const FAULT: Fault = Fault { name: "clock-jump", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let at = match world.dice.once_in(2) {
        true => world.leader(),
        false => world.any_up(),
    };
    let Some(at) = at else { return Ok(false) };
    let clock = &world.node(at).clock;
    clock.set_wall_ahead_ms(if world.dice.once_in(2) { HOUR_MS } else { -HOUR_MS });
    last(world).await;
    clock.set_wall_ahead_ms(0);
    Ok(true)
}
