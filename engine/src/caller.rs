//! Who asks: facts of a verified certificate, and nothing a request says about itself.

use std::net::SocketAddr;

use model::certificate::CertificateId;
use model::id::{NodeId, ServiceName, TenantName};
use model::service::ServiceType;

/// A caller whose certificate was verified and whose identity is unambiguous (DESIGN 8). It exists
/// only then; the rest of the code never asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant the certificate speaks for; its issuer is pinned to it.
    pub tenant: TenantName,
    /// The service within the tenant.
    pub service: ServiceName,
    /// What the certificate says the service is; shown to people only.
    pub service_type: ServiceType,
    /// SHA-256 of the leaf certificate.
    pub certificate: [u8; 32],
    /// Every name by which the certificate may be denied: asked on every request, on open connections too.
    pub names: Vec<CertificateId>,
    /// Where the connection comes from.
    pub address: SocketAddr,
    /// The node that verified it, of a part that another node passed on.
    pub passed_by: Option<NodeId>,
}
