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
use std::task::Poll;
use std::time::{Duration, Instant};

use engine::{Caller, Engine};
use kmip::ttlv::{FrameError, HEADER_BYTES, frame_length};
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio::time::{timeout, timeout_at};

use crate::dispatch::{Disposition, answer, reject_frame};
use crate::limits::{
    IDLE_TIMEOUT, MESSAGE_BYTES_MAX, MESSAGE_TIMEOUT, REQUEST_BYTES, RESPONSE_BYTES, WRITE_TIMEOUT,
};
use crate::metrics::Metrics;
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
    /// Changes with what the authorities say.
    pub changes: watch::Receiver<u64>,
}

impl Standing<'_> {
    /// Whether the certificate is accepted by what the authorities say now.
    fn holds(&mut self) -> bool {
        self.changes.mark_unchanged();
        let (leaf, intermediates) = self.chain.split_first().expect("a handshake ended with a certificate");
        self.authorities.judge(leaf, intermediates, UnixTime::now()).is_ok()
    }
}

/// A connection whose caller is known.
pub struct Connection<'a, S> {
    /// The TLS stream.
    pub stream: S,
    /// Who speaks.
    pub caller: &'a Caller,
    /// When the caller's certificate ends, seconds since the epoch.
    pub not_after_s: i64,
    /// Whether it is still accepted.
    pub standing: Standing<'a>,
    /// The key service.
    pub engine: &'a Engine,
    /// What is counted.
    pub metrics: &'a Metrics,
    /// Turns true when the node drains.
    pub draining: watch::Receiver<bool>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Serves until the connection ends.
    pub async fn serve(mut self) -> End {
        let mut input = Input { bytes: Vec::with_capacity(REQUEST_BYTES), frame: 0 };
        let mut output = Vec::with_capacity(RESPONSE_BYTES);
        loop {
            let end = match self.next_message(&mut input).await {
                Ok(()) => self.answer(&input.bytes[..input.frame], &mut output).await,
                Err(Stop::At(end)) => Some(end),
                Err(Stop::NoFrame { told, end }) => {
                    reject_frame(self.engine, self.caller, told, &mut output).await;
                    Some(self.send(&mut output).await.unwrap_or(end))
                }
            };
            input.consume();
            if let Some(end) = end {
                let _ = timeout(WRITE_TIMEOUT, self.stream.shutdown()).await;
                return end;
            }
        }
    }

    async fn answer(&mut self, request: &[u8], output: &mut Vec<u8>) -> Option<End> {
        let begun = Instant::now();
        let disposition = answer(self.engine, self.caller, self.metrics, request, output).await;
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

    async fn next_message(&mut self, input: &mut Input) -> Result<(), Stop> {
        if input.bytes.is_empty() {
            self.first_bytes(input).await?;
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

    async fn first_bytes(&mut self, input: &mut Input) -> Result<(), Stop> {
        if *self.draining.borrow() {
            return Err(Stop::At(End::Drained));
        }
        if self.standing.changes.has_changed().unwrap_or(false) && !self.standing.holds() {
            return Err(Stop::At(End::Revoked));
        }
        // An idle connection ends with its certificate, not with the next request.
        let left = u64::try_from(self.not_after_s.saturating_sub(crate::server::wall_s()));
        let Ok(left) = left.map(Duration::from_secs) else { return Err(Stop::At(End::Expired)) };
        let (patience, end) = match left < IDLE_TIMEOUT {
            true => (left + Duration::from_secs(1), End::Expired),
            false => (IDLE_TIMEOUT, End::Idle),
        };
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            tokio::select! {
                read = timeout_at(deadline, input.read(&mut self.stream)) => {
                    read.map_err(|_| Stop::At(end))??;
                    break;
                }
                _ = self.draining.changed() => return Err(Stop::At(End::Drained)),
                _ = self.standing.changes.changed() => {
                    if !self.standing.holds() {
                        return Err(Stop::At(End::Revoked));
                    }
                }
            }
        }
        if crate::server::wall_s() > self.not_after_s {
            return Err(Stop::At(End::Expired));
        }
        Ok(())
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
