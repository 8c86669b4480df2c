//! Certificates that no node accepts any more, on open connections either (CONSISTENCY 6).

use std::sync::Arc;

use axum::Json;
use engine::Engine;
use model::certificate::{CertificateId, Denial};
use model::command::Action;
use model::commands::{AllowCertificates, DenyCertificates};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use x509_parser::pem::parse_x509_pem;

use crate::json::Body;
use crate::problem::{Problem, seconds};
use crate::wish::Wish;

/// A certificate to deny or to allow again: its PEM, which means its key, or its name.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// The certificate in PEM: every certificate for its key is meant.
    #[serde(default)]
    certificate: Option<String>,
    /// `key:<SHA-256 of its key>` or `issued:<SHA-256 of its issuer's key>:<serial number>`, in hexadecimal.
    #[serde(default)]
    name: Option<String>,
    /// For people; of no meaning where a denial is taken back.
    #[serde(default)]
    reason: String,
}

/// A certificate that is denied.
#[derive(Serialize, ToSchema)]
pub struct DenialView {
    /// Which certificates are meant.
    name: String,
    /// For people.
    reason: String,
    /// When it was denied, in seconds since the epoch.
    since: u64,
}

/// Certificates that are denied.
#[derive(Serialize, ToSchema)]
pub struct DenialList {
    /// By name.
    items: Vec<DenialView>,
}

/// An answered change of the list.
#[derive(Serialize, ToSchema)]
pub struct CertificateChanged {
    /// Which certificates were meant.
    name: String,
    /// Whether they are denied from now on.
    denied: bool,
    /// Since when that holds on every node: seconds since the epoch. Only where it was denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_everywhere_at: Option<f64>,
}

/// Lists the certificates that are denied.
#[utoipa::path(get, path = "/v1/certificates", responses((status = 200, body = DenialList)))]
pub async fn list(engine: Arc<Engine>) -> Result<Json<DenialList>, Problem> {
    let generation = engine.store().read_index().await.map_err(engine::Refused::from)?;
    let view = |id: &CertificateId, denial: &Denial| DenialView {
        name: id.to_string(),
        reason: denial.reason.clone(),
        since: denial.since.as_secs(),
    };
    let items = generation.state.denials().map(|(id, denial)| view(id, denial));
    Ok(Json(DenialList { items: items.collect() }))
}

/// Denies a certificate; answered when no node accepts it any more.
#[utoipa::path(post, path = "/v1/certificates:deny", request_body = CertificateRequest, responses(
    (status = 200, body = CertificateChanged), (status = 400, body = Problem), (status = 504, body = Problem)))]
pub async fn deny(
    wish: Wish,
    Body(request): Body<CertificateRequest>,
) -> Result<Json<CertificateChanged>, Problem> {
    change(&wish, request, true).await
}

/// Takes a denial back.
#[utoipa::path(post, path = "/v1/certificates:allow", request_body = CertificateRequest, responses(
    (status = 200, body = CertificateChanged), (status = 400, body = Problem)))]
pub async fn allow(
    wish: Wish,
    Body(request): Body<CertificateRequest>,
) -> Result<Json<CertificateChanged>, Problem> {
    change(&wish, request, false).await
}

async fn change(
    wish: &Wish,
    request: CertificateRequest,
    denied: bool,
) -> Result<Json<CertificateChanged>, Problem> {
    let (id, key) = (request.id()?, wish.key(&request)?);
    let (name, certificates) = (id.to_string(), vec![id]);
    let action: Action = match denied {
        true => DenyCertificates { certificates, reason: request.reason }.into(),
        false => AllowCertificates { certificates }.into(),
    };
    let done = wish.engine.administer_cluster(&wish.who, &name, action, key).await?;
    let effective_everywhere_at = seconds(done.effective_everywhere_at);
    Ok(Json(CertificateChanged { name, denied, effective_everywhere_at }))
}

impl CertificateRequest {
    /// Which certificates are meant.
    fn id(&self) -> Result<CertificateId, Problem> {
        match (&self.certificate, &self.name) {
            (None, Some(name)) => name.parse().map_err(|error: model::certificate::BadCertificateName| {
                Problem::bad_request(error.to_string())
            }),
            (Some(pem), None) => by_key(pem),
            _ => Err(Problem::bad_request("give either the certificate in PEM or its name")),
        }
    }
}

/// The name of all certificates for the key of this one.
fn by_key(pem: &str) -> Result<CertificateId, Problem> {
    let unreadable = || Problem::bad_request("the certificate is no X.509 certificate in PEM");
    let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|_| unreadable())?;
    let certificate = pem.parse_x509().map_err(|_| unreadable())?;
    Ok(CertificateId::Key { spki: crypto::digest::sha256(&[certificate.public_key().raw]) })
}
