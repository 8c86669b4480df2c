//! Connections are reset again and again: whether a request arrived is then anybody'\''s guess.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Fault;
use crate::sim::world::{NAMES, World};

pub const FAULT: Fault = Fault { name: "resets", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let (before, begun) = (world.net.counts().reset, Instant::now());
    let lasts = world.dice.between_ms(500, 3_000);
    while begun.elapsed() < lasts {
        let (a, b) = (world.dice.below(NAMES.len()), world.dice.below(NAMES.len()));
        world.net.reset(NAMES[a], NAMES[b]);
        sleep(world.dice.between_ms(20, 150)).await;
    }
    sleep(Duration::from_millis(100)).await;
    Ok(world.net.counts().reset > before)
}
