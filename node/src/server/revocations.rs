//! Revocation lists that change while the node runs.
//!
//! A file that changed is read again within two seconds and holds at once, for open connections too. One that
//! cannot be read changes nothing: the lists before it stand, until their own time is over.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kmip_server::tls::Authorities;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::Config;

/// Pause between two looks: open connections of a revoked certificate end within 5 s (KMIP.md 4.3, I08).
const LOOK: Duration = Duration::from_secs(2);

/// Looks after the files until the node drains.
pub async fn follow(config: Arc<Config>, authorities: Arc<Authorities>, mut draining: watch::Receiver<bool>) {
    let files: Vec<PathBuf> = config.client_ca.iter().filter_map(|authority| authority.crl.clone()).collect();
    if files.is_empty() {
        return;
    }
    let mut seen = stamps(&files);
    loop {
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = draining.changed() => return,
        }
        let now = stamps(&files);
        if now == seen {
            continue;
        }
        seen = now;
        match super::tls::client_authorities(&config).map(|lists| authorities.replace(&lists)) {
            Ok(Ok(())) => tracing::info!("revocation lists read again"),
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
