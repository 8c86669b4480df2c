//! One connection: read a message, answer it, read the next.
//!
//! Requests of one connection are answered in order, each after the last byte of the one before: a client
//! that pipelines without reading fills its own socket, not our memory. A connection ends between
//! messages when the node drains, when its certificate expires, or when it has been idle for too long.
//!
//! A message that arrives whole and an answer that fits into the socket set no timer: only waiting has
//! deadlines.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use engine::{Caller, Engine};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kmip::ttlv::{FrameError, HEADER_BYTES, frame_length};
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};

use crate::dispatch::{Disposition, answer, reject_frame};
use crate::limits::{
    IDLE_TIMEOUT_S, MESSAGE_BYTES_MAX, MESSAGE_TIMEOUT, REQUEST_BYTES, RESPONSE_BYTES, WRITE_TIMEOUT,
};
use crate::metrics::Metrics;
use crate::quota::Quota;
use crate::server::wall_s;
use crate::tls::Authorities;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed it, with or without close_notify.
    Closed,
    /// The node drains.
    Drained,
    /// Nothing came for too long.
    Idle,
    /// The message did not arrive, or the answer was not read, in time.
    Slow,
    /// The bytes are no KMIP message; the stream cannot be re-synchronised.
    Malformed,
    /// The client's certificate expired.
    Expired,
    /// The client's certificate is no longer accepted: it was revoked.
    Revoked,
    /// The line broke.
    Broken,
}

impl End {
    /// The word in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Drained => "drained",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::Expired => "certificate_expired",
            Self::Revoked => "certificate_revoked",
            Self::Broken => "broken",
        }
    }
}

/// The certificate of an open connection, to be judged anew when the authorities say something new.
pub struct Standing<'a> {
    /// The authorities.
    pub authorities: &'a Authorities,
    /// The client's chain, leaf first.
    pub chain: &'a [CertificateDer<'static>],
    /// When the leaf ends, seconds since the epoch.
    pub not_after_s: i64,
    /// Changes with what the authorities say.
    pub changes: watch::Receiver<u64>,
}

impl Standing<'_> {
    /// Whether the certificate is accepted by what the authorities say now.
    fn holds(&self) -> bool {
        let (leaf, intermediates) = self.chain.split_first().expect("a handshake ended with a certificate");
        self.authorities.judge(leaf, intermediates, UnixTime::now()).is_ok()
    }

    /// Waits until the connection has to end between two messages. One for the whole connection: waiting
    /// for a message then sets no timer and joins no list of listeners.
    ///
    /// `heard_s` is when the last message began, seconds since the epoch.
    async fn vigil(mut self, mut draining: watch::Receiver<bool>, heard_s: &AtomicI64) -> End {
        loop {
            let idle_s = heard_s.load(Relaxed) + IDLE_TIMEOUT_S;
            let now_s = wall_s();
            match (now_s > self.not_after_s, now_s > idle_s) {
                (true, _) => return End::Expired,
                (false, true) => return End::Idle,
                (false, false) => {}
            }
            let left_s = self.not_after_s.min(idle_s) - now_s;
            let left = Duration::from_secs(u64::try_from(left_s).unwrap_or(0) + 1);
            tokio::select! {
                () = sleep(left) => {}
                // A sender that is gone drains too: nobody could say so any more.
                _ = draining.wait_for(|draining| *draining) => return End::Drained,
                changed = self.changes.changed() => {
                    if changed.is_err() || !self.holds() {
                        return End::Revoked;
                    }
                }
            }
        }
    }
}

/// A connection whose caller is known.
pub struct Connection<'a, S> {
    /// The TLS stream.
    pub stream: S,
    /// Who speaks.
    pub caller: &'a Caller,
    /// Whether it may go on speaking.
    pub standing: Standing<'a>,
    /// What its tenant may still send.
    pub quota: Option<Arc<Quota>>,
    /// The key service.
    pub engine: &'a Engine,
    /// What is counted.
    pub metrics: &'a Metrics,
    /// Turns true when the node drains.
    pub draining: watch::Receiver<bool>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Serves until the connection ends.
    pub async fn serve(self) -> End {
        let not_after_s = self.standing.not_after_s;
        let heard_s = AtomicI64::new(wall_s());
        let mut vigil = Vigil::from_iter([self.standing.vigil(self.draining, &heard_s)]);
        let mut line = Line {
            stream: self.stream,
            caller: self.caller,
            quota: self.quota,
            engine: self.engine,
            metrics: self.metrics,
        };
        let mut input = Input { bytes: Vec::with_capacity(REQUEST_BYTES), frame: 0 };
        let mut output = Vec::with_capacity(RESPONSE_BYTES);
        loop {
            let end = match line.next_message(&mut input, &mut vigil).await {
                Ok(()) => {
                    let now_s = wall_s();
                    heard_s.store(now_s, Relaxed);
                    match now_s > not_after_s {
                        true => Some(End::Expired),
                        false => line.answer(&input.bytes[..input.frame], &mut output).await,
                    }
                }
                Err(Stop::At(end)) => Some(end),
                Err(Stop::NoFrame { told, end }) => {
                    reject_frame(line.engine, line.caller, told, &mut output).await;
                    Some(line.send(&mut output).await.unwrap_or(end))
                }
            };
            input.consume();
            if let Some(end) = end {
                let _ = timeout(WRITE_TIMEOUT, line.stream.shutdown()).await;
                return end;
            }
        }
    }
}

