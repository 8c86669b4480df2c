//! Calls to other nodes: one gRPC channel per node and lane, made when first used.
//!
//! Lanes keep heartbeats from queueing behind appends, and both from queueing behind snapshots.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::Stream;
use hyper_util::rt::TokioIo;
use model::id::NodeId;
use prost::Message;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, ConnectError, Request, Status};
use tonic_prost::ProstCodec;

use super::gate::Gate;
use crate::env::{ByteStream, Transport};
use crate::wire::Header;
use crate::wire::method::{HEADER_KEY, InstallSnapshot, MESSAGE_BYTES_MAX, Method};

/// A connection to a node of the same site takes a millisecond or three; this lies below the shortest
/// election timeout, so a dead address never costs a second heartbeat.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);
/// Silence after which a connection is probed, and then given up: a healed partition must not wait for
/// TCP to try again, which after some seconds it does only every few seconds.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_millis(500);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_millis(1_000);
/// Calls in flight per channel.
const CALLS_MAX: usize = 1_024;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Append,
    Beat,
    Snapshot,
    Requests,
    /// Parts of clients' messages: large, and slow where the other node is; leases must not wait behind them.
    Parts,
}

/// A node to call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub node: NodeId,
    pub name: String,
    pub address: String,
}

/// Why a call has no reply.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The other node did nothing: no connection, or it refused.
    #[error("node not reached, or it refused: {0}")]
    NotDone(Status),
    /// It may have done it or not.
    #[error("no reply: {0}")]
    Unknown(Status),
    /// It may have done it or not, and time is up.
    #[error("no reply in time")]
    TimedOut,
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::InvalidArgument
            | Code::Unimplemented
            | Code::ResourceExhausted => Self::NotDone(status),
            _ if is_connect_error(&status) => Self::NotDone(status),
            _ => Self::Unknown(status),
        }
    }
}

fn is_connect_error(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// All channels of this node.
pub(crate) struct Peers {
    transport: Arc<dyn Transport>,
    gate: Arc<Gate>,
    /// In an order of its own: channels are dropped in it, and whoever waited on them runs on in it.
    channels: Mutex<BTreeMap<(Target, Lane), Channel>>,
}

impl Peers {
    pub fn new(transport: Arc<dyn Transport>, gate: Arc<Gate>) -> Self {
        Self { transport, gate, channels: Mutex::default() }
    }

    /// Calls a node.
    pub async fn call<M: Method>(
        &self,
        target: &Target,
        lane: Lane,
        request: M::Request,
        within: Duration,
    ) -> Result<M::Reply, CallError> {
        let channel = self.channel(target, lane);
        let reply = unary::<M>(channel, &self.gate.header(target.node), request, within).await;
        if let Err(CallError::NotDone(refusal)) = &reply {
            self.gate.hear(refusal);
        }
        reply
    }

    /// Sends a snapshot.
    pub async fn send_snapshot<S>(
        &self,
        target: &Target,
        pieces: S,
        within: Duration,
    ) -> Result<<InstallSnapshot as Method>::Reply, CallError>
    where
        S: Stream<Item = <InstallSnapshot as Method>::Request> + Send + 'static,
    {
        let request = with_header(pieces, &self.gate.header(target.node));
        let mut grpc = Grpc::new(self.channel(target, Lane::Snapshot));
        let sending = async {
            ready(&mut grpc).await?;
            let path = http::uri::PathAndQuery::from_static(InstallSnapshot::PATH);
            grpc.client_streaming(request, path, ProstCodec::default()).await
        };
        let reply = timeout(within, sending).await.map_err(|_| CallError::TimedOut)?;
        Ok(reply?.into_inner())
    }

    /// Whether the port of a node refuses connections: no process listens there, so none of it lives. A node
    /// that cannot be reached, or does not answer in time, refuses nothing.
    pub async fn refuses(&self, target: &Target, within: Duration) -> bool {
        match timeout(within, self.transport.dial(target.address.clone())).await {
            Ok(Err(error)) => error.kind() == io::ErrorKind::ConnectionRefused,
            Ok(Ok(_)) | Err(_) => false,
        }
    }

    /// Forgets channels to nodes or addresses that are not members any more.
    pub fn retain(&self, keep: impl Fn(&Target) -> bool) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|(target, _), _| keep(target));
    }

    fn channel(&self, target: &Target, lane: Lane) -> Channel {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || channel(&self.transport, target.address.clone(), Some(target.name.clone()));
        channels.entry((target.clone(), lane)).or_insert_with(open).clone()
    }
}

/// A channel that connects when used and again when broken. With a name, only that node will do.
pub(crate) fn channel(transport: &Arc<dyn Transport>, address: String, name: Option<String>) -> Channel {
    let connector = Connector { transport: Arc::clone(transport), address, name };
    Endpoint::from_static("http://peer")
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .concurrency_limit(CALLS_MAX)
        .connect_with_connector_lazy(connector)
}

/// One request, one reply, in bounded time.
pub(crate) async fn unary<M: Method>(
    channel: Channel,
    header: &Header,
    request: M::Request,
    within: Duration,
) -> Result<M::Reply, CallError> {
    let request = with_header(request, header);
    let mut grpc = Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let calling = async {
        ready(&mut grpc).await?;
        grpc.unary(request, http::uri::PathAndQuery::from_static(M::PATH), ProstCodec::default()).await
    };
    let reply = timeout(within, calling).await.map_err(|_| CallError::TimedOut)?;
    Ok(reply?.into_inner())
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), Status> {
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))
}

fn with_header<T>(message: T, header: &Header) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::from_bytes(&header.encode_to_vec());
    request.metadata_mut().insert_bin(HEADER_KEY, value);
    request
}

/// Dials one address and insists on one node.
struct Connector {
    transport: Arc<dyn Transport>,
    address: String,
    name: Option<String>,
}

impl Service<http::Uri> for Connector {
    type Response = TokioIo<Pin<Box<dyn ByteStream>>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let (dialing, name) = (self.transport.dial(self.address.clone()), self.name.clone());
        Box::pin(async move {
            let link = timeout(CONNECT_TIMEOUT, dialing).await.map_err(|_| io::ErrorKind::TimedOut)??;
            if name.is_some_and(|name| *name != *link.name) {
                let what = format!("the address belongs to node {:?} now", link.name);
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
            }
            Ok(TokioIo::new(Box::into_pin(link.io)))
        })
    }
}
