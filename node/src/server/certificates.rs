//! Certificates, keys and authorities that change while the node runs.
//!
//! Files are looked at every two seconds, and at once on SIGHUP. What changed holds from the next handshake
//! on, and authorities at once, for open connections too; no connection is dropped for it. Files that cannot be
//! used change nothing: what was there before stands, and the log says so. Kinds are judged apart, so that a
//! broken server certificate never holds back an authority. Revocation lists: see [`revocations`](super::revocations).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use super::tls::{Kind, Live};
use crate::config::Config;

/// Pause between two looks: open connections of a revoked certificate end within 5 s.
const LOOK: Duration = Duration::from_secs(2);

/// Looks after the files until the node drains.
///
/// # Errors
/// If signals cannot be listened to.
pub async fn follow(
    config: Arc<Config>,
    live: Arc<Live>,
    mut draining: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let files: Vec<(Kind, Vec<PathBuf>)> = Kind::ALL.map(|kind| (kind, kind.files(&config))).into();
    let mut seen: Vec<Stamps> = files.iter().map(|(_, files)| stamps(files)).collect();
    loop {
        let told = tokio::select! {
            () = sleep(LOOK) => false,
            _ = hangup.recv() => true,
            _ = draining.changed() => return Ok(()),
        };
        for ((kind, files), seen) in files.iter().zip(&mut seen) {
            let now = stamps(files);
            if told || now != *seen {
                *seen = now;
                reload(&config, &live, *kind);
            }
        }
    }
}

fn reload(config: &Config, live: &Live, kind: Kind) {
    match live.reload(config, kind) {
        Ok(()) => tracing::info!(kind = kind.as_str(), "certificates read again"),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(kind = kind.as_str(), %error, "new files cannot be used; the ones before stand");
        }
    }
}

/// When each file was written, and how long it is.
type Stamps = Vec<Option<(SystemTime, u64)>>;

fn stamps(files: &[PathBuf]) -> Stamps {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(stamp).collect()
}
