//! How we come by a token.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::misfit;
use crate::config::{TransitAuth, TransitConfig};
use crate::http::{Client, Request};
use crate::providers::service::{Fault, Told, said};
use crate::providers::workload::read_token;
use crate::{Credentials, RootError, SecretText, Site};

/// How long before its end a token is no longer used: longer than any call.
const MARGIN: Duration = Duration::from_secs(30);

/// The header that carries a token.
const TOKEN_HEADER: &str = "x-vault-token";

/// One way to log in, and the token it gave last.
pub struct Login {
    method: Method,
    namespace: Option<String>,
    held: Mutex<Option<Held>>,
}

enum Method {
    /// The credentials are the token.
    Token(SecretText),
    /// It is asked for at this path.
    Ask { path: String, with: Proof },
}

enum Proof {
    AppRole { role_id: String, secret_id: SecretText },
    Jwt { role: String, site: Box<Site> },
}

struct Held {
    token: SecretText,
    until: Instant,
}

impl Login {
    pub fn new(config: &TransitConfig, credentials: &Credentials, site: &Site) -> Result<Self, RootError> {
        let method = match (&config.auth, credentials) {
            (TransitAuth::Token, Credentials::Token { token }) => Method::Token(token.clone()),
            (TransitAuth::Token, given) => return Err(misfit(config, given, "token")),
            (TransitAuth::AppRole { role_id, mount }, Credentials::SecretId { secret_id }) => Method::Ask {
                path: format!("/v1/auth/{mount}/login"),
                with: Proof::AppRole { role_id: role_id.clone(), secret_id: secret_id.clone() },
            },
            (TransitAuth::AppRole { .. }, given) => return Err(misfit(config, given, "secret_id")),
            (TransitAuth::Jwt { role, mount }, Credentials::WorkloadIdentity) => Method::Ask {
                path: format!("/v1/auth/{mount}/login"),
                with: Proof::Jwt { role: role.clone(), site: Box::new(site.clone()) },
            },
            (TransitAuth::Jwt { .. }, given) => return Err(misfit(config, given, "workload_identity")),
        };
        Ok(Self { method, namespace: config.namespace.clone(), held: Mutex::default() })
    }

    /// Whether a refused token can be replaced.
    pub fn renews(&self) -> bool {
        matches!(self.method, Method::Ask { .. })
    }

    /// A request with what every one of ours carries.
    pub fn dressed(&self, request: Request, token: &SecretText) -> Request {
        self.spaced(request).header(TOKEN_HEADER, token.expose())
    }

    fn spaced(&self, request: Request) -> Request {
        let request = request.header("x-vault-request", "true");
        match &self.namespace {
            Some(namespace) => request.header("x-vault-namespace", namespace.as_str()),
            None => request,
        }
    }

    /// A token; a new one if `fresh` says that the last one is not accepted.
    pub async fn token(&self, client: &Client, fresh: bool, told: Told<'_>) -> Result<SecretText, Fault> {
        let (path, proof) = match &self.method {
            Method::Token(token) => return Ok(token.clone()),
            Method::Ask { path, with } => (path, with),
        };
        // Held over the call: many callers need one log-in.
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| !fresh && Instant::now() < held.until) {
            return Ok(held.token.clone());
        }
        let begun = Instant::now();
        let answer = client.send(self.spaced(Request::post_json(path.as_str(), &proof.body(&told)?))).await?;
        if !answer.is_success() {
            let said = said(&answer.hint::<super::Errors>().joined());
            return Err(Fault::Root(match answer.status {
                400 | 401 | 403 | 404 => {
                    told.unknown_caller(&said, "correct the role, its mount and the credentials")
                }
                429 => told.throttled(answer.retry_after, said),
                status => told.silent(format!("log-in was answered {status}: {said}")),
            }));
        }
        let given: Given = answer.json()?;
        let lasts = Duration::from_secs(given.auth.lease_duration);
        let token = SecretText::new(given.auth.client_token);
        *held = Some(Held { token: token.clone(), until: begun + lasts.saturating_sub(MARGIN) });
        Ok(token)
    }
}

impl Proof {
    fn body(&self, told: &Told<'_>) -> Result<serde_json::Value, RootError> {
        Ok(match self {
            Self::AppRole { role_id, secret_id } => {
                serde_json::json!({ "role_id": role_id, "secret_id": secret_id.expose() })
            }
            Self::Jwt { role, site } => {
                let file = site.workload_identity.transit_token_file.as_deref();
                let jwt: Zeroizing<String> = read_token(file, "transit_token_file", told)?;
                serde_json::json!({ "role": role, "jwt": &**jwt })
            }
        })
    }
}

#[derive(Deserialize)]
struct Given {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    lease_duration: u64,
}
