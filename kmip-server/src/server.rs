//! The listener: accepts, hands out handshakes within bounds, drains.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use audit::Operation as AuditOperation;
use engine::{Caller, Engine};
use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::{Connection, Standing};
use crate::limits::{
    ACCEPT_BACKOFF, CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, DRAIN_TIMEOUT, HANDSHAKE_TIMEOUT,
    HANDSHAKES_MAX,
};
use crate::metrics::Metrics;
use crate::quota::Quotas;
use crate::tls::Authorities;

/// In the audit log, connections that never became a caller.
const HANDSHAKE: AuditOperation = AuditOperation { code: 0, name: "handshake" };

/// What every connection shares.
pub struct Service {
    /// The key service.
    pub engine: Arc<Engine>,
    /// Who may speak for whom.
    pub authorities: Arc<Authorities>,
    /// The server's side of TLS.
    pub tls: Arc<rustls::ServerConfig>,
    /// What is counted.
    pub metrics: Metrics,
    /// How much each tenant may send; `None`: as much as it can.
    pub quotas: Option<Quotas>,
}

/// Seconds since the epoch by the wall clock: certificates and response time stamps, nothing that decides
/// about keys.
pub(crate) fn wall_s() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// Serves until `draining` turns true; then no connection is accepted, open requests end, and idle
/// connections close.
pub async fn serve(service: Arc<Service>, listener: TcpListener, mut draining: watch::Receiver<bool>) {
    let open = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let addresses = Arc::new(PerAddress::default());
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
        let (Ok(place), Some(counted)) =
            (Arc::clone(&open).try_acquire_owned(), addresses.enter(address.ip()))
        else {
            service.metrics.refuse("too_many_connections");
            continue;
        };
        let Ok(handshake) = Arc::clone(&handshakes).try_acquire_owned() else {
            service.metrics.refuse("too_many_handshakes");
            continue;
        };
        let (service, draining) = (Arc::clone(&service), draining.clone());
        connections.spawn(async move {
            let _held = (place, counted);
            let Some((stream, leaf)) = shake_hands(&service, stream, address).await else { return };
            drop(handshake);
            service.metrics.connections.inc();
            talk(&service, stream, &leaf, address, draining).await;
            service.metrics.connections.dec();
        });
    }
    drop(listener);
    let drained = timeout(DRAIN_TIMEOUT, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(open = connections.len(), "connections were cut off while draining");
    }
}

/// The client's chain, as it was shown.
type Chain = Vec<CertificateDer<'static>>;

async fn shake_hands(
    service: &Service,
    stream: TcpStream,
    address: SocketAddr,
) -> Option<(TlsStream<TcpStream>, Chain)> {
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(Arc::clone(&service.tls));
    let failure = match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let chain = stream.get_ref().1.peer_certificates().map(|chain| {
                chain.iter().map(|certificate| certificate.clone().into_owned()).collect::<Vec<_>>()
            });
            match chain {
                Some(chain) if !chain.is_empty() => return Some((stream, chain)),
                _ => "no client certificate".to_owned(),
            }
        }
        Ok(Err(error)) => crate::tls::reason(&error),
        Err(_) => "the handshake took too long".to_owned(),
    };
    tracing::info!(%address, %failure, "handshake refused");
    service.metrics.refuse("handshake");
    let noted = service.engine.note_security(HANDSHAKE, None, address, None, "handshake_refused", &failure);
    let _ = noted.await;
    None
}

/// Serves a connection whose handshake is done.
async fn talk(
    service: &Service,
    stream: TlsStream<TcpStream>,
    chain: &[CertificateDer<'static>],
    address: SocketAddr,
    draining: watch::Receiver<bool>,
) {
    let changes = service.authorities.changes();
    // The handshake has judged this chain already; here its verdict is read.
    let identity = match service.authorities.judge(&chain[0], &chain[1..], UnixTime::now()) {
        Ok(identity) => identity,
        Err(error) => {
            tracing::warn!(%address, %error, "a certificate ended between handshake and first request");
            service.metrics.refuse("identity");
            return;
        }
    };
    let caller = Caller {
        tenant: identity.tenant,
        service: identity.service,
        service_type: identity.service_type,
        certificate: Sha256::digest(&chain[0]).into(),
        names: identity.names,
        address,
        passed_by: None,
    };
    let connection = Connection {
        stream,
        caller: &caller,
        standing: Standing {
            authorities: &service.authorities,
            chain,
            not_after_s: identity.not_after_s,
            changes,
        },
        quota: service.quotas.as_ref().map(|quotas| quotas.of(&caller.tenant)),
        engine: &service.engine,
        metrics: &service.metrics,
        draining,
    };
    let end = connection.serve().await;
    tracing::debug!(%address, end = end.as_str(), tenant = %caller.tenant, "connection ended");
    if !matches!(end, crate::connection::End::Closed | crate::connection::End::Drained) {
        service.metrics.refuse(end.as_str());
    }
}

/// Open connections by address.
#[derive(Default)]
struct PerAddress(Mutex<HashMap<IpAddr, usize>>);

impl PerAddress {
    /// One more of an address, unless it has its share.
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Counted { all: Arc::clone(self), address })
    }
}

/// One connection of an address; dropping it counts it out.
struct Counted {
    all: Arc<PerAddress>,
    address: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
