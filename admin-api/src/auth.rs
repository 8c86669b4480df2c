//! Who administers: an operator by mutual TLS on the operator port, or, in development, by a token.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use engine::Administrator;
use subtle::ConstantTimeEq as _;

use crate::app::App;
use crate::problem::Problem;
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

/// A platform operator whose credential was checked.
pub struct Operator(pub Administrator);

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().cloned().ok_or_else(Problem::unauthenticated)?;
        if let Some(operator) = &peer.operator {
            return Ok(Self(Administrator {
                address: peer.address,
                certificate: Some(operator.certificate),
                subject: operator.subject.clone(),
            }));
        }
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(Problem::unauthenticated)?;
        match app.token() {
            Some(known) if known.matches(token) => Ok(Self(Administrator {
                address: peer.address,
                certificate: None,
                subject: "development token".to_owned(),
            })),
            _ => Err(Problem::unauthenticated()),
        }
    }
}
