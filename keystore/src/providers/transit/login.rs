//! How we come by a token.

use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::NAME;
use super::lasting::Lasting;
use crate::config::{TransitAuth, TransitConfig};
use crate::http::{Answer, Client, Request};
use crate::providers::held::Held;
use crate::providers::service::{Fault, Told, said};
use crate::providers::workload::read_token;
use crate::registry::other_credentials;
use crate::{Credentials, RootError, SecretText, Site};

/// The header that carries a token.
const TOKEN_HEADER: &str = "x-vault-token";

/// One way to log in, and the token it gave last.
pub struct Login {
    method: Method,
    namespace: Option<String>,
    held: Held<SecretText>,
}

enum Method {
    /// The credentials are the token.
    Token { token: SecretText, lasting: Lasting },
    /// It is asked for at this path.
    Ask { path: String, with: Proof },
}

enum Proof {
    AppRole { role_id: String, secret_id: SecretText },
    Jwt { role: String, site: Box<Site> },
}

impl Login {
    pub fn new(config: &TransitConfig, credentials: &Credentials, site: &Site) -> Result<Self, RootError> {
        let method = match (&config.auth, credentials) {
            (TransitAuth::Token, Credentials::Token { token }) => {
                Method::Token { token: token.clone(), lasting: Lasting::new() }
            }
            (TransitAuth::Token, given) => return Err(other_credentials(NAME, given, "token")),
            (TransitAuth::AppRole { role_id, mount }, Credentials::SecretId { secret_id }) => Method::Ask {
                path: format!("/v1/auth/{mount}/login"),
                with: Proof::AppRole { role_id: role_id.clone(), secret_id: secret_id.clone() },
            },
            (TransitAuth::AppRole { .. }, given) => return Err(other_credentials(NAME, given, "secret_id")),
            (TransitAuth::Jwt { role, mount }, Credentials::WorkloadIdentity) => Method::Ask {
                path: format!("/v1/auth/{mount}/login"),
                with: Proof::Jwt { role: role.clone(), site: Box::new(site.clone()) },
            },
            (TransitAuth::Jwt { .. }, given) => {
                return Err(other_credentials(NAME, given, "workload_identity"));
            }
        };
        Ok(Self { method, namespace: config.namespace.clone(), held: Held::default() })
    }

    /// Whether a refused token can be replaced.
    pub fn renews(&self) -> bool {
        matches!(self.method, Method::Ask { .. })
    }

    /// Sees to it that a token that was given to us lasts; one that is asked for is asked for again.
    pub async fn tend(&self, client: &Client) {
        if let Method::Token { token, lasting } = &self.method {
            lasting.tend(client, |request| self.dressed(request, token)).await;
        }
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
            Method::Token { token, .. } => return Ok(token.clone()),
            Method::Ask { path, with } => (path, with),
        };
        let ask = async {
            let request = Request::post_json(path.as_str(), &proof.body(&told)?);
            let answer = client.send(self.spaced(request)).await?;
            if !answer.is_success() {
                return Err(refused(&answer, &told).into());
            }
            let Given { auth } = answer.json()?;
            Ok((SecretText::new(auth.client_token), Duration::from_secs(auth.lease_duration)))
        };
        self.held.get(fresh, ask).await
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

fn refused(answer: &Answer, told: &Told<'_>) -> RootError {
    let said = said(&answer.hint::<super::Errors>().joined());
    match answer.status {
        400 | 401 | 403 | 404 => {
            told.unknown_caller(&said, "correct the role, its mount and the credentials")
        }
        429 => told.throttled(answer.retry_after, said),
        status => told.silent(format!("log-in was answered {status}: {said}")),
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
