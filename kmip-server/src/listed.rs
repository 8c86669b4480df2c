//! Which certificates revocation lists name, in the words of the cluster's own list (CONSISTENCY 6).

use std::collections::BTreeSet;

use model::certificate::{CertificateId, Serial};
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::tls::Authority;

/// Every certificate that the lists of these authorities name. A list of an authority below them is heard by this
/// node alone: only the key of an issuer at hand gives a certificate its name.
#[must_use]
pub fn names(authorities: &[Authority]) -> BTreeSet<CertificateId> {
    let mut names = BTreeSet::new();
    for authority in authorities {
        for list in &authority.revocations {
            let Ok((_, list)) = CertificateRevocationList::from_der(list) else { continue };
            for issuer in issuers(authority, &list) {
                let serials = list.iter_revoked_certificates();
                let serials = serials.filter_map(|one| Serial::from_be_bytes(one.raw_serial()));
                names.extend(serials.map(|serial| CertificateId::Issued { issuer, serial }));
            }
        }
    }
    names
}

/// The keys of the authority's certificates that bear the name of the list's issuer.
fn issuers(authority: &Authority, list: &CertificateRevocationList<'_>) -> Vec<[u8; 32]> {
    let certificates =
        authority.certificates.iter().filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1));
    certificates
        .filter(|certificate| certificate.subject().as_raw() == list.issuer().as_raw())
        .map(|certificate| Sha256::digest(certificate.public_key().raw).into())
        .collect()
}
