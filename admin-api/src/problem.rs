//! Problem documents (RFC 9457): what happened, who must act, what to do next.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::Refused;
use model::refusal::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

/// A refusal as the administration interface tells it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, for people.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened.
    pub detail: String,
    /// What to do next.
    pub next_step: String,
    /// Finds the request again in logs and audit records.
    pub correlation_id: String,
}

impl Problem {
    /// A problem of a kind. `kind` is the last part of its URN and never changes its meaning.
    #[must_use]
    pub fn new(
        status: StatusCode,
        kind: &str,
        title: &str,
        detail: impl Into<String>,
        next_step: &str,
    ) -> Self {
        Self {
            kind: format!("urn:keyraft:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            next_step: next_step.to_owned(),
            correlation_id: hex(&crypto::random::bytes::<8>()),
        }
    }

    pub(crate) fn starting() -> Self {
        let detail = "the node has not joined its cluster yet, or there is no quorum";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "starting",
            "Not ready",
            detail,
            "retry, or use another node",
        )
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request", detail, "correct the request")
    }

    pub(crate) fn not_found(what: &str) -> Self {
        let detail = format!("there is no such {what}");
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail, "check the name")
    }

    pub(crate) fn unauthenticated() -> Self {
        let detail = "the request carries no valid credential";
        let next = "send a bearer token, or use the operator port with an operator's certificate";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Authentication required", detail, next)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::Refused(refusal) => of_refusal(&refusal, detail),
            Refused::NotNow { .. } | Refused::Unaudited => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not-now",
                "Not now",
                detail,
                "retry, or use another node",
            ),
            Refused::OutcomeUnknown => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "outcome-unknown",
                "Outcome unknown",
                detail,
                "repeat the request with the same Idempotency-Key",
            ),
            Refused::NotEverywhereYet { .. } => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "not-everywhere-yet",
                "Committed, not effective everywhere yet",
                detail,
                "wait until that moment, or repeat the request with the same Idempotency-Key",
            ),
            Refused::KeyUnavailable { .. } => Self::new(
                StatusCode::BAD_GATEWAY,
                "root-unavailable",
                "The root of trust refused",
                detail,
                "see what the root said; its owner must act",
            ),
            Refused::Identity { .. }
            | Refused::NotFound { .. }
            | Refused::Destroyed
            | Refused::Archived
            | Refused::WrongState { .. }
            | Refused::OutsideDates { .. }
            | Refused::NoStream
            | Refused::Denied { .. }
            | Refused::Invalid { .. } => Self::bad_request(detail),
            Refused::Internal { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Internal error",
                detail,
                "look for the correlation id in the node's log",
            ),
        }
    }
}

fn of_refusal(refusal: &Refusal, detail: String) -> Problem {
    let (status, kind, title, next) = match refusal {
        Refusal::TenantUnknown | Refusal::ServiceUnknown | Refusal::ObjectUnknown => {
            (StatusCode::NOT_FOUND, "not-found", "Not found", "check the name")
        }
        Refusal::RevisionConflict { .. } => {
            (StatusCode::PRECONDITION_FAILED, "changed-meanwhile", "Changed meanwhile", "read it again")
        }
        Refusal::LimitReached { .. } | Refusal::OutOfRange { .. } | Refusal::WrongRegion { .. } => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "out-of-bounds",
            "Out of bounds",
            "choose a value within bounds",
        ),
        _ => (StatusCode::CONFLICT, "conflict", "Conflict", "read the resource, then decide"),
    };
    Problem::new(status, kind, title, detail, next)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::warn!(correlation_id = %self.correlation_id, kind = %self.kind, detail = %self.detail, "problem");
        }
        let mut response = (status, Json(self)).into_response();
        let media = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
