//! TLS of the KMIP service: 1.2 and 1.3, a client certificate always, each authority pinned to tenants.
//!
//! Session resumption and early data are off: a resumed session would skip the judgement of the
//! certificate (CONSISTENCY 6).

use std::io;
use std::sync::Arc;

use model::id::TenantName;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::identity::{Identity, IdentityError, identify};

/// Longest client chain: a leaf, and two intermediates below the pinned authority.
const CHAIN_MAX: usize = 4;

/// The tenants an authority may speak for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Every tenant.
    Any,
    /// Exactly these.
    Tenants(Vec<TenantName>),
}

impl Pin {
    fn allows(&self, tenant: &TenantName) -> bool {
        match self {
            Self::Any => true,
            Self::Tenants(tenants) => tenants.contains(tenant),
        }
    }
}

/// The authorities of clients, and who they may speak for.
#[derive(Debug)]
pub struct Authorities {
    trust_domain: String,
    pinned: Vec<(Arc<dyn ClientCertVerifier>, Pin)>,
    hints: Vec<DistinguishedName>,
}

impl Authorities {
    /// From the authorities' certificates.
    ///
    /// # Errors
    /// If one is no certificate of an authority.
    pub fn new(
        trust_domain: &str,
        authorities: impl IntoIterator<Item = (Vec<CertificateDer<'static>>, Pin)>,
    ) -> Result<Self, rustls::Error> {
        let mut pinned = Vec::new();
        let mut hints = Vec::new();
        for (certificates, pin) in authorities {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots.add(certificate)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
            hints.extend(verifier.root_hint_subjects().iter().cloned());
            pinned.push((verifier, pin));
        }
        Ok(Self { trust_domain: trust_domain.to_owned(), pinned, hints })
    }

    /// Judges a chain: it leads to an authority that may speak for the tenant the leaf names.
    ///
    /// # Errors
    /// The TLS error to refuse the handshake with; its text names the reason.
    pub fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Identity, rustls::Error> {
        if intermediates.len() >= CHAIN_MAX {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        let mut refusal = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let mut identity = None;
        for (verifier, pin) in &self.pinned {
            match verifier.verify_client_cert(leaf, intermediates, now) {
                Ok(_) => {
                    let known = match identity {
                        Some(ref known) => known,
                        None => identity.insert(identify(leaf, &self.trust_domain).map_err(refused)?),
                    };
                    if pin.allows(&known.tenant) {
                        return Ok(known.clone());
                    }
                    refusal = refused(IdentityError::IssuerNotPinned);
                }
                Err(error) if identity.is_none() && is_specific(&error) => refusal = error,
                Err(_) => {}
            }
        }
        Err(refusal)
    }
}

/// Whether an error tells more than that this authority did not issue the certificate.
fn is_specific(error: &rustls::Error) -> bool {
    !matches!(error, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

fn refused(error: IdentityError) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

/// Why a handshake failed. A verdict of ours is told in its own words: TLS would print it as a structure.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause)))) => {
            cause.to_string()
        }
        _ => error.to_string(),
    }
}

impl ClientCertVerifier for Authorities {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, now).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.any()?.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.any()?.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.any().map(|verifier| verifier.supported_verify_schemes()).unwrap_or_default()
    }
}

impl Authorities {
    /// Signatures are checked alike whichever authority issued the certificate.
    fn any(&self) -> Result<&Arc<dyn ClientCertVerifier>, rustls::Error> {
        let first = self.pinned.first().map(|(verifier, _)| verifier);
        first.ok_or_else(|| rustls::Error::General("no client authority is configured".to_owned()))
    }
}

/// The server's side of TLS.
///
/// # Errors
/// If certificate and key do not belong together.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: Arc<Authorities>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_protocol_versions(rustls::ALL_VERSIONS)
        .with_client_cert_verifier(authorities)
        .with_single_cert(chain, key)?;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}
