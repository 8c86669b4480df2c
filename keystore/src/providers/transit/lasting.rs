//! How long a token that was given to us lasts, and how it lasts longer.
//!
//! A token that may be renewed is, by itself, once half of what was left of it is over: one with a period lives for as
//! long as its root is used, any other one until its `max_ttl`. What cannot be renewed ends when it ends, and its owner
//! replaces the credentials. None of this makes a call fail, or wait for long: whether the token still serves, the call
//! itself finds out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::http::{Answer, Client, Request};

/// After a server that could not say, or did not renew: not with every call.
const AGAIN: Duration = Duration::from_secs(60);
/// The call that was just answered waits for this at most.
const TEND_MAX: Duration = Duration::from_millis(250);
/// Between two renewals at least: a token near its last day gets ever less, and is not renewed by every call.
const RENEWS_MIN: Duration = Duration::from_secs(1);

/// What is to be done for the token, and from when on.
#[derive(Clone, Copy)]
enum Due {
    /// It is asked how long it lasts.
    Look(Instant),
    /// It is renewed.
    Renew(Instant),
    /// Nothing: it does not end, or ends whatever we do.
    Never,
}

/// Keeps one token.
pub struct Lasting(Mutex<Due>);

impl Lasting {
    pub fn new() -> Self {
        Self(Mutex::new(Due::Look(Instant::now())))
    }

    /// Does what is due, by requests that `dressed` gives the token. Called after a call that the server accepted.
    pub async fn tend(&self, client: &Client, dressed: impl Fn(Request) -> Request) {
        let Some(due) = self.take(Instant::now()) else { return };
        let doing = async {
            match due {
                Due::Look(_) => looked(client, dressed(Request::get("/v1/auth/token/lookup-self"))).await,
                Due::Renew(_) => {
                    let nothing = serde_json::json!({});
                    renewed(client, dressed(Request::post_json("/v1/auth/token/renew-self", &nothing))).await
                }
                Due::Never => Due::Never,
            }
        };
        // Too late an answer counts as none: what was taken is due again.
        if let Ok(next) = tokio::time::timeout(TEND_MAX, doing).await {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = next;
        }
    }

    /// What is due now. Nobody else finds it due meanwhile: other calls go on without waiting for it.
    fn take(&self, now: Instant) -> Option<Due> {
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = *due;
        *due = match taken {
            Due::Look(at) if at <= now => Due::Look(now + AGAIN),
            Due::Renew(at) if at <= now => Due::Renew(now + AGAIN),
            _ => return None,
        };
        Some(taken)
    }
}

async fn looked(client: &Client, request: Request) -> Due {
    let now = Instant::now();
    match client.send(request).await {
        Ok(answer) if answer.is_success() => match answer.json() {
            Ok(Looked { data }) => data.due(now),
            Err(_) => Due::Look(now + AGAIN),
        },
        // Its policies do not even let it look at itself, and renewing is granted beside that.
        Ok(Answer { status: 403 | 404, .. }) => Due::Never,
        Ok(_) | Err(_) => Due::Look(now + AGAIN),
    }
}

async fn renewed(client: &Client, request: Request) -> Due {
    let now = Instant::now();
    match client.send(request).await {
        Ok(answer) if answer.is_success() => match answer.json() {
            Ok(Renewed { auth }) => auth.due(now),
            Err(_) => Due::Look(now + AGAIN),
        },
        Ok(Answer { status, .. }) => {
            tracing::warn!(status, "the token of a transit root was not renewed");
            Due::Look(now + AGAIN)
        }
        Err(_) => Due::Renew(now + AGAIN),
    }
}

#[derive(Deserialize)]
struct Looked {
    data: Left,
}

#[derive(Deserialize)]
struct Renewed {
    auth: Left,
}

/// What is left of a token, in seconds; 0 for one that does not end.
#[derive(Deserialize)]
struct Left {
    #[serde(alias = "lease_duration")]
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

impl Left {
    fn due(&self, now: Instant) -> Due {
        match self {
            Self { ttl: 1.., renewable: true } => {
                Due::Renew(now + (Duration::from_secs(self.ttl) / 2).max(RENEWS_MIN))
            }
            Self { .. } => Due::Never,
        }
    }
}
