//! A detour on loopback: what goes through it arrives later.

use std::net::{Ipv4Addr, TcpListener as Socket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Most bytes read at once.
const CHUNK_BYTES: usize = 16 << 10;
/// Most chunks under way in one direction: beyond them the sender feels that the line is slow.
const CHUNKS: usize = 1_024;

/// The detours to some ports. Dropping it breaks every connection through them.
pub struct Relay {
    /// By the port they lead to.
    ports: Vec<(u16, u16)>,
    tasks: Vec<AbortHandle>,
    relayed: Arc<AtomicU64>,
}

impl Relay {
    /// Opens a detour to each of these ports, on which every byte is late by `delay`. Needs a tokio runtime.
    ///
    /// # Errors
    /// No port is free.
    pub fn open(ports: &[u16], delay: Duration) -> anyhow::Result<Self> {
        let relayed = Arc::new(AtomicU64::new(0));
        let mut relay = Self { ports: Vec::new(), tasks: Vec::new(), relayed: Arc::clone(&relayed) };
        for to in ports {
            let socket = Socket::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for a detour")?;
            socket.set_nonblocking(true)?;
            relay.ports.push((*to, socket.local_addr()?.port()));
            let listener = TcpListener::from_std(socket)?;
            let serving = tokio::spawn(serve(listener, *to, delay, Arc::clone(&relayed)));
            relay.tasks.push(serving.abort_handle());
        }
        Ok(relay)
    }

    /// Where the detour to a port begins.
    pub fn to(&self, port: u16) -> Option<u16> {
        self.ports.iter().find(|(to, _)| *to == port).map(|(_, by)| *by)
    }

    /// How many bytes took it.
    pub fn relayed(&self) -> u64 {
        self.relayed.load(Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The connections of one detour end with it.
async fn serve(listener: TcpListener, to: u16, delay: Duration, relayed: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let relayed = Arc::clone(&relayed);
        connections.spawn(async move {
            let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
            tokio::select! {
                () = carry(from_near, to_far, delay, &relayed) => {}
                () = carry(from_far, to_near, delay, &relayed) => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Carries bytes one way, each late by the delay and all in order, until one end closes.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration, relayed: &AtomicU64) {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let read = async {
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            match from.read(&mut chunk).await {
                Ok(bytes @ 1..) => chunk.truncate(bytes),
                _ => return,
            }
            if sender.send((Instant::now() + delay, chunk)).await.is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some((at, chunk)) = chunks.recv().await {
            sleep_until(at).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
            relayed.fetch_add(chunk.len() as u64, Relaxed);
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_byte_arrives_late_and_in_order() {
        const DELAY: Duration = Duration::from_millis(700);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let relay = Relay::open(&[port], DELAY).expect("ports");
        assert_eq!(relay.to(port.wrapping_add(1)), None);
        let begun = Instant::now();
        let mut near = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.to(port).expect("a detour"))).await;
        let near = near.as_mut().expect("connects");
        let (mut far, _) = listener.accept().await.expect("arrives");
        near.write_all(b"abc").await.expect("sends");
        near.write_all(b"def").await.expect("sends");
        let mut bytes = [0; 6];
        far.read_exact(&mut bytes).await.expect("receives");
        assert_eq!((&bytes, relay.relayed()), (b"abcdef", 6));
        assert!(begun.elapsed() >= DELAY, "{:?}", begun.elapsed());
        drop(relay);
        assert!(matches!(far.read(&mut bytes).await, Ok(0) | Err(_)), "the connection ends with the detour");
    }
}
