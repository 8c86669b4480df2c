//! Certificates from files to TLS configurations; every error names its file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use kmip_server::tls::{Authorities, Authority, Pin};
use model::id::TenantName;
use raft_store::peer::tls::{PeerCredentials, PeerTls};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};

use crate::config::{self, Config};

/// Everything TLS needs.
pub struct Certificates {
    /// The KMIP service.
    pub kmip: Arc<ServerConfig>,
    /// Administration without a client certificate.
    pub public: Arc<ServerConfig>,
    /// The operator port: an operator's certificate, or a service's for KMIP over HTTPS.
    pub operator: Arc<ServerConfig>,
    /// What of it changes while the node runs.
    pub live: Arc<Live>,
}

/// What is replaced while the node runs; everything that shakes hands asks it each time.
pub struct Live {
    /// Shown to clients and administrators.
    server: Arc<ServerCertificate>,
    /// Who may speak for whom over KMIP.
    pub authorities: Arc<Authorities>,
    /// Tells operators' certificates from services'.
    pub operators: Arc<Operators>,
    /// Towards other nodes.
    pub peer: PeerTls,
    expiries: ArcSwap<Expiries>,
}

/// When the first certificate of each kind ends, in seconds since the epoch.
pub type Expiries = Vec<(Kind, i64)>;

/// Files that are judged and replaced together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server's chain and key.
    Server,
    /// The peer chain and key, and the peers' authorities.
    Peer,
    /// The operators' authorities.
    Operators,
    /// The authorities of clients and their revocation lists.
    Clients,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Server, Self::Peer, Self::Operators, Self::Clients];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Peer => "peer",
            Self::Operators => "operators",
            Self::Clients => "clients",
        }
    }

    /// The files it is read from.
    pub fn files(self, config: &Config) -> Vec<PathBuf> {
        let tls = &config.tls;
        match self {
            Self::Server => vec![tls.server_cert.clone(), tls.server_key.clone()],
            Self::Peer => vec![tls.peer_cert.clone(), tls.peer_key.clone(), tls.peer_ca.clone()],
            Self::Operators => vec![tls.operator_ca.clone()],
            // Their revocation lists are followed apart: what those name is denied on every node.
            Self::Clients => config.client_ca.iter().map(|client| client.file.clone()).collect(),
        }
    }

    /// When the first certificate in its files ends.
    fn expires(self, config: &Config) -> anyhow::Result<i64> {
        let mut first = i64::MAX;
        let tls = &config.tls;
        let files = match self {
            Self::Server => vec![&tls.server_cert],
            Self::Peer => vec![&tls.peer_cert, &tls.peer_ca],
            Self::Operators => vec![&tls.operator_ca],
            Self::Clients => config.client_ca.iter().map(|client| &client.file).collect(),
        };
        for file in files {
            for certificate in chain(file)? {
                let ends = kmip_server::identity::validity(&certificate).map(|(_, not_after)| not_after);
                first = first.min(ends.unwrap_or(i64::MAX));
            }
        }
        Ok(first)
    }
}

impl Live {
    /// Reads the files of one kind again; what was there before stands if they cannot be used.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn reload(&self, config: &Config, kind: Kind) -> anyhow::Result<()> {
        let expires = kind.expires(config)?;
        match kind {
            Kind::Server => self.server.0.store(Arc::new(server_key(config)?)),
            Kind::Peer => {
                let what =
                    || format!("{} cannot be used towards other nodes", config.tls.peer_cert.display());
                self.peer.reload(peer_credentials(config)?).with_context(what)?;
            }
            Kind::Operators => {
                refuse_shared_authority(config)?;
                self.operators.0.store(Arc::new(operators(config)?));
            }
            Kind::Clients => {
                refuse_shared_authority(config)?;
                let what = "an authority of clients, or a revocation list of it, cannot be used";
                self.authorities.replace(&client_authorities(config)?).context(what)?;
            }
        }
        self.expiries.rcu(|known| {
            let others = known.iter().copied().filter(|(other, _)| *other != kind);
            others.chain([(kind, expires)]).collect::<Expiries>()
        });
        Ok(())
    }

    /// When the first certificate of each kind ends.
    pub fn expiries(&self) -> Arc<Expiries> {
        self.expiries.load_full()
    }

    /// When the first of all ends, in seconds since the epoch.
    pub fn first_expiry(&self) -> Option<u64> {
        self.expiries().iter().filter_map(|(_, at)| u64::try_from(*at).ok()).min()
    }
}

