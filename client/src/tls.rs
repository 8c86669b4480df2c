//! Our side of mutual TLS, and its failures in one sentence each.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use crate::{Settings, SettingsError};

/// Reads certificates and key, and builds the one configuration every connection shares.
pub(crate) fn configuration(settings: &Settings) -> Result<Arc<ClientConfig>, SettingsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates("authority", &settings.authority_pem)? {
        roots.add(authority).map_err(|cause| unusable("authority", cause))?;
    }
    let chain = certificates("certificate", &settings.certificate_pem)?;
    let key = PrivateKeyDer::from_pem_slice(&settings.key_pem).map_err(|cause| unusable("key", cause))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|cause| match cause {
            rustls::Error::InconsistentKeys(_) => SettingsError::OtherKey,
            other => other.into(),
        })?;
    Ok(Arc::new(config))
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|cause| unusable(what, cause))?;
    if found.is_empty() {
        return Err(unusable(what, "it holds no certificate"));
    }
    Ok(found)
}

fn unusable(what: &'static str, cause: impl ToString) -> SettingsError {
    SettingsError::Pem { what, cause: cause.to_string() }
}

/// Why the two sides do not trust each other.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TlsFault {
    /// Somebody else's certificate, or the wrong authority in our settings.
    #[error("the server's certificate was not issued by the authority we trust")]
    UnknownAuthority,
    /// The certificate is for another name than the one we connect to.
    #[error("the server's certificate is for another name; give the server name if the address is not it")]
    OtherName,
    /// The certificate is expired or not yet valid, by our clock.
    #[error("the server's certificate is not valid at this time")]
    NotValidNow,
    /// The server does not accept our certificate. In TLS 1.3 this shows at the first answer only.
    #[error("the server refused our certificate (alert: {0:?})")]
    OurCertificate(AlertDescription),
    /// Anything else between the two TLS libraries.
    #[error("TLS failed: {0}")]
    Other(rustls::Error),
}

impl TlsFault {
    /// What TLS itself found wrong; `None` when the line merely broke.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<rustls::Error>().map(|error| Self::from(error.clone()))
    }
}

impl From<rustls::Error> for TlsFault {
    fn from(error: rustls::Error) -> Self {
        use AlertDescription as Alert;
        match error {
            // A bad signature is an authority of the same name with another key.
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => Self::UnknownAuthority,
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Self::OtherName,
            rustls::Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => Self::NotValidNow,
            rustls::Error::AlertReceived(
                alert @ (Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::DecryptError // its signature does not verify
                | Alert::AccessDenied),
            ) => Self::OurCertificate(alert),
            other => Self::Other(other),
        }
    }
}
