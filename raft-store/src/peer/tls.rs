//! Mutual TLS between nodes: TLS 1.3 only, no resumption, both ends must be nodes.
//!
//! A certificate of our peer CA is not enough: it must name exactly one node, by one SAN URI
//! `spiffe://<trust-domain>/node/<name>`. A tenant's certificate names a tenant and is refused here, even
//! when the same CA signed it. Host names are not checked: addresses move, names do not, and every call
//! says whom it is meant for.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme, version,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::env::{ByteStream, Link};

/// The protocol both ends must agree on.
const ALPN: &[u8] = b"h2";

/// What a node shows and whom it believes. Cheap to clone; a reload reaches every clone and counts for
/// every handshake from then on.
#[derive(Clone)]
pub struct PeerTls {
    current: Arc<ArcSwap<Configs>>,
    trust_domain: Arc<str>,
}

struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// The files of a node's peer identity, parsed.
pub struct PeerCredentials {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key.
    pub key: PrivateKeyDer<'static>,
    /// The CAs that sign nodes; two overlap while one is replaced.
    pub roots: Vec<CertificateDer<'static>>,
}

/// Why credentials are not usable.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// rustls refuses them.
    #[error("the peer certificate or key is not usable: {0}")]
    Tls(#[from] Error),
    /// The client verifier cannot be built.
    #[error("the peer CA is not usable: {0}")]
    Roots(#[from] rustls::server::VerifierBuilderError),
    /// The certificate is not a node's.
    #[error("the peer certificate is not a node's: {0}")]
    NotANode(#[from] NotANode),
}

/// Why a certificate does not name a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANode {
    /// No certificate, or not one.
    #[error("no certificate that can be parsed")]
    Unreadable,
    /// The SAN URIs are not exactly one.
    #[error("it has {0} SAN URIs, a node has exactly one: spiffe://<trust-domain>/node/<name>")]
    Uris(usize),
    /// The one URI names something else: a tenant, perhaps, or another trust domain.
    #[error("its SAN URI {0:?} is not spiffe://<trust-domain>/node/<name> of this cluster's trust domain")]
    OtherUri(String),
}

impl PeerTls {
    /// Checks the credentials and makes them ready. The node's own certificate must name it.
    ///
    /// # Errors
    /// [`CredentialsError`] says what is wrong with them.
    pub fn new(credentials: PeerCredentials, trust_domain: &str) -> Result<Self, CredentialsError> {
        let configs = configs(credentials, trust_domain)?;
        Ok(Self { current: Arc::new(ArcSwap::from_pointee(configs)), trust_domain: trust_domain.into() })
    }

    /// Replaces the credentials for all handshakes from now on; open connections live on until their age
    /// limit ends them.
    ///
    /// # Errors
    /// [`CredentialsError`]; the old credentials stay.
    pub fn reload(&self, credentials: PeerCredentials) -> Result<(), CredentialsError> {
        self.current.store(Arc::new(configs(credentials, &self.trust_domain)?));
        Ok(())
    }

    /// The client's side of a handshake.
    pub(crate) async fn connect<S: ByteStream>(&self, io: S) -> io::Result<Link> {
        let client = Arc::clone(&self.current.load().client);
        // The name is sent to nobody and checked by nobody: see the module.
        let name = ServerName::try_from("keyraft-peer").map_err(io::Error::other)?;
        let stream = TlsConnector::from(client).connect(name, io).await?;
        let name = self.node_name(stream.get_ref().1.peer_certificates())?;
        Ok(Link { io: Box::new(stream), name })
    }

    /// The server's side of a handshake.
    pub(crate) async fn accept<S: ByteStream>(&self, io: S) -> io::Result<Link> {
        let server = Arc::clone(&self.current.load().server);
        let stream = TlsAcceptor::from(server).accept(io).await?;
        let name = self.node_name(stream.get_ref().1.peer_certificates())?;
        Ok(Link { io: Box::new(stream), name })
    }

    fn node_name(&self, chain: Option<&[CertificateDer<'_>]>) -> io::Result<Arc<str>> {
        let leaf = chain.and_then(|chain| chain.first()).ok_or(NotANode::Unreadable);
        leaf.and_then(|leaf| node_name(leaf, &self.trust_domain))
            .map(Into::into)
            .map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error))
    }
}

/// The node a certificate names.
///
/// # Errors
/// [`NotANode`] if it names none, several, or something else.
pub fn node_name(leaf: &CertificateDer<'_>, trust_domain: &str) -> Result<String, NotANode> {
    use x509_parser::extensions::GeneralName;
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf).map_err(|_| NotANode::Unreadable)?;
    let san = parsed.subject_alternative_name().map_err(|_| NotANode::Unreadable)?;
    let names = san.map(|san| &san.value.general_names[..]).unwrap_or_default();
    let uris: Vec<&str> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    let [uri] = uris[..] else { return Err(NotANode::Uris(uris.len())) };
    let rest = uri.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(trust_domain));
    let name = rest.and_then(|rest| rest.strip_prefix("/node/")).filter(|name| is_node_name(name));
    name.map(str::to_owned).ok_or_else(|| NotANode::OtherUri(uri.to_owned()))
}

/// Letters, digits, `-`, `.` and `_`, as in pod and host names; nothing that could end the path.
fn is_node_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.len() <= model::commands::NODE_NAME_BYTES_MAX && name.bytes().all(allowed)
}

fn configs(credentials: PeerCredentials, trust_domain: &str) -> Result<Configs, CredentialsError> {
    let PeerCredentials { chain, key, roots } = credentials;
    let leaf = chain.first().ok_or(NotANode::Unreadable)?;
    node_name(leaf, trust_domain)?;
    let mut anchors = RootCertStore::empty();
    for root in roots {
        anchors.add(root)?;
    }
    let anchors = Arc::new(anchors);
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(Configs {
        server: server_config(&provider, &anchors, chain.clone(), key.clone_key())?,
        client: client_config(&provider, &anchors, chain, key)?,
    })
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    anchors: &Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, CredentialsError> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(anchors), Arc::clone(provider)).build()?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would skip the certificate: a removed node could come back with a ticket.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    anchors: &Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ClientConfig>, CredentialsError> {
    let verifier = AnyNode { anchors: Arc::clone(anchors), provider: Arc::clone(provider) };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous() // only in that we verify ourselves: the chain here, the node's name right after
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// Verifies the chain to the peer CA; which node it is, [`PeerTls::connect`] reads from the leaf.
#[derive(Debug)]
struct AnyNode {
    anchors: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyNode {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.anchors, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
