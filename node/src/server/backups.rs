//! Backups of a running node: on request, and when they are due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use admin_api::{BackupError, BackupView, Backups, Making};
use model::time::utc;
use raft_store::{Role, Store};
use tokio::sync::{Mutex, watch};

use crate::backup::manifest::Manifest;
use crate::backup::target::Target;
use crate::backup::{make, moment};
use crate::config;
use crate::server::keyring::Kept;

/// How often a node looks whether one is due, at most.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Makes backups of one node's state.
pub struct Maker {
    store: Store,
    keyring: Arc<Kept>,
    settings: config::Backup,
    target: Option<Target>,
    /// One at a time: each reads the whole state.
    turn: Mutex<()>,
    counts: Counts,
}

/// What metrics tell.
#[derive(Default)]
struct Counts {
    last_s: AtomicU64,
    failed: AtomicU64,
}

impl Maker {
    /// For a node that is ready.
    pub fn new(store: Store, keyring: Arc<Kept>, settings: config::Backup, target: Option<Target>) -> Self {
        let (turn, counts) = (Mutex::default(), Counts::default());
        Self { store, keyring, settings, target, turn, counts }
    }

    /// When the last backup was made here, in seconds since the epoch; 0 if none was.
    pub fn last_s(&self) -> u64 {
        self.counts.last_s.load(Ordering::Relaxed)
    }

    /// How many could not be made here.
    pub fn failed(&self) -> u64 {
        self.counts.failed.load(Ordering::Relaxed)
    }

    fn target(&self) -> Result<&Target, BackupError> {
        self.target.as_ref().ok_or(BackupError::NoTarget)
    }

    async fn make(&self) -> Result<Manifest, BackupError> {
        let target = self.target()?;
        let _turn = self.turn.try_lock().map_err(|_| BackupError::Busy)?;
        let made = make::make(&self.store, &self.keyring, target).await;
        match &made {
            Ok(manifest) => {
                self.counts.last_s.store(moment::now_s(), Ordering::Relaxed);
                tracing::info!(name = manifest.name, rows = manifest.rows, "a backup was made");
            }
            Err(error) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!("a backup failed: {error:#}");
            }
        }
        made.map_err(|error| BackupError::Failed(format!("{error:#}")))
    }

    async fn manifests(&self) -> Result<Vec<Manifest>, BackupError> {
        self.target()?.list().await.map_err(|error| BackupError::Failed(format!("{error:#}")))
    }

    fn view(&self, manifest: Manifest) -> BackupView {
        let target = self.settings.target.as_deref().unwrap_or_default().trim_end_matches('/');
        BackupView {
            created: manifest.created,
            cluster_id: manifest.cluster_id,
            index: manifest.last.index,
            tenants: manifest.tenants,
            rows: manifest.rows,
            bytes: manifest.snapshot.bytes + manifest.keyring.bytes,
            location: format!("{target}/{}", manifest.name),
            name: manifest.name,
        }
    }

    /// Makes a backup whenever the newest is older than the interval, while this node leads, and removes
    /// the oldest beyond those that are kept. Ends when the node drains.
    pub async fn follow(self: Arc<Self>, mut draining: watch::Receiver<bool>) {
        if self.settings.interval_s == 0 {
            return;
        }
        let interval = Duration::from_secs(self.settings.interval_s.into());
        let mut look = tokio::time::interval(LOOK_EVERY.min(interval / 4).max(Duration::from_millis(100)));
        loop {
            tokio::select! {
                _ = look.tick() => {}
                _ = draining.wait_for(|draining| *draining) => return,
            }
            if self.store.status().role == Role::Leader
                && let Err(error) = self.keep_up().await
            {
                tracing::warn!(%error, "the scheduled backup waits for its next turn");
            }
        }
    }

    async fn keep_up(&self) -> Result<(), BackupError> {
        let ours = self.store.identity().cluster.to_string();
        let mut known = self.manifests().await?;
        known.retain(|manifest| manifest.cluster_id == ours);
        let newest = known.last().map(|manifest| manifest.created.as_str()).unwrap_or_default();
        // Moments are written so that their order is that of their texts.
        let due = utc(moment::now_s().saturating_sub(self.settings.interval_s.into()));
        if newest > due.as_str() {
            return Ok(());
        }
        known.push(self.make().await?);
        let kept = usize::try_from(self.settings.keep).unwrap_or(usize::MAX);
        let surplus = known.len().saturating_sub(kept);
        for manifest in &known[..surplus] {
            let removed = self.target()?.remove(&manifest.name).await;
            removed.map_err(|error| BackupError::Failed(format!("{error:#}")))?;
        }
        Ok(())
    }
}

impl Backups for Maker {
    fn create(&self) -> Making<'_, BackupView> {
        Box::pin(async move { Ok(self.view(self.make().await?)) })
    }

    fn list(&self) -> Making<'_, Vec<BackupView>> {
        Box::pin(async move {
            Ok(self.manifests().await?.into_iter().map(|manifest| self.view(manifest)).collect())
        })
    }
}
