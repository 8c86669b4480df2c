//! What the store takes from its surroundings: two clocks, a network, randomness, threads.
//!
//! Everything that differs between a production node and a simulated one enters through these traits, so
//! that the same code runs over real sockets and over pipes whose cuts and clocks a test controls. They
//! carry bytes and numbers only: no openraft type, no gRPC type.

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::lease::clock::BootTime;

/// The two clocks of a machine.
pub trait Clock: Send + Sync + 'static {
    /// Time since boot, suspend included (`CLOCK_BOOTTIME`); never runs backwards. Leases live on it.
    fn boot(&self) -> BootTime;

    /// What leases are stamped and checked with: boot time, and what it is known to have lost while a hypervisor
    /// stopped this machine. Never runs backwards.
    fn lease(&self) -> BootTime {
        self.boot()
    }

    /// Whether such a stop is noticed here (CONSISTENCY 1, A1).
    fn notices_pauses(&self) -> bool {
        false
    }

    /// Milliseconds since the Unix epoch. Only a leader reads it, to stamp proposals (CONSISTENCY 5).
    fn wall_ms(&self) -> u64;
}

/// Random bytes: command ids, process nonces, jitter.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the whole buffer.
    fn fill(&self, out: &mut [u8]);

    /// Eight random bytes as a number.
    fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }
}

/// A byte stream between two nodes.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// A connection whose other end has proved which node it is.
pub struct Link {
    /// The bytes.
    pub io: Box<dyn ByteStream>,
    /// The node name in the peer's certificate.
    pub name: Arc<str>,
}

/// Makes and accepts links. Production: TCP and TLS 1.3, both ends with a peer certificate.
pub trait Transport: Send + Sync + 'static {
    /// Connects to `host:port`. Bounded in time by the caller.
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<Link>>;

    /// Starts to listen; links that failed to prove themselves never appear in the stream.
    fn listen(&self) -> BoxFuture<'static, io::Result<BoxStream<'static, Link>>>;
}

/// Everything the store takes from its surroundings, besides its storage.
#[derive(Clone)]
pub struct Surroundings {
    /// Boot and wall clock.
    pub clock: Arc<dyn Clock>,
    /// Links to other nodes.
    pub transport: Arc<dyn Transport>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Where Raft, its timers and its connections run: threads of their own in production, so that the
    /// load of clients never delays a heartbeat.
    pub runtime: tokio::runtime::Handle,
}
