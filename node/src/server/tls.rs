//! Certificates from files to TLS configurations; every error names its file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kmip_server::tls::{Authorities, Authority, Pin};
use model::id::TenantName;
use raft_store::peer::tls::{PeerCredentials, PeerTls};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};

use crate::config::{self, Config};

/// Everything TLS needs.
pub struct Certificates {
    /// The KMIP service.
    pub kmip: Arc<ServerConfig>,
    /// Who may speak for whom over KMIP.
    pub authorities: Arc<Authorities>,
    /// Administration without a client certificate.
    pub public: Arc<ServerConfig>,
    /// The operator port: an operator's certificate, or a service's for KMIP over HTTPS.
    pub operator: Arc<ServerConfig>,
    /// Tells operators' certificates from services'.
    pub operators: Arc<dyn ClientCertVerifier>,
    /// Towards other nodes.
    pub peer: PeerTls,
}

/// Reads and judges every file.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn load(config: &Config) -> anyhow::Result<Certificates> {
    let tls = &config.tls;
    let chain = chain(&tls.server_cert)?;
    let key = key(&tls.server_key)?;
    refuse_expired(&chain, &tls.server_cert)?;
    let mismatch =
        || format!("{} and {} do not belong together", tls.server_cert.display(), tls.server_key.display());
    let authorities = Authorities::new(&config.node.trust_domain, &client_authorities(config)?)
        .context("an authority of clients, or a revocation list of it, cannot be used")?;
    let authorities = Arc::new(authorities);
    let kmip = kmip_server::tls::server_config(chain.clone(), key.clone_key(), Arc::clone(&authorities))
        .with_context(mismatch)?;
    let mut public = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.clone(), key.clone_key())
        .with_context(mismatch)?;
    refuse_shared_authority(config)?;
    let operators = WebPkiClientVerifier::builder(Arc::new(roots(&tls.operator_ca)?)).build()?;
    let either = Either { operators: Arc::clone(&operators), services: Arc::clone(&authorities) };
    let mut operator = ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(either))
        .with_single_cert(chain, key)
        .with_context(mismatch)?;
    // A resumed session would skip the judgement of the certificate.
    operator.session_storage = Arc::new(NoServerSessionStorage {});
    operator.send_tls13_tickets = 0;
    for config in [&mut public, &mut operator] {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok(Certificates {
        kmip: Arc::new(kmip),
        authorities,
        public: Arc::new(public),
        operator: Arc::new(operator),
        operators,
        peer: peer(config)?,
    })
}

/// Operators and services come from distinct authorities: a shared one would make every service an operator.
fn refuse_shared_authority(config: &Config) -> anyhow::Result<()> {
    let operators = chain(&config.tls.operator_ca)?;
    for authority in &config.client_ca {
        if chain(&authority.file)?.iter().any(|certificate| operators.contains(certificate)) {
            bail!(
                "{} is both tls.operator_ca and a client_ca: services of that authority would be operators",
                authority.file.display()
            );
        }
    }
    Ok(())
}

/// Lets in whom one of two verifiers lets in; which one it was is asked again after the handshake.
#[derive(Debug)]
struct Either {
    operators: Arc<dyn ClientCertVerifier>,
    services: Arc<Authorities>,
}

impl ClientCertVerifier for Either {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None: a client with one certificate sends it, and two lists of authorities need no joining.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let operator = self.operators.verify_client_cert(end_entity, intermediates, now);
        operator.or_else(|_| self.services.verify_client_cert(end_entity, intermediates, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.operators.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.operators.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.operators.supported_verify_schemes()
    }
}

fn peer(config: &Config) -> anyhow::Result<PeerTls> {
    let tls = &config.tls;
    let chain = chain(&tls.peer_cert)?;
    refuse_expired(&chain, &tls.peer_cert)?;
    let credentials = PeerCredentials { chain, key: key(&tls.peer_key)?, roots: self::chain(&tls.peer_ca)? };
    PeerTls::new(credentials, &config.node.trust_domain)
        .with_context(|| format!("{} cannot be used towards other nodes", tls.peer_cert.display()))
}

/// The authorities of clients, with the revocation lists their files hold now.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn client_authorities(config: &Config) -> anyhow::Result<Vec<Authority>> {
    let mut authorities = Vec::new();
    for authority in &config.client_ca {
        let pin = match &authority.tenants {
            config::Pin::Any(_) => Pin::Any,
            config::Pin::Tenants(names) => {
                let names = names.iter().map(|name| TenantName::parse(name));
                let what = || format!("client_ca {}: tenants", authority.file.display());
                Pin::Tenants(names.collect::<Result<_, _>>().with_context(what)?)
            }
        };
        let revocations = authority.crl.as_deref().map(revocations).transpose()?.unwrap_or_default();
        authorities.push(Authority { certificates: chain(&authority.file)?, pin, revocations });
    }
    Ok(authorities)
}

/// Bytes of a file of revocation lists: a million revoked certificates. More is somebody's mistake, and
/// would be read again at each change.
const CRL_BYTES_MAX: u64 = 40 << 20;

/// The revocation lists in a file.
fn revocations(file: &Path) -> anyhow::Result<Vec<CertificateRevocationListDer<'static>>> {
    let unreadable = || format!("cannot read revocation lists from {}", file.display());
    if std::fs::metadata(file).with_context(unreadable)?.len() > CRL_BYTES_MAX {
        bail!(
            "{} is larger than {CRL_BYTES_MAX} bytes: leave expired certificates out of it",
            file.display()
        );
    }
    let lists: Vec<_> = CertificateRevocationListDer::pem_file_iter(file)
        .with_context(unreadable)?
        .collect::<Result<_, _>>()
        .with_context(unreadable)?;
    if lists.is_empty() {
        bail!("{} holds no revocation list in PEM", file.display());
    }
    Ok(lists)
}

fn chain(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let unreadable = || format!("cannot read certificates from {}", file.display());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .with_context(unreadable)?
        .collect::<Result<_, _>>()
        .with_context(unreadable)?;
    if certificates.is_empty() {
        bail!("{} holds no certificate", file.display());
    }
    Ok(certificates)
}

fn key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(file)
        .with_context(|| format!("cannot read a private key from {}", file.display()))
}

fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(file)? {
        roots.add(certificate).with_context(|| format!("{} is not an authority", file.display()))?;
    }
    Ok(roots)
}

fn refuse_expired(chain: &[CertificateDer<'_>], file: &Path) -> anyhow::Result<()> {
    let validity = kmip_server::identity::validity(&chain[0]);
    let Some((not_before, not_after)) = validity else {
        bail!("{} holds something that is no X.509 certificate", file.display());
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    if now > not_after {
        bail!("the certificate {} has expired: issue a new one", file.display());
    }
    if now < not_before {
        bail!("the certificate {} is not valid yet: check the clock or issue another one", file.display());
    }
    Ok(())
}
