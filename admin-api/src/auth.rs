//! Who is asking: an operator by mutual TLS on the operator port, whoever a bearer token of an identity
//! provider speaks for, or, in development, a platform operator by a fixed token.
//!
//! A credential is judged once, here; nothing else a request says about its sender counts.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use engine::Administrator;
use model::id::TenantName;
use subtle::ConstantTimeEq as _;

use crate::access::Grants;
use crate::app::App;
use crate::identity::TokenRefused;
use crate::problem::{Correlation, Problem};
use crate::server::Peer;

/// The bearer token of a platform operator; for development only. Kept as a hash, compared in constant
/// time.
pub struct DevelopmentToken {
    hash: [u8; 32],
}

/// Shortest token in bytes: less could be guessed.
const TOKEN_BYTES_MIN: usize = 32;

impl DevelopmentToken {
    /// From the content of its file.
    ///
    /// # Errors
    /// If it is too short to be secret.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let token = text.trim();
        if token.len() < TOKEN_BYTES_MIN {
            return Err("a token has at least 32 characters");
        }
        Ok(Self { hash: crypto::digest::sha256(&[token.as_bytes()]) })
    }

    fn matches(&self, token: &str) -> bool {
        crypto::digest::sha256(&[token.as_bytes()]).ct_eq(&self.hash).into()
    }
}

/// Somebody whose credential was checked. Handlers get it from the guard of their route, which has judged
/// that it may use the route.
#[derive(Clone, Debug)]
pub struct Caller {
    /// For records.
    pub administrator: Administrator,
    /// What it may do.
    pub grants: Grants,
    /// How sure its provider is who that is.
    pub assurance: Assurance,
}

/// Whether somebody has just shown a second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assurance {
    /// Yes; an operator's certificate counts as one.
    SecondFactor,
    /// No; this is what to ask the provider for (RFC 9470).
    Single {
        /// Classes of authentication that would do.
        acr_values: Vec<String>,
        /// How long ago it may be, in seconds.
        max_age_s: u64,
    },
}

impl Caller {
    /// Whether a tenant may be shown to this caller.
    #[must_use]
    pub fn sees(&self, tenant: &TenantName) -> bool {
        self.grants.sees(tenant)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

/// Why nobody is known to be asking.
#[derive(Debug)]
pub(crate) enum Unknown {
    /// There is no credential.
    Absent,
    /// It is worth nothing.
    Wrong,
    /// It cannot be judged now: its provider does not answer.
    NotNow,
}

/// Judges the credential of a request.
///
/// # Errors
/// [`Unknown`].
pub(crate) async fn identify(app: &App, peer: &Peer, headers: &HeaderMap) -> Result<Caller, Unknown> {
    let caller = |grants, certificate, subject, assurance| Caller {
        grants,
        assurance,
        administrator: Administrator {
            address: peer.address,
            certificate,
            subject,
            request: Correlation::current().0,
        },
    };
    if let Some(operator) = &peer.operator {
        return Ok(caller(
            Grants::operator(),
            Some(operator.certificate),
            operator.subject.clone(),
            Assurance::SecondFactor,
        ));
    }
    let token = bearer(headers)?;
    if app.token().is_some_and(|known| known.matches(token)) {
        return Ok(caller(Grants::operator(), None, "development token".to_owned(), Assurance::SecondFactor));
    }
    match app.providers().identify(token).await {
        Ok(identified) => Ok(caller(identified.grants, None, identified.subject, identified.assurance)),
        Err(refused) => {
            tracing::info!(address = %peer.address, cause = %refused, "a bearer token was refused");
            Err(if refused == TokenRefused::NoKeys { Unknown::NotNow } else { Unknown::Wrong })
        }
    }
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Unknown> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return Err(if headers.contains_key(AUTHORIZATION) { Unknown::Wrong } else { Unknown::Absent });
    };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Unknown::Wrong)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Unknown::Wrong) }
}
