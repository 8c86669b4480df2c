//! Problem documents (RFC 9457): what happened, who must act, what to do next.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::Refused;
use model::refusal::Refusal;
use model::time::ClusterTime;
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
    /// Who must act: `caller`, `administrator`, `operator`, `root owner`, or `nobody` where a retry is enough.
    pub who_must_act: &'static str,
    /// What to do next.
    pub next_step: String,
    /// Finds the request again in logs and audit records.
    pub correlation_id: String,
    /// For what is committed and not effective on every node yet: from when on it is, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_everywhere_at: Option<f64>,
    /// `WWW-Authenticate` of the answer, where it is more than a scheme.
    #[serde(skip)]
    challenge: Option<String>,
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
            who_must_act: who_must_act(status),
            next_step: next_step.to_owned(),
            correlation_id: Correlation::current().to_string(),
            effective_everywhere_at: None,
            challenge: None,
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

    pub(crate) fn bad_body(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-body", "Bad body", detail, "see /v1/openapi.json")
    }

    pub(crate) fn forbidden() -> Self {
        let detail = "the caller's roles do not allow this";
        let next = "ask an administrator for the role that /v1/openapi.json names for this route";
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail, next)
    }

    pub(crate) fn provider_away() -> Self {
        let detail = "the keys of the identity provider that made the token are not known now";
        let next = "retry; if it lasts, see the node's log, or use the operator port";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "provider-away", "Identity provider away", detail, next)
    }

    /// The caller may, once a second factor was shown (RFC 9470, section 3).
    pub(crate) fn step_up(acr_values: &[String], max_age_s: u64) -> Self {
        let detail = format!("this wants a second factor, shown within the last {max_age_s} s");
        let next = "log in again with the acr_values and max_age of WWW-Authenticate";
        let title = "Second factor wanted";
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "second-factor-wanted", title, detail, next);
        let acr = acr_values.join(" ");
        problem.challenge = Some(format!(
            "Bearer error=\"insufficient_user_authentication\", acr_values=\"{acr}\", max_age=\"{max_age_s}\""
        ));
        problem
    }

    pub(crate) fn too_many(retry_after_s: u64) -> Self {
        let detail =
            format!("too many requests or wrong credentials from this address; wait {retry_after_s} s");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests", detail, "wait, then retry")
    }

    pub(crate) fn too_slow() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow", detail, "send it within ten seconds")
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let detail = format!("the body broke off, or has more than {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail, "send less at a time")
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

/// A moment of cluster time for an answer: seconds since the epoch, milliseconds in the fraction.
#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit into 52 bits for 100,000 years")]
pub(crate) fn seconds(at: Option<ClusterTime>) -> Option<f64> {
    at.map(|at| at.0 as f64 / 1_000.0)
}

/// Who a status calls on, unless the problem knows better.
const fn who_must_act(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "administrator",
        429 | 503 | 504 => "nobody",
        502 => "root owner",
        500 => "operator",
        _ => "caller",
    }
}

tokio::task_local! {
    /// The request being answered.
    pub(crate) static CORRELATION: Correlation;
}

/// Names a request in its answer, in logs and in audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Correlation(pub [u8; 16]);

impl Correlation {
    /// A new one.
    pub fn draw() -> Self {
        Self(crypto::random::bytes())
    }

    /// That of the request being answered; outside of one, a new one.
    pub fn current() -> Self {
        CORRELATION.try_with(|current| *current).unwrap_or_else(|_| Self::draw())
    }
}

impl std::fmt::Display for Correlation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
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
            Refused::NotEverywhereYet { effective_everywhere_at } => Self {
                effective_everywhere_at: seconds(Some(effective_everywhere_at)),
                ..Self::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "not-everywhere-yet",
                    "Committed, not effective everywhere yet",
                    detail,
                    "wait until that moment, or repeat the request with the same Idempotency-Key",
                )
            },
            Refused::KeyUnavailable { .. } => Self::new(
                StatusCode::BAD_GATEWAY,
                "root-unavailable",
                "The root of trust refused",
                detail,
                "see what the root said; its owner must act",
            ),
            Refused::RootUnfit { .. } => Self::new(
                StatusCode::BAD_REQUEST,
                "root-unfit",
                "The root cannot be used as it is",
                detail,
                "set right what the detail names, then configure it again",
            ),
            Refused::CredentialsUnfit { .. } => Self::new(
                StatusCode::BAD_REQUEST,
                "credentials-unfit",
                "The credentials do not open the root",
                detail,
                "set right what the detail names, then send the credentials again",
            ),
            Refused::Identity { .. }
            | Refused::NotFound { .. }
            | Refused::Destroyed
            | Refused::Archived
            | Refused::WrongState { .. }
            | Refused::OutsideDates { .. }
            | Refused::NoStream
            | Refused::BegunElsewhere { .. }
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
        Refusal::TenantUnknown
        | Refusal::ServiceUnknown
        | Refusal::ObjectUnknown
        | Refusal::NodeUnknown
        | Refusal::RootUnknown
        | Refusal::JobUnknown => (StatusCode::NOT_FOUND, "not-found", "Not found", "check the name"),
        Refusal::JobRunning => {
            (StatusCode::CONFLICT, "job-running", "A job is running", "wait for its end, then try again")
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
        Refusal::WorkflowUnknown => (StatusCode::NOT_FOUND, "not-found", "Not found", "check the name"),
        Refusal::WorkflowPerson => (
            StatusCode::FORBIDDEN,
            "another-person",
            "Another person must act",
            "ask somebody who has not acted in this workflow yet, or its initiator",
        ),
        Refusal::ApprovalWanted { .. } => (
            StatusCode::CONFLICT,
            "approval-wanted",
            "Approval wanted",
            "open a workflow for it: POST /v1/tenants/{tenant}/workflows",
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
        let challenge = self.challenge.clone().and_then(|text| HeaderValue::from_str(&text).ok());
        let challenge = challenge.unwrap_or(HeaderValue::from_static("Bearer"));
        let retry = (status == StatusCode::TOO_MANY_REQUESTS).then(|| HeaderValue::from_static("2"));
        let mut response = (status, Json(self)).into_response();
        let media = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media);
        if let Some(retry) = retry {
            response.headers_mut().insert(header::RETRY_AFTER, retry);
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
