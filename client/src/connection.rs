//! One node and one line to it.
//!
//! One request at a time. A connection whose exchange failed or was dropped half-way is in an unknown
//! place of its stream: it must be dropped, and is by [`Client`](crate::Client).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kmip::Tag;
use kmip::ttlv::{ANSWER_BYTES_MAX, FrameError, HEADER_BYTES, Limits, frame_length_of};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::ProtocolFault;
use crate::tls::{self, TlsFault};
use crate::{Fault, Settings, SettingsError};

/// What we accept from a server. A Locate may name many objects, so items are the frame's worth of
/// them: a megabyte holds no more than 65,536.
pub(crate) const ANSWER_LIMITS: Limits =
    Limits { items: 65_536, frame_bytes: ANSWER_BYTES_MAX, ..Limits::DEFAULT };

/// Room for an answer to Create and Get: most are below it.
const ANSWER_BYTES: usize = 1024;

/// Opens connections to one node.
#[derive(Clone)]
pub struct Connector {
    node: Arc<str>,
    name: ServerName<'static>,
    tls: TlsConnector,
    within: Duration,
}

impl Connector {
    /// One for every node of the settings, in their order.
    ///
    /// # Errors
    /// A [`SettingsError`]: these settings can reach nobody.
    pub fn all(settings: &Settings) -> Result<Vec<Self>, SettingsError> {
        if settings.nodes.is_empty() {
            return Err(SettingsError::NoNode);
        }
        let tls = tls::configuration(settings)?;
        settings.nodes.iter().map(|node| Self::new(node, settings, &tls)).collect()
    }

    fn new(node: &str, settings: &Settings, tls: &Arc<ClientConfig>) -> Result<Self, SettingsError> {
        let (host, port) =
            node.rsplit_once(':').ok_or_else(|| SettingsError::Address { node: node.to_owned() })?;
        if port.parse::<u16>().is_err() {
            return Err(SettingsError::Address { node: node.to_owned() });
        }
        let host = host.trim_start_matches('[').trim_end_matches(']'); // IPv6
        let name = settings.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| SettingsError::ServerName { name: name.to_owned() })?;
        Ok(Self { node: node.into(), name, tls: Arc::clone(tls).into(), within: settings.timeouts.connect })
    }

    /// The node, as `host:port`.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Connects and shakes hands, within the connect timeout.
    ///
    /// # Errors
    /// [`Fault::Connect`], [`Fault::Slow`] or [`Fault::Tls`]. A server that refuses our certificate may
    /// say so only at the first exchange (TLS 1.3).
    pub async fn open(&self) -> Result<Connection, Fault> {
        let connected = timeout(self.within, self.connect()).await;
        let slow = |_| Fault::Slow { node: self.node.to_string(), after: self.within };
        let stream = connected.map_err(slow)??;
        let input = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES));
        Ok(Connection { node: Arc::clone(&self.node), stream, input })
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, Fault> {
        let refused = |cause| Fault::Connect { node: self.node.to_string(), cause };
        let stream = TcpStream::connect(&*self.node).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let handshake = self.tls.connect(self.name.clone(), stream).await;
        handshake.map_err(|cause| broken(&self.node, cause))
    }
}

/// A line that broke, or the reason TLS gives for it.
fn broken(node: &str, cause: io::Error) -> Fault {
    match TlsFault::of(&cause) {
        Some(cause) => Fault::Tls { node: node.to_owned(), cause },
        None => Fault::Broken { node: node.to_owned(), cause },
    }
}

/// One connection. The last answer is wiped when the next is read, by [`wipe`](Self::wipe), and on drop.
pub struct Connection {
    node: Arc<str>,
    stream: TlsStream<TcpStream>,
    input: Zeroizing<Vec<u8>>,
}

impl Connection {
    /// Sends one whole request and waits for its whole answer. Not cancel safe: drop the connection
    /// when this future is dropped or fails.
    ///
    /// # Errors
    /// [`Fault::Broken`], [`Fault::Tls`] or [`Fault::Protocol`].
    pub async fn exchange(&mut self, request: &[u8]) -> Result<&[u8], Fault> {
        let sent = async {
            self.stream.write_all(request).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|cause| broken(&self.node, cause))?;
        self.read_answer().await?;
        Ok(&self.input)
    }

    async fn read_answer(&mut self) -> Result<(), Fault> {
        self.wipe();
        let mut header = [0; HEADER_BYTES];
        let read = self.stream.read_exact(&mut header).await;
        read.map_err(|cause| broken(&self.node, cause))?;
        let length = frame_length_of(&header, Tag::RESPONSE_MESSAGE, &ANSWER_LIMITS).map_err(|error| {
            let cause = match error {
                FrameError::NotKmip => ProtocolFault::NotKmip,
                FrameError::Invalid(error) => ProtocolFault::Malformed(error),
            };
            Fault::Protocol { node: self.node.to_string(), cause }
        })?;
        // Grows while it is empty: what is given up holds nothing.
        self.input.reserve_exact(length);
        self.input.extend_from_slice(&header);
        self.input.resize(length, 0);
        let rest = self.stream.read_exact(&mut self.input[HEADER_BYTES..]).await;
        rest.map(drop).map_err(|cause| broken(&self.node, cause))
    }

    /// Wipes the last answer.
    pub fn wipe(&mut self) {
        self.input.zeroize();
    }

    /// Whether the other side still holds the line, and has said nothing unasked. Does not wait.
    pub(crate) fn is_idle(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        matches!(Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer), Poll::Pending)
    }

    /// Ends the connection politely, within the time a write of a few bytes takes.
    pub async fn close(mut self) {
        const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);
        let _ = timeout(CLOSE_TIMEOUT, self.stream.shutdown()).await;
    }
}
