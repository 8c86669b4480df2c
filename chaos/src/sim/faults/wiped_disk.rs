//! A machine comes back with its name and an empty disk: it forgot every vote. It must not take part.

use std::time::Duration;

use anyhow::ensure;

use super::{Fault, with_disk};
use crate::sim::disk::SimDisk;
use crate::sim::world::{NAMES, World};

/// How long it may try.
const WATCHED: Duration = Duration::from_secs(3);

pub const FAULT: Fault = Fault { name: "wiped-disk", play: |world| Box::pin(play(world)) };

async fn play(world: &World) -> anyhow::Result<bool> {
    let Some(at) = world.any_up() else { return Ok(false) };
    if world.crash(at).await.is_none() {
        return Ok(false);
    }
    let empty = SimDisk::new(&world.dice, world.bug);
    let served = with_disk(world, at, empty, WATCHED, |process| process.store.status().ready.then_some(()));
    let served = served.await?.is_some();
    ensure!(!served, "{} serves under its old id with an empty disk", NAMES[at]);
    Ok(true)
}
