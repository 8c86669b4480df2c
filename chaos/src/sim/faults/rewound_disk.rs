//! A machine comes back on an old image of its disk: it forgot votes and entries it had acknowledged, and
//! must be told to stop for good.

use std::time::Duration;

use tokio::time::sleep;

use super::{Fault, with_disk};
use crate::sim::world::World;

/// Until the old image must have been recognised.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

pub const FAULT: Fault = Fault { name: "rewound-disk", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    let old = world.disk(at).image();
    sleep(world.dice.between_ms(1_500, 3_000)).await; // its disk goes on, and others see it
    if world.crash(at).await.is_none() {
        return Ok(false);
    }
    let condemned = with_disk(world, at, old, NOTICED_WITHIN, |process| process.store.condemned().map(drop));
    Ok(condemned.await?.is_some())
}
