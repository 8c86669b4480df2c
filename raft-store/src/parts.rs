//! A part of a message goes to the node that holds what its earlier parts left behind, over the peer port.
//!
//! A client may send the parts of one message to different nodes. A node that did not begin it passes the request on,
//! with the caller as it verified it, and brings the answer back. This crate carries both; who may continue what is
//! judged above, on either node.

use std::fmt;
use std::net::SocketAddr;

use futures::future::BoxFuture;
use model::certificate::CertificateId;
use model::id::{NodeId, ServiceName, TenantName};
use model::service::ServiceType;

use crate::wire::raft::BadMessage;
use crate::wire::{AnsweredPart, PassedPart};

/// A request that was passed on, and who made it: the engine's caller, which this floor below it does not know.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// The node that verified the caller: members are believed.
    pub from: NodeId,
    /// The caller's tenant.
    pub tenant: TenantName,
    /// The calling service.
    pub service: ServiceName,
    /// What its certificate says it is.
    pub service_type: ServiceType,
    /// SHA-256 of the leaf certificate.
    pub certificate: [u8; 32],
    /// Every name by which the certificate may be denied.
    pub names: Vec<CertificateId>,
    /// Where the connection comes from.
    pub address: SocketAddr,
    /// A KMIP request message of one item.
    pub request: Vec<u8>,
}

/// Without the request, which may hold plaintext.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a part of {} bytes of {}/{} from node {}",
            self.request.len(),
            self.tenant,
            self.service,
            self.from
        )
    }
}

/// Why a part has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAnswered(pub String);

/// Whoever keeps messages in parts.
pub trait Keeper: Send + Sync + 'static {
    /// The KMIP response message to a part.
    fn answer(&self, part: Part) -> BoxFuture<'_, Result<Vec<u8>, NotAnswered>>;
}

impl From<Part> for PassedPart {
    fn from(part: Part) -> Self {
        Self {
            tenant: part.tenant.as_str().to_owned(),
            service: part.service.as_str().to_owned(),
            service_type: part.service_type.as_str().to_owned(),
            certificate: part.certificate.to_vec(),
            names: part.names.iter().map(ToString::to_string).collect(),
            address: part.address.to_string(),
            request: part.request,
        }
    }
}

impl PassedPart {
    pub(crate) fn read(self, from: NodeId) -> Result<Part, BadMessage> {
        if self.names.is_empty() {
            return Err(BadMessage::Missing("names"));
        }
        let names = self.names.iter().map(|name| name.parse().map_err(|_| BadMessage::Missing("names")));
        Ok(Part {
            from,
            tenant: TenantName::parse(&self.tenant).map_err(|_| BadMessage::Missing("tenant"))?,
            service: ServiceName::parse(&self.service).map_err(|_| BadMessage::Missing("service"))?,
            service_type: ServiceType::parse(&self.service_type)
                .ok_or(BadMessage::Missing("service_type"))?,
            certificate: self.certificate.try_into().map_err(|_| BadMessage::Missing("certificate"))?,
            names: names.collect::<Result<_, _>>()?,
            address: self.address.parse().map_err(|_| BadMessage::Missing("address"))?,
            request: self.request,
        })
    }
}

impl From<Vec<u8>> for AnsweredPart {
    fn from(response: Vec<u8>) -> Self {
        Self { response }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Part {
        Part {
            from: NodeId(3),
            tenant: TenantName::parse("acme").unwrap(),
            service: ServiceName::parse("mongodb").unwrap(),
            service_type: ServiceType::Mongodb,
            certificate: [7; 32],
            names: vec![CertificateId::Key { spki: [8; 32] }],
            address: "[::1]:4711".parse().unwrap(),
            request: vec![0x42, 0, 0x78],
        }
    }

    #[test]
    fn a_part_survives_the_wire() {
        assert_eq!(PassedPart::from(part()).read(NodeId(3)).unwrap(), part());
    }

    #[test]
    fn what_a_peer_left_out_or_made_up_is_an_error() {
        let good = PassedPart::from(part());
        for bad in [
            PassedPart { tenant: "no label".to_owned(), ..good.clone() },
            PassedPart { service: String::new(), ..good.clone() },
            PassedPart { service_type: "toaster".to_owned(), ..good.clone() },
            PassedPart { certificate: vec![7; 31], ..good.clone() },
            PassedPart { names: vec!["key:00".to_owned()], ..good.clone() },
            PassedPart { names: vec![], ..good.clone() },
            PassedPart { address: "nowhere".to_owned(), ..good.clone() },
        ] {
            assert!(bad.clone().read(NodeId(3)).is_err(), "{bad:?}");
        }
    }
}
