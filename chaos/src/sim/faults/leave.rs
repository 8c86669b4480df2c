//! The learner is cut off and removed, and leadership changes hands: the new leader never granted it a lease
//! and does not count it among the members, and has to wait for it all the same. Then its machine joins again
//! as a new node.

use std::time::Duration;

use tokio::time::sleep;

use super::{Fault, cut, held_since, last, mend};
use crate::sim::world::{VOTERS, World};

pub const FAULT: Fault = Fault { name: "leave", play: |world| Box::pin(play(world)) };

/// Within this the leader has carried the removal out: it looks ten times a second.
const REMOVED_WITHIN: Duration = Duration::from_millis(250);

async fn play(world: &World) -> anyhow::Result<bool> {
    let (at, before) = (VOTERS, world.net.counts().held);
    cut(world, at);
    let retired = world.retire(at).await;
    if retired {
        sleep(REMOVED_WITHIN).await;
        world.step_down().await;
    }
    last(world).await;
    mend(world, at);
    if retired {
        world.crash(at).await;
        world.join_again(at).await?;
    }
    Ok(retired && held_since(world, before))
}
