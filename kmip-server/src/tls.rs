//! TLS of the KMIP service: 1.2 and 1.3, a client certificate always, each authority pinned to tenants.
//!
//! Session resumption and early data are off: a resumed session would skip the judgement of the
//! certificate (CONSISTENCY 6). An authority with revocation lists is believed only while they are current;
//! new lists take effect at once, on open connections too.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use model::id::TenantName;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio::sync::watch;

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

/// An authority of clients.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its certificates.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Who it may speak for.
    pub pin: Pin,
    /// Its revocation lists, and those of authorities below it. None: nothing is ever revoked. With some, a
    /// certificate is refused when its issuer has no list among them, or one whose time is over.
    pub revocations: Vec<CertificateRevocationListDer<'static>>,
}

impl Authority {
    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in &self.certificates {
            roots.add(certificate.clone())?;
        }
        WebPkiClientVerifier::builder(Arc::new(roots))
            .with_crls(self.revocations.iter().cloned())
            .enforce_revocation_expiration()
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))
    }
}

/// An authority's verifier, and who it may speak for.
type Pinned = (Arc<dyn ClientCertVerifier>, Pin);

/// The authorities of clients, and who they may speak for.
#[derive(Debug)]
pub struct Authorities {
    trust_domain: String,
    pinned: ArcSwap<Vec<Pinned>>,
    /// TLS wants a reference that outlives every swap, so lists are leaked: some hundred bytes whenever an
    /// authority is replaced, which is every few years.
    hints: ArcSwap<&'static [DistinguishedName]>,
    /// All of their certificates: a leaf's issuer is one of them, or an intermediate.
    authorities: ArcSwap<Vec<CertificateDer<'static>>>,
    /// Counts replacements.
    changes: watch::Sender<u64>,
}

impl Authorities {
    /// From the authorities' certificates and lists.
    ///
    /// # Errors
    /// If one is no certificate of an authority, or a list is none.
    pub fn new(trust_domain: &str, authorities: &[Authority]) -> Result<Self, rustls::Error> {
        let pinned = pinned(authorities)?;
        let hints = ArcSwap::from_pointee(leak(hints_of(&pinned)));
        let changes = watch::Sender::new(0);
        let certificates = authorities.iter().flat_map(|authority| authority.certificates.clone());
        Ok(Self {
            authorities: ArcSwap::from_pointee(certificates.collect()),
            trust_domain: trust_domain.to_owned(),
            pinned: ArcSwap::from_pointee(pinned),
            hints,
            changes,
        })
    }

    /// Takes other authorities, or other revocation lists of the same. Who is not accepted now is refused
    /// from here on; open connections are judged anew.
    ///
    /// # Errors
    /// If an authority or a list is none; then nothing changes.
    pub fn replace(&self, authorities: &[Authority]) -> Result<(), rustls::Error> {
        let pinned = pinned(authorities)?;
        let hints = hints_of(&pinned);
        let bytes = |hints: &[DistinguishedName]| -> Vec<Vec<u8>> {
            hints.iter().map(|name| AsRef::<[u8]>::as_ref(name).to_vec()).collect()
        };
        if bytes(&hints) != bytes(&self.hints.load()) {
            self.hints.store(Arc::new(leak(hints)));
        }
        let certificates = authorities.iter().flat_map(|authority| authority.certificates.clone());
        self.authorities.store(Arc::new(certificates.collect()));
        self.pinned.store(Arc::new(pinned));
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Changes with every replacement.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
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
        for (verifier, pin) in self.pinned.load().iter() {
            match verifier.verify_client_cert(leaf, intermediates, now) {
                Ok(_) => {
                    let known = match identity {
                        Some(ref known) => known,
                        None => {
                            let own = self.authorities.load();
                            let issuers = intermediates.iter().chain(own.iter()).map(AsRef::as_ref);
                            identity.insert(identify(leaf, issuers, &self.trust_domain).map_err(refused)?)
                        }
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

fn hints_of(pinned: &[Pinned]) -> Vec<DistinguishedName> {
    pinned.iter().flat_map(|(verifier, _)| verifier.root_hint_subjects()).cloned().collect()
}

fn leak(hints: Vec<DistinguishedName>) -> &'static [DistinguishedName] {
    Vec::leak(hints)
}

fn pinned(authorities: &[Authority]) -> Result<Vec<Pinned>, rustls::Error> {
    authorities.iter().map(|authority| Ok((authority.verifier()?, authority.pin.clone()))).collect()
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
        &self.hints.load()
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
    fn any(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        let first = self.pinned.load().first().map(|(verifier, _)| Arc::clone(verifier));
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
