//! A token, from text to a verified statement.
//!
//! The algorithm is never the token's choice: it must be one of the list here, of the family of the key that
//! the provider published, and the one published with it. So neither `none` nor a public key used as the
//! secret of an HMAC passes (RFC 8725, sections 2.1 and 3.1).

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};

use super::claims::Claims;
use super::keys;
use crate::access::Grants;
use crate::auth::Assurance;

/// Longest token in bytes: with a hundred groups in it there is room left.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How far clocks may differ, in seconds.
const LEEWAY_S: u64 = 30;
/// What signs tokens: signatures alone, no shared secret.
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];
/// Types of tokens that speak for a caller (RFC 7519, RFC 9068); a logout token, say, does not.
const TYPES: &[&str] = &["jwt", "at+jwt", "application/at+jwt"];

/// Whom a token speaks for.
#[derive(Debug)]
pub(crate) struct Identified {
    /// The roles it gives.
    pub grants: Grants,
    /// A name fit for a record.
    pub subject: String,
    /// Whether a second factor was shown.
    pub assurance: Assurance,
}

/// Why a token counts for nothing; for the log, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is no token.
    #[error("it is not a signed token")]
    Malformed,
    /// Nobody we know made it.
    #[error("its issuer is not configured")]
    Issuer,
    /// Its algorithm is not one we take, or not its key's.
    #[error("its algorithm is not accepted, or not its key's")]
    Algorithm,
    /// Its header asks for something we do not do.
    #[error("its header has a type or an extension that is not accepted")]
    Header,
    /// The provider publishes no such key.
    #[error("its key is not published by the provider")]
    Key,
    /// The signature is wrong, or it was made for another audience or another time.
    #[error("its signature, audience, issuer or time is wrong: {0}")]
    Invalid(&'static str),
    /// The provider has not been reached yet, or too long ago.
    #[error("the keys of its provider are not known")]
    NoKeys,
}

/// The issuer a token claims, unverified: it only chooses whose keys to judge it by.
pub(super) fn claimed_issuer(token: &str) -> Result<String, Refused> {
    if token.len() > TOKEN_BYTES_MAX || token.split('.').count() != 3 {
        return Err(Refused::Malformed);
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(token);
    claims.map(|claims| claims.iss).map_err(|_| Refused::Malformed)
}

/// The header of a token.
pub(super) fn head(token: &str) -> Result<Header, Refused> {
    let head = jsonwebtoken::decode_header(token).map_err(|_| Refused::Algorithm)?;
    if !ALGORITHMS.contains(&head.alg) {
        return Err(Refused::Algorithm);
    }
    let known = |typ: &String| TYPES.contains(&typ.to_ascii_lowercase().as_str());
    if head.crit.is_some() || !head.typ.as_ref().is_none_or(known) {
        return Err(Refused::Header);
    }
    Ok(head)
}

/// Verifies a token against the keys of its provider.
pub(super) fn verify(
    token: &str,
    head: &Header,
    keys: &JwkSet,
    issuer: &str,
    audience: &str,
) -> Result<Claims, Refused> {
    let jwk = keys::find(keys, head.kid.as_deref()).ok_or(Refused::Key)?;
    if !belongs(head.alg, jwk) {
        return Err(Refused::Algorithm);
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| Refused::Key)?;
    let mut validation = Validation::new(head.alg);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let verified = jsonwebtoken::decode::<Claims>(token, &key, &validation);
    let claims = verified.map_err(|error| Refused::Invalid(cause(&error)))?.claims;
    // A list of issuers is none: whose word would it be?
    if claims.iss != issuer || !claims.subject_is_plain() {
        return Err(Refused::Invalid("issuer or subject"));
    }
    Ok(claims)
}

/// Whether an algorithm is one of this key's.
fn belongs(algorithm: Algorithm, jwk: &Jwk) -> bool {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    use jsonwebtoken::jwk::EllipticCurve::{Ed25519, P256, P384};
    let family = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => {
            matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512)
        }
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            P256 => algorithm == ES256,
            P384 => algorithm == ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(key) => key.curve == Ed25519 && algorithm == EdDSA,
        _ => false,
    };
    let for_signatures =
        jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let published = jwk.common.key_algorithm.map(|one| one.to_string());
    family && for_signatures && published.is_none_or(|published| published == format!("{algorithm:?}"))
}

fn cause(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::ImmatureSignature => "not valid yet",
        ErrorKind::InvalidAudience => "audience",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "form",
    }
}
