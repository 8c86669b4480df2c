//! Links over TCP and mutual TLS: the production transport.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, unfold};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::tls::PeerTls;
use crate::env::{Link, Transport};

/// Handshakes that may be unfinished at one time: a cluster has tens of nodes with three links each.
const HANDSHAKES_MAX: usize = 256;
/// A handshake between nodes takes a few milliseconds; whoever needs seconds holds a slot for nothing.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a failed accept (descriptors used up), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// TCP with Nagle off, TLS on.
pub struct TcpTransport {
    listen: SocketAddr,
    tls: PeerTls,
}

impl TcpTransport {
    /// Will listen at `listen`.
    #[must_use]
    pub const fn new(listen: SocketAddr, tls: PeerTls) -> Self {
        Self { listen, tls }
    }
}

impl Transport for TcpTransport {
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<Link>> {
        let tls = self.tls.clone();
        Box::pin(async move {
            // By name each time: a pod that moved has another address.
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            tls.connect(stream).await
        })
    }

    fn listen(&self) -> BoxFuture<'static, io::Result<BoxStream<'static, Link>>> {
        let (address, tls) = (self.listen, self.tls.clone());
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            let (ready, links) = mpsc::channel(HANDSHAKES_MAX);
            tokio::spawn(accept_all(listener, tls, ready));
            Ok(unfold(links, |mut links| async move { links.recv().await.map(|link| (link, links)) }).boxed())
        })
    }
}

/// Accepts until nobody takes links any more.
async fn accept_all(listener: TcpListener, tls: PeerTls, ready: mpsc::Sender<Link>) {
    let slots = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let accepted = tokio::select! {
            () = ready.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the peer port cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!(%from, "too many unfinished handshakes on the peer port: dropped");
            continue;
        };
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            let handshake = async {
                stream.set_nodelay(true)?;
                tls.accept(stream).await
            };
            match timeout(HANDSHAKE_TIMEOUT, handshake).await {
                Ok(Ok(link)) => drop(ready.send(link).await),
                Ok(Err(error)) => tracing::warn!(%from, %error, "refused on the peer port"),
                Err(_) => tracing::warn!(%from, "no handshake in time on the peer port"),
            }
            drop(slot);
        });
    }
}
