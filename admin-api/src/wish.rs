//! A wish: a request that changes something, with what its handler needs beside the body.
//!
//! Whether the caller may was judged by the guard of the route. What the wish is about is looked up before the
//! handler runs, so that a handler begins with what it does.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use engine::{Administrator, Engine};
use model::command::IdempotencyKey;
use model::id::LogIndex;
use serde::Serialize;

use crate::app::App;
use crate::auth::Caller;
use crate::idempotency;
use crate::problem::Problem;

/// A wish about `T`, which its path names; about nothing that is there yet, or the cluster as a whole, without.
pub(crate) struct Wish<T = ()> {
    /// What it is about.
    pub about: T,
    /// What grants it.
    pub engine: Arc<Engine>,
    /// Whose it is.
    pub who: Administrator,
    headers: HeaderMap,
    /// Method and path: a path has one spelling, so they are the same whenever the wish is.
    target: String,
}

impl<T> Wish<T> {
    /// The idempotency key of the request, if it carries one; `body` is what it says beside its path. A handler that
    /// judges anything itself asks [`Engine::answered_before`] first: the state machine knows a repeated request, and
    /// what it has brought about must not refuse it.
    ///
    /// # Errors
    /// If the key is malformed.
    pub fn key(&self, body: &impl Serialize) -> Result<Option<IdempotencyKey>, Problem> {
        let body = serde_json::to_vec(body).unwrap_or_default();
        idempotency::key(&self.headers, &self.who.subject, &[self.target.as_bytes(), b"\n", &body])
    }

    /// The revision the caller insists on.
    ///
    /// # Errors
    /// If `If-Match` is none of our entity tags.
    pub fn if_match(&self) -> Result<Option<LogIndex>, Problem> {
        let Some(value) = self.headers.get(header::IF_MATCH) else { return Ok(None) };
        let number = value.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok());
        number
            .map(|number| Some(LogIndex(number)))
            .ok_or_else(|| Problem::bad_request("If-Match is not an entity tag"))
    }
}

impl<T> FromRequestParts<App> for Wish<T>
where
    T: FromRequestParts<App, Rejection: Into<Problem>> + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let about = T::from_request_parts(parts, app).await.map_err(Into::into)?;
        Ok(Self {
            about,
            engine: Arc::clone(app.engine()?),
            who: caller.administrator,
            headers: parts.headers.clone(),
            target: format!("{} {}", parts.method, parts.uri.path()),
        })
    }
}

impl From<std::convert::Infallible> for Problem {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// An answer whose entity tag is the revision of what it shows: `If-Match` brings it back.
pub(crate) fn tagged(status: StatusCode, body: impl Serialize, revision: LogIndex) -> Response {
    let tag = format!("\"{revision}\"");
    (status, [(header::ETAG, tag)], Json(body)).into_response()
}
