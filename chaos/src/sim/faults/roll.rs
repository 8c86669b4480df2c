//! Every process is asked to end, in order, and started again: a rolling restart.

use tokio::time::sleep;

use super::{Fault, start};
use crate::sim::world::{NAMES, World};

pub const FAULT: Fault = Fault { name: "roll", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let mut bit = true;
    for at in 0..NAMES.len() {
        let ended = world.terminate(at).await;
        bit &= ended;
        sleep(world.dice.between_ms(50, 500)).await;
        if ended {
            start(world, at).await?;
        }
        world.until_in_order().await?;
    }
    Ok(bit)
}
