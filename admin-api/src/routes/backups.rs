//! Backups of the cluster.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::backups::BackupView;
use crate::problem::Problem;

/// Backups.
#[derive(Serialize, ToSchema)]
pub struct BackupList {
    /// Oldest first.
    items: Vec<BackupView>,
}

/// Makes a backup at the target of the node that is asked; answered when it is there whole. It holds
/// everything acknowledged before the request.
#[utoipa::path(post, path = "/v1/backups", responses(
    (status = 201, body = BackupView), (status = 409, body = Problem), (status = 500, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
) -> Result<(StatusCode, Json<BackupView>), Problem> {
    let made = app.backups()?.create().await;
    let name = made.as_ref().map(|backup| backup.name.clone()).unwrap_or_default();
    app.engine()?.note_backup(&caller.administrator, &name, made.is_ok()).await?;
    Ok((StatusCode::CREATED, Json(made?)))
}

/// Lists the backups at the target of the node that is asked.
#[utoipa::path(get, path = "/v1/backups", responses(
    (status = 200, body = BackupList), (status = 409, body = Problem)))]
pub async fn list(State(app): State<App>) -> Result<Json<BackupList>, Problem> {
    Ok(Json(BackupList { items: app.backups()?.list().await? }))
}
