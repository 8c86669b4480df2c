//! Every machine loses power at one moment; acknowledged writes are on the disks that come back.

use tokio::time::sleep;

use super::{Fault, start};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "crash-all", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let mut bit = false;
    let up = world.up();
    for at in &up {
        bit |= world.crash(*at).await.is_some();
    }
    for at in up {
        sleep(world.dice.between_ms(10, 800)).await;
        start(world, at).await?;
    }
    Ok(bit)
}