/// A vigil that is asked again only after something woke it: it listens to three things, and few messages come
/// after one of them happened.
type Vigil<F> = FuturesUnordered<F>;

/// The two directions of a connection.
struct Line<'a, S> {
    stream: S,
    caller: &'a Caller,
    quota: Option<Arc<Quota>>,
    engine: &'a Engine,
    metrics: &'a Metrics,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<'_, S> {
    async fn answer(&mut self, request: &[u8], output: &mut Vec<u8>) -> Option<End> {
        let begun = Instant::now();
        let quota = self.quota.as_deref();
        let disposition = answer(self.engine, self.caller, quota, self.metrics, request, output).await;
        let sent = self.send(output).await;
        self.metrics.duration.observe(begun.elapsed().as_secs_f64());
        match (sent, disposition) {
            (Some(end), _) => Some(end),
            (None, Disposition::Close) => Some(End::Malformed),
            (None, Disposition::Keep) => None,
        }
    }

    /// Writes the answer and wipes it, whatever becomes of the line.
    async fn send(&mut self, output: &mut Vec<u8>) -> Option<End> {
        let write = async {
            self.stream.write_all(output).await?;
            self.stream.flush().await
        };
        let written: Result<io::Result<()>, Elapsed> = within(WRITE_TIMEOUT, write).await;
        crypto::wipe::buffer(output);
        match written {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some(End::Broken),
            Err(_) => Some(End::Slow),
        }
    }

    /// Reads until one message is whole; ends instead when the vigil does before it begins.
    async fn next_message(
        &mut self,
        input: &mut Input,
        vigil: &mut Vigil<impl Future<Output = End>>,
    ) -> Result<(), Stop> {
        if input.bytes.is_empty() {
            self.first_bytes(input, vigil).await?;
        }
        match within(MESSAGE_TIMEOUT, self.whole_frame(input)).await {
            Ok(done) => done,
            // Whoever has sent a header speaks KMIP, and learns that its message was shorter than it said.
            Err(_) if input.bytes.len() >= HEADER_BYTES => {
                let told = "the message did not arrive whole in time".to_owned();
                Err(Stop::NoFrame { told, end: End::Slow })
            }
            Err(_) => Err(Stop::At(End::Slow)),
        }
    }

    /// Waits for the first bytes of a message. The vigil is asked once when the wait begins, so that a client
    /// that never lets us wait cannot outrun it, and again when something other than bytes woke us.
    async fn first_bytes(
        &mut self,
        input: &mut Input,
        vigil: &mut Vigil<impl Future<Output = End>>,
    ) -> Result<(), Stop> {
        let mut read = pin!(input.read(&mut self.stream));
        let mut asked = false;
        poll_fn(|context| {
            let bytes = read.as_mut().poll(context);
            if asked && bytes.is_ready() {
                return bytes.map_err(Stop::from);
            }
            asked = true;
            match vigil.poll_next_unpin(context) {
                Poll::Ready(Some(end)) => Poll::Ready(Err(Stop::At(end))),
                Poll::Ready(None) | Poll::Pending => bytes.map_err(Stop::from),
            }
        })
        .await
    }

    async fn whole_frame(&mut self, input: &mut Input) -> Result<(), Stop> {
        loop {
            if let Some(header) = input.bytes.first_chunk::<HEADER_BYTES>() {
                let told = |error: FrameError| Stop::NoFrame { told: error.to_string(), end: End::Malformed };
                let length = frame_length(header).map_err(told)?;
                if input.bytes.len() >= length {
                    input.frame = length;
                    return Ok(());
                }
            }
            input.read(&mut self.stream).await?;
        }
    }
}

/// As [`timeout`], but a future that is ready at once costs neither a timer nor a look at the clock.
async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout(limit, future).await,
    }
}

enum Stop {
    At(End),
    /// The peer is told why before the connection ends.
    NoFrame {
        told: String,
        end: End,
    },
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::At(End::Closed),
            _ => Self::At(End::Broken),
        }
    }
}

/// What was read and not yet answered: one message, and the beginning of the next.
struct Input {
    bytes: Vec<u8>,
    frame: usize,
}

impl Input {
    /// Reads what there is. The buffer is bounded: it grows only while one frame is incomplete.
    async fn read<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<()> {
        debug_assert!(self.bytes.len() <= MESSAGE_BYTES_MAX + REQUEST_BYTES);
        self.bytes.reserve(REQUEST_BYTES);
        match stream.read_buf(&mut self.bytes).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Forgets the message that was answered; registered material may have been in it.
    fn consume(&mut self) {
        let frame = std::mem::take(&mut self.frame);
        let rest = self.bytes.len() - frame;
        self.bytes.copy_within(frame.., 0);
        crypto::wipe::bytes(&mut self.bytes[rest..]);
        self.bytes.truncate(rest);
    }
}
