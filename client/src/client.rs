//! Many nodes behind one handle: a pool for each, and fail-over between them.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kmip::{RequestPayload, ResponseMessage, Version};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::error::ProtocolFault;
use crate::{Connection, Connector, Error, Fault, Settings, SettingsError, Timeouts, TlsFault, message};

/// Pause after every node was tried once; doubled each time.
const PAUSE_FIRST: Duration = Duration::from_millis(20);

/// Longest pause: a cluster that elects a leader is back within a second.
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// Whether a call whose answer was lost may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It reads, or its effect is worth nothing without the answer.
    Safe,
    /// It writes: sent once, then answered or [`Error::OutcomeUnknown`].
    Never,
}

/// A client of one cluster; clones share its connections.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    nodes: Vec<Node>,
    /// The node that answered last; asked first.
    preferred: AtomicUsize,
    in_flight: Semaphore,
    version: Version,
    timeouts: Timeouts,
}

impl Client {
    /// A client with these settings. Connects when first used.
    ///
    /// # Errors
    /// A [`SettingsError`]: these settings can reach nobody.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let nodes = Connector::all(settings)?.into_iter().map(Node::new).collect();
        Ok(Self(Arc::new(Shared {
            nodes,
            preferred: AtomicUsize::new(0),
            in_flight: Semaphore::new(settings.connections_max),
            version: settings.version,
            timeouts: settings.timeouts,
        })))
    }

    /// Sends one batch, and hands its answer to `read` when every item succeeded. The batch stops at
    /// the first item that fails.
    ///
    /// # Errors
    /// See [`Error`]; with [`Repeat::Safe`] never [`Error::OutcomeUnknown`].
    pub async fn call<T>(
        &self,
        items: &[RequestPayload<'_>],
        repeat: Repeat,
        read: impl Fn(&ResponseMessage<'_>) -> Result<T, ProtocolFault>,
    ) -> Result<T, Error> {
        let shared = &*self.0;
        let request = message::write(shared.version, items);
        let begun = Instant::now();
        let deadline = begun + shared.timeouts.call;
        let mut tries = Tries { begun, attempts: 0, last: None };
        let Ok(Ok(_place)) = timeout_at(deadline, shared.in_flight.acquire()).await else {
            return Err(tries.given_up());
        };
        let first = shared.preferred.load(Ordering::Relaxed);
        let mut pause = PAUSE_FIRST;
        loop {
            for step in 0..shared.nodes.len() {
                let index = (first + step) % shared.nodes.len();
                if Instant::now() >= deadline {
                    return Err(tries.given_up());
                }
                let node = &shared.nodes[index];
                let attempt = Attempt { node, request: &request, items, repeat };
                match attempt.run(shared.timeouts, deadline, &read).await {
                    ControlFlow::Break(result) => {
                        shared.preferred.store(index, Ordering::Relaxed);
                        return result;
                    }
                    ControlFlow::Continue(fault) => tries.add(fault),
                }
            }
            sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// What was tried so far.
struct Tries {
    begun: Instant,
    attempts: u32,
    last: Option<Fault>,
}

impl Tries {
    fn add(&mut self, fault: Fault) {
        self.attempts += 1;
        self.last = Some(fault);
    }

    fn given_up(self) -> Error {
        let after = self.begun.elapsed();
        let busy = || Fault::Slow { node: "this client, whose connections are all busy,".to_owned(), after };
        Error::Unavailable { attempts: self.attempts, after, last: Box::new(self.last.unwrap_or_else(busy)) }
    }
}

/// One request to one node.
struct Attempt<'a> {
    node: &'a Node,
    request: &'a [u8],
    items: &'a [RequestPayload<'a>],
    repeat: Repeat,
}

impl Attempt<'_> {
    /// Breaks with what the caller gets; continues with why another node should be asked.
    async fn run<T>(
        &self,
        timeouts: Timeouts,
        deadline: Instant,
        read: impl Fn(&ResponseMessage<'_>) -> Result<T, ProtocolFault>,
    ) -> ControlFlow<Result<T, Error>, Fault> {
        let mut connection = match timeout_at(deadline, self.node.connection()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(fault)) => return settle(fault, false, self.repeat),
            Err(_) => return ControlFlow::Continue(self.node.slow(timeouts.connect)),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let within = match self.repeat {
            Repeat::Safe => left.min(timeouts.attempt),
            Repeat::Never => left,
        };
        let fault = match timeout(within, connection.exchange(self.request)).await {
            Err(_) => self.node.slow(within),
            Ok(Err(fault)) => fault,
            Ok(Ok(answer)) => match message::read(self.node.connector.node(), answer, self.items, &read) {
                Ok(result) => {
                    self.node.keep(connection);
                    return ControlFlow::Break(result);
                }
                Err(fault) => {
                    if matches!(fault, Fault::Declined { .. }) {
                        self.node.keep(connection);
                    }
                    fault
                }
            },
        };
        settle(fault, true, self.repeat)
    }
}

/// What a fault means for the call: bytes that may have left decide.
fn settle<T>(fault: Fault, sent: bool, repeat: Repeat) -> ControlFlow<Result<T, Error>, Fault> {
    let end = |error| ControlFlow::Break(Err(error));
    match (fault, repeat) {
        // Whoever refuses our certificate has not read our request.
        (Fault::Tls { node, cause: cause @ TlsFault::OurCertificate(_) }, _) => {
            end(Error::Tls { node, cause })
        }
        (fault, Repeat::Never) if sent => end(Error::OutcomeUnknown { cause: Box::new(fault) }),
        (Fault::Tls { node, cause }, _) => end(Error::Tls { node, cause }),
        (Fault::Protocol { node, cause }, _) => end(Error::Protocol { node, cause }),
        (fault, _) => ControlFlow::Continue(fault),
    }
}

/// A node and its idle connections.
struct Node {
    connector: Connector,
    idle: Mutex<Vec<Connection>>,
}

impl Node {
    const fn new(connector: Connector) -> Self {
        Self { connector, idle: Mutex::new(Vec::new()) }
    }

    /// An idle connection the node still holds, or a new one.
    async fn connection(&self) -> Result<Connection, Fault> {
        while let Some(mut connection) = self.take() {
            if connection.is_idle() {
                return Ok(connection);
            }
        }
        self.connector.open().await
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps a connection for the next call. As many as calls in flight, which are bounded.
    fn keep(&self, mut connection: Connection) {
        connection.wipe();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    fn slow(&self, after: Duration) -> Fault {
        Fault::Slow { node: self.connector.node().to_owned(), after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fault: Fault, sent: bool, repeat: Repeat, expected: &str) {
        let outcome = match settle::<()>(fault, sent, repeat) {
            ControlFlow::Continue(_) => "next node",
            ControlFlow::Break(Err(Error::OutcomeUnknown { .. })) => "unknown",
            ControlFlow::Break(Err(Error::Tls { .. })) => "tls",
            ControlFlow::Break(Err(Error::Protocol { .. })) => "protocol",
            ControlFlow::Break(other) => panic!("{other:?}"),
        };
        assert_eq!(outcome, expected, "sent {sent}, {repeat:?}");
    }

    #[test]
    fn bytes_that_may_have_left_decide() {
        let node = || "a:1".to_owned();
        let broken = || Fault::Broken { node: node(), cause: std::io::ErrorKind::UnexpectedEof.into() };
        let declined = || Fault::Declined { node: node(), message: String::new() };
        let garbage = || Fault::Protocol { node: node(), cause: ProtocolFault::NotKmip };
        let alert = rustls::AlertDescription::CertificateUnknown;
        let ours = || Fault::Tls { node: node(), cause: TlsFault::OurCertificate(alert) };
        let theirs = || Fault::Tls { node: node(), cause: TlsFault::UnknownAuthority };
        for repeat in [Repeat::Safe, Repeat::Never] {
            check(broken(), false, repeat, "next node");
            check(theirs(), false, repeat, "tls");
            check(ours(), true, repeat, "tls");
        }
        for lost in [&broken as &dyn Fn() -> Fault, &declined] {
            check(lost(), true, Repeat::Safe, "next node");
            check(lost(), true, Repeat::Never, "unknown");
        }
        check(garbage(), true, Repeat::Safe, "protocol");
        check(garbage(), true, Repeat::Never, "unknown");
    }
}
