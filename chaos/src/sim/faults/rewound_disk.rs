//! A machine comes back on an old image of its disk: it forgot votes and entries it had acknowledged, and
//! must be told to stop for good.

use std::time::Duration;

use tokio::time::sleep;

use super::{Fault, is_kept_out};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "rewound-disk", play: |world| Box::pin(play(world)) };

/// Until the old image must have been recognised.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);
/// Writes that the image lacks.
const WRITES: u32 = 5;
/// Numbers of services nobody else registers.
const FIRST: u32 = 1_000_000;

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    let old = world.disk(at).image();
    let Some(process) = world.running(at) else { return Ok(false) };
    for number in 0..WRITES {
        process.store.propose(world.realm.another_service(FIRST + number)?, None).await?;
    }
    sleep(Duration::from_secs(2)).await; // its next renewal shows the others the newer disk
    world.crash(at).await;
    is_kept_out(world, at, old, NOTICED_WITHIN).await
}
