//! From an endpoint to a connection: resolve, judge, connect, shake hands.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Endpoint;
use super::fault::HttpFault;
use crate::Site;

/// Where systems keep the authorities of public servers.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Most addresses of a name that are tried: the whole must fit the connect time-out.
const ADDRESSES_MAX: usize = 4;

/// Who is trusted: the authority that the root's owner gave, or the public ones.
pub fn trust(ca_pem: Option<&str>, site: &Site) -> Result<Arc<ClientConfig>, HttpFault> {
    let store = authorities(ca_pem, site)?;
    let config = builder()?.with_root_certificates(store).with_no_client_auth();
    Ok(Arc::new(config))
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, HttpFault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpFault::Authorities { problem: error.to_string() })
}

fn authorities(ca_pem: Option<&str>, site: &Site) -> Result<RootCertStore, HttpFault> {
    let broken = |problem: String| HttpFault::Authorities { problem };
    let mut store = RootCertStore::empty();
    let certificates = match ca_pem {
        Some(pem) => CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>(),
        None => {
            let bundle = match &site.ca_bundle {
                Some(bundle) => Some(bundle.as_path()),
                None => system_bundle(),
            };
            let bundle = bundle.ok_or_else(|| broken("this system has no bundle of them".to_owned()))?;
            CertificateDer::pem_file_iter(bundle).and_then(Iterator::collect)
        }
    };
    let certificates = certificates.map_err(|error| broken(error.to_string()))?;
    // A bundle may hold one that this library does not read; one is enough.
    let (taken, _) = store.add_parsable_certificates(certificates);
    if taken == 0 {
        return Err(broken("there is no certificate in it".to_owned()));
    }
    Ok(store)
}

fn system_bundle() -> Option<&'static Path> {
    BUNDLES.iter().map(Path::new).find(|path| path.exists())
}

/// A connection to an address that was judged.
pub async fn dial(
    endpoint: &Endpoint,
    site: &Site,
    trust: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, HttpFault> {
    let to = endpoint.authority();
    let mut refused = HttpFault::Forbidden { host: endpoint.host().to_owned() };
    for address in addresses(endpoint, site).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return shake(stream, endpoint, trust).await,
            Err(error) => refused = HttpFault::Connect { to: to.clone(), problem: error.to_string() },
        }
    }
    Err(refused)
}

/// The addresses of the endpoint's name that we may reach, as they are now. They are resolved once and
/// dialled as they are: a name that changes its mind in between changes nothing.
pub async fn addresses(endpoint: &Endpoint, site: &Site) -> Result<Vec<SocketAddr>, HttpFault> {
    let host = endpoint.host();
    if let Some(address) = site.danger_resolve.get(host) {
        return Ok(vec![*address]);
    }
    let found = tokio::net::lookup_host((host, endpoint.port()))
        .await
        .map_err(|error| HttpFault::Unresolved { host: host.to_owned(), problem: error.to_string() })?;
    let allowed: Vec<_> =
        found.filter(|address| endpoint.may_reach(address.ip(), site)).take(ADDRESSES_MAX).collect();
    if allowed.is_empty() { Err(HttpFault::Forbidden { host: host.to_owned() }) } else { Ok(allowed) }
}

async fn shake(
    stream: TcpStream,
    endpoint: &Endpoint,
    trust: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, HttpFault> {
    let to = endpoint.authority();
    let name = ServerName::try_from(endpoint.host().to_owned())
        .map_err(|_| HttpFault::Address { url: to.clone(), why: "it is no host name" })?;
    stream.set_nodelay(true).map_err(|error| HttpFault::broken(&to, &error))?;
    let connector = TlsConnector::from(Arc::clone(trust));
    connector.connect(name, stream).await.map_err(|error| HttpFault::handshake(&to, &error))
}
