//! The two listeners: one for browsers and machines with tokens; one that demands a certificate, an
//! operator's for REST or a service's for KMIP.
//!
//! What a certificate may do is judged from it once more after the handshake: only the operators' authority
//! makes an operator. A connection ends with the certificate it came with.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::app::App;
use crate::gate;
use crate::router::router;

/// Open connections: people and automation, not the platform's data path.
const CONNECTIONS_MAX: usize = 1_024;
/// A handshake takes two round trips.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte of a request's header to its last.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams one HTTP/2 connection may hold open.
const STREAMS_MAX: u32 = 64;
/// Open requests may take this long once the node drains.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// After this a connection is asked to close: it may hold a place for a day, not for ever.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Pause after a failed accept: long enough for others to close file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Which listener a request came through.
#[derive(Clone, Debug)]
pub enum Door {
    /// 8443: asks for no client certificate.
    Public,
    /// 8493: demands a client certificate.
    Operator {
        /// Tells operators' certificates from others that the listener lets in.
        operators: Arc<dyn ClientCertVerifier>,
    },
}

/// Who is at the other end of the connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Address.
    pub address: SocketAddr,
    /// On the operator port, the operator whose certificate was verified.
    pub operator: Option<PeerCertificate>,
    /// On the operator port, the verified chain; leaf first.
    pub chain: Arc<[CertificateDer<'static>]>,
}

/// A verified operator's certificate.
#[derive(Clone, Debug)]
pub(crate) struct PeerCertificate {
    /// SHA-256 of the leaf.
    pub certificate: [u8; 32],
    /// Its subject.
    pub subject: String,
}

/// Serves until `draining` turns true.
pub async fn serve(
    app: App,
    door: Door,
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    mut draining: watch::Receiver<bool>,
) {
    let router = router(app.clone(), &door);
    let door = Arc::new(door);
    let open = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.changed() => break,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&open).try_acquire_owned() else { continue };
        let (tls, inside, draining) = (Arc::clone(&tls), (app.clone(), router.clone()), draining.clone());
        let door = Arc::clone(&door);
        connections.spawn(async move {
            let _place = place;
            let accepted = timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(tls).accept(stream)).await;
            match accepted {
                Ok(Ok(stream)) => talk(stream, address, &door, inside, draining).await,
                Ok(Err(error)) => tracing::info!(%address, %error, "administration handshake refused"),
                Err(_) => tracing::info!(%address, "administration handshake took too long"),
            }
        });
    }
    drop(listener);
    let _ = timeout(DRAIN_TIMEOUT, async { while connections.join_next().await.is_some() {} }).await;
}

async fn talk(
    stream: TlsStream<TcpStream>,
    address: SocketAddr,
    door: &Door,
    (app, router): (App, Router),
    mut draining: watch::Receiver<bool>,
) {
    let Some((peer, left)) = judge(&stream, address, door) else { return };
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let (app, router, peer) = (app.clone(), router.clone(), peer.clone());
        async move {
            let route =
                async move |request| router.oneshot(request).await.unwrap_or_else(|never| match never {});
            Ok::<_, Infallible>(gate::enter(&app, peer, request.map(Body::new), route).await)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = draining.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = tokio::time::sleep(left) => {
            tracing::info!(%address, "connection closed: its client certificate has expired");
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "administration connection ended");
    }
}

/// Who is at the other end, and for how long that certificate holds; `None` for a listener that demands one
/// and got none it can read.
fn judge(stream: &TlsStream<TcpStream>, address: SocketAddr, door: &Door) -> Option<(Peer, Duration)> {
    let Door::Operator { operators } = door else {
        return Some((Peer { address, operator: None, chain: Arc::default() }, CONNECTION_LIFE_MAX));
    };
    let chain = stream.get_ref().1.peer_certificates()?;
    let (leaf, intermediates) = chain.split_first()?;
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let now = UnixTime::now();
    let is_operator = operators.verify_client_cert(leaf, intermediates, now).is_ok();
    let operator = is_operator.then(|| PeerCertificate {
        certificate: crypto::digest::sha256(&[leaf]),
        subject: certificate.subject().to_string(),
    });
    let not_after = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    let left = Duration::from_secs(not_after.saturating_sub(now.as_secs()));
    let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    Some((Peer { address, operator, chain }, left.min(CONNECTION_LIFE_MAX)))
}
