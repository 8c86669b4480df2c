//! What revocation lists name, proposed into the cluster's own list of denied certificates (CONSISTENCY 6): a file
//! that reached one node then holds on all, those whose copy is old or missing included.
//!
//! A certificate that a later list leaves out stays denied until an administrator allows it: lists drop what has
//! expired.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use engine::{Administrator, Engine, Refused};
use model::certificate::{CertificateId, DENIED_TOGETHER_MAX};
use model::commands::DenyCertificates;

const REASON: &str = "revoked by its issuer";

/// Denies on every node what is not denied yet; returns how many certificates that were.
///
/// # Errors
/// Not now, or the cluster's list is full.
pub async fn deny(engine: &Engine, names: &BTreeSet<CertificateId>) -> Result<usize, Refused> {
    let state = engine.store().read_index().await?;
    let new: Vec<_> = names.iter().filter(|name| state.state.denial(name).is_none()).copied().collect();
    let who = Administrator {
        address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        certificate: None,
        subject: "revocation list of this node".to_owned(),
        request: crypto::random::bytes(),
    };
    for certificates in new.chunks(DENIED_TOGETHER_MAX) {
        let target = format!("{} certificates", certificates.len());
        let command = DenyCertificates { certificates: certificates.to_vec(), reason: REASON.to_owned() };
        engine.administer_cluster(&who, &target, command, None).await?;
    }
    Ok(new.len())
}
