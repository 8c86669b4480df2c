//! Revocation lists that change while the node runs.
//!
//! A file that changed is read again within two seconds and holds at once, for open connections too. One that
//! cannot be read changes nothing: the lists before it stand, until their own time is over. What a list names is
//! denied on every node as well, see [`listed`](super::listed).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engine::Engine;
use kmip_server::tls::Authorities;
use tokio::sync::watch;
use tokio::time::sleep;

use super::listed;
use crate::config::Config;

/// Pause between two looks: open connections of a revoked certificate end within 5 s.
const LOOK: Duration = Duration::from_secs(2);

/// Looks after the files until the node drains.
pub async fn follow(
    config: Arc<Config>,
    authorities: Arc<Authorities>,
    engine: Arc<Engine>,
    mut draining: watch::Receiver<bool>,
) {
    let files: Vec<PathBuf> = config.client_ca.iter().filter_map(|authority| authority.crl.clone()).collect();
    if files.is_empty() {
        return;
    }
    let mut seen = stamps(&files);
    let mut named =
        super::tls::client_authorities(&config).ok().map(|lists| kmip_server::listed::names(&lists));
    loop {
        if let Some(names) = &named {
            match listed::deny(&engine, names).await {
                Ok(new) => {
                    tracing::info!(
                        new,
                        of = names.len(),
                        "what revocation lists name is denied on every node"
                    );
                    named = None;
                }
                Err(error) => {
                    tracing::warn!(%error, "what revocation lists name is not denied on every node yet")
                }
            }
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = draining.changed() => return,
        }
        let now = stamps(&files);
        if now == seen {
            continue;
        }
        seen = now;
        let read = super::tls::client_authorities(&config);
        match read.map(|lists| authorities.replace(&lists).map(|()| kmip_server::listed::names(&lists))) {
            Ok(Ok(names)) => {
                tracing::info!("revocation lists read again");
                named = Some(names);
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a revocation list cannot be used; the ones before it stand")
            }
            Err(error) => {
                tracing::error!(%error, "a revocation list cannot be read; the ones before it stand")
            }
        }
    }
}

/// When each file was written, and how long it is.
fn stamps(files: &[PathBuf]) -> Vec<Option<(SystemTime, u64)>> {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(stamp).collect()
}
