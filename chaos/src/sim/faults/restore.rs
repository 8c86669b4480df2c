//! Every machine dies, and a new lineage begins with a backup: what was acknowledged before it is there, and
//! nothing that was handed out after it is handed out a second time.

use anyhow::Context as _;

use super::{Fault, start};
use crate::sim::invariants::{durability, lineage};
use crate::sim::world::World;

pub const FAULT: Fault = Fault { name: "restore", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    let backup = world.running(at).context("it ran a moment ago")?.store.export().await?;
    // What the backup does not know: another version of a tenant's key, another start of a process.
    world.rotate(at).await?;
    world.crash(at).await;
    start(world, at).await?;
    world.until_in_order().await?;
    let before = world.handed_out();
    for at in world.up() {
        world.crash(at).await;
    }
    world.restore(at, &backup.data).await?;
    world.rotate(at).await?;
    for verdict in
        lineage::judge(&before, &world.handed_out()).into_iter().chain(durability::judge(world).await?)
    {
        world.ledger.note(verdict);
    }
    Ok(true)
}
