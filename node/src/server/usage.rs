//! Gives back what this node holds of keys' usage limits and does not use, so that other nodes may.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// What nobody used for so long is given back: longer than a busy client pauses, short enough that the last of a
/// limit is not kept from it.
const IDLE: Duration = Duration::from_secs(10);
/// A stop does not wait longer for a cluster that may be stopping too; what is not given back by then is lost.
const STOP_MAX: Duration = Duration::from_secs(2);

/// Looks after them until the node drains, and then gives back the rest.
pub async fn follow(engine: Arc<Engine>, mut draining: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = sleep(LOOK) => engine.give_back_usage(IDLE).await,
            _ = draining.changed() => break,
        }
    }
    if timeout(STOP_MAX, engine.give_back_usage(Duration::ZERO)).await.is_err() {
        tracing::warn!("some of what this node held of usage limits could not be given back and is lost");
    }
}