/// The certificate a server shows, as it is at each handshake.
#[derive(Debug)]
struct ServerCertificate(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Reads and judges every file.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn load(config: &Config) -> anyhow::Result<Certificates> {
    let tls = &config.tls;
    let chain = chain(&tls.server_cert)?;
    let key = key(&tls.server_key)?;
    let server = Arc::new(ServerCertificate(ArcSwap::from_pointee(server_key(config)?)));
    let mismatch = || do_not_match(config);
    let authorities = Authorities::new(&config.node.trust_domain, &client_authorities(config)?)
        .context("an authority of clients, or a revocation list of it, cannot be used")?;
    let authorities = Arc::new(authorities);
    let mut kmip =
        kmip_server::tls::server_config(chain, key, Arc::clone(&authorities)).with_context(mismatch)?;
    kmip.cert_resolver = Arc::clone(&server) as Arc<_>;
    let mut public =
        ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::clone(&server) as Arc<_>);
    refuse_shared_authority(config)?;
    let operators = Arc::new(Operators(ArcSwap::from_pointee(operators(config)?)));
    let either = Either { operators: Arc::clone(&operators), services: Arc::clone(&authorities) };
    let mut operator = ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(either))
        .with_cert_resolver(Arc::clone(&server) as Arc<_>);
    // A resumed session would skip the judgement of the certificate.
    operator.session_storage = Arc::new(NoServerSessionStorage {});
    operator.send_tls13_tickets = 0;
    for config in [&mut public, &mut operator] {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    let expiries = Kind::ALL.into_iter().map(|kind| Ok((kind, kind.expires(config)?)));
    let expiries = ArcSwap::from_pointee(expiries.collect::<anyhow::Result<Expiries>>()?);
    let live = Live { server, authorities, operators, peer: peer(config)?, expiries };
    Ok(Certificates {
        kmip: Arc::new(kmip),
        public: Arc::new(public),
        operator: Arc::new(operator),
        live: Arc::new(live),
    })
}

fn do_not_match(config: &Config) -> String {
    let tls = &config.tls;
    format!("{} and {} do not belong together", tls.server_cert.display(), tls.server_key.display())
}

/// The server's chain and key, judged.
fn server_key(config: &Config) -> anyhow::Result<CertifiedKey> {
    let tls = &config.tls;
    let chain = chain(&tls.server_cert)?;
    refuse_expired(&chain, &tls.server_cert)?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key(&tls.server_key)?, &provider).with_context(|| do_not_match(config))
}

fn operators(config: &Config) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    Ok(WebPkiClientVerifier::builder(Arc::new(roots(&config.tls.operator_ca)?)).build()?)
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

/// The operators' authorities, as they are at each handshake.
#[derive(Debug)]
pub struct Operators(ArcSwap<Arc<dyn ClientCertVerifier>>);

impl ClientCertVerifier for Operators {
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
        self.0.load().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.load().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.load().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.load().supported_verify_schemes()
    }
}

/// Lets in whom one of two verifiers lets in; which one it was is asked again after the handshake.
#[derive(Debug)]
struct Either {
    operators: Arc<Operators>,
    services: Arc<Authorities>,
}

impl ClientCertVerifier for Either {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.operators.root_hint_subjects()
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
    PeerTls::new(peer_credentials(config)?, &config.node.trust_domain)
        .with_context(|| format!("{} cannot be used towards other nodes", config.tls.peer_cert.display()))
}

fn peer_credentials(config: &Config) -> anyhow::Result<PeerCredentials> {
    let tls = &config.tls;
    let chain = chain(&tls.peer_cert)?;
    refuse_expired(&chain, &tls.peer_cert)?;
    Ok(PeerCredentials { chain, key: key(&tls.peer_key)?, roots: self::chain(&tls.peer_ca)? })
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
