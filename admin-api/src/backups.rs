//! What makes and lists backups: `node` brings it, because it knows where they go.

use std::future::Future;
use std::pin::Pin;

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// A backup, as its manifest describes it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BackupView {
    /// Its name; the order of names is the order of time.
    pub name: String,
    /// When it was made, UTC (RFC 3339).
    pub created: String,
    /// The lineage it was made in.
    pub cluster_id: String,
    /// The last log entry in it.
    pub index: u64,
    /// Tenants in it, terminated ones included.
    pub tenants: u64,
    /// Rows in it.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Where it lies.
    pub location: String,
}

/// Why there is no backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// The node has no target.
    #[error("this node has no backup target: set backup.target in its configuration and restart it")]
    NoTarget,
    /// Another one is being made.
    #[error("this node is making a backup already")]
    Busy,
    /// It did not work.
    #[error("{0}")]
    Failed(String),
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        let detail = error.to_string();
        let (status, kind, title, next) = match error {
            BackupError::NoTarget => (
                StatusCode::CONFLICT,
                "no-backup-target",
                "No backup target",
                "set backup.target, or ask a node that has one",
            ),
            BackupError::Busy => {
                (StatusCode::CONFLICT, "busy", "Busy", "wait for it, then look at the list of backups")
            }
            BackupError::Failed(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "backup-failed",
                "The backup failed",
                "see what was said, then try again",
            ),
        };
        Self::new(status, kind, title, detail, next)
    }
}

/// An answer that is being made.
pub type Making<'a, T> = Pin<Box<dyn Future<Output = Result<T, BackupError>> + Send + 'a>>;

/// What makes and lists them.
pub trait Backups: Send + Sync + 'static {
    /// Makes one now; it holds everything acknowledged before.
    fn create(&self) -> Making<'_, BackupView>;

    /// All at this node's target, oldest first.
    fn list(&self) -> Making<'_, Vec<BackupView>>;
}
