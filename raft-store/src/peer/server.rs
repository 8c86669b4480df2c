//! The peer port's server: finds the method, checks the header, calls the handler. Nothing else.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataMap;
use tonic::server::{ClientStreamingService, Grpc, UnaryService};
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::gate::{Caller, Refused};
use crate::env::Link;
use crate::wire::method::{
    AppendEntries, AwaitEffective, AwaitPublished, FindGone, GetReadIndex, GetStatus, HEADER_KEY, HandOver,
    Hello, InstallSnapshot, JoinCluster, MESSAGE_BYTES_MAX, Method, PassPart, PreVote, ProposeCommand,
    RenewLease, RequestVote, StepDown, Surrender, TransferLeader, WatchLeader,
};
use crate::wire::{
    AnsweredPart, Append, Appended, AskEffective, AskIndex, AskKeys, AskPublished, AskStatus, AskVote,
    Effective, FoundGone, GiveUp, GiveVote, HandedKeys, Header, Join, LeaderGone, Nothing, PassedPart,
    ProposalDone, Propose, Published, ReadIndex, Renew, Renewed, SnapshotPiece, SnapshotTaken, SteppedDown,
    Transfer, Transferred, Welcome,
};

/// Streams per connection: a node sends a few hundred proposals at a time, not more.
const STREAMS_MAX: u32 = 2_048;
/// After this, a connection is closed gently: a replaced or expired certificate is shown again.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(3_600);
/// Silence after which the other end is probed, and then given up.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of request headers: ours have two hundred.
const HEADER_BYTES_MAX: u32 = 8 << 10;

/// What a node does when called. `Caller` is proved; whether it is a member is up to each handler.
pub(crate) trait Handler: Send + Sync + 'static {
    fn admit(&self, header: &Header, name: &Arc<str>) -> Result<Caller, Refused>;
    fn append(&self, from: Caller, request: Append) -> BoxFuture<'_, Result<Appended, Status>>;
    fn vote(&self, from: Caller, request: AskVote) -> BoxFuture<'_, Result<GiveVote, Status>>;
    fn pre_vote(&self, from: Caller, request: AskVote) -> BoxFuture<'_, Result<GiveVote, Status>>;
    fn snapshot(
        &self,
        from: Caller,
        pieces: Streaming<SnapshotPiece>,
    ) -> BoxFuture<'_, Result<SnapshotTaken, Status>>;
    fn transfer(&self, from: Caller, request: Transfer) -> BoxFuture<'_, Result<Transferred, Status>>;
    fn propose(&self, from: Caller, request: Propose) -> BoxFuture<'_, Result<ProposalDone, Status>>;
    fn read_index(&self, from: Caller, request: AskIndex) -> BoxFuture<'_, Result<ReadIndex, Status>>;
    fn renew(&self, from: Caller, request: Renew) -> BoxFuture<'_, Result<Renewed, Status>>;
    fn surrender(&self, from: Caller, request: GiveUp) -> BoxFuture<'_, Result<Nothing, Status>>;
    fn published(&self, from: Caller, request: AskPublished) -> BoxFuture<'_, Result<Published, Status>>;
    fn effective(&self, from: Caller, request: AskEffective) -> BoxFuture<'_, Result<Effective, Status>>;
    fn status(&self, from: Caller, request: AskStatus) -> BoxFuture<'_, Result<crate::wire::Status, Status>>;
    fn hello(&self, from: Caller, request: Nothing) -> BoxFuture<'_, Result<Nothing, Status>>;
    fn step_down(&self, from: Caller, request: Nothing) -> BoxFuture<'_, Result<SteppedDown, Status>>;
    fn watch(&self, from: Caller, request: Nothing) -> BoxFuture<'_, Result<Nothing, Status>>;
    fn find_gone(&self, from: Caller, request: LeaderGone) -> BoxFuture<'_, Result<FoundGone, Status>>;
    fn hand_over(&self, from: Caller, request: AskKeys) -> BoxFuture<'_, Result<HandedKeys, Status>>;
    fn pass_part(&self, from: Caller, request: PassedPart) -> BoxFuture<'_, Result<AnsweredPart, Status>>;
    /// The only call from someone who is nobody yet: only its certificate is proved.
    fn join(&self, name: Arc<str>, request: Join) -> BoxFuture<'_, Result<Welcome, Status>>;
}

/// Serves links until `stop` resolves.
pub(crate) async fn serve<H: Handler>(
    handler: Arc<H>,
    links: BoxStream<'static, Link>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), tonic::transport::Error> {
    let incoming = links.map(|link| Ok::<_, io::Error>(Incoming(link)));
    tonic::transport::Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .max_connection_age(CONNECTION_AGE_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .serve_with_incoming_shutdown(Dispatch(handler), incoming, stop)
        .await
}

struct Dispatch<H>(Arc<H>);

impl<H> Clone for Dispatch<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Handler> Service<http::Request<Body>> for Dispatch<H> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(async move { Ok(dispatch(handler, request).await) })
    }
}

async fn dispatch<H: Handler>(handler: Arc<H>, request: http::Request<Body>) -> http::Response<Body> {
    let Some(PeerName(name)) = request.extensions().get::<PeerName>().cloned() else {
        return Status::unauthenticated("no peer certificate").into_http();
    };
    if request.uri().path() == JoinCluster::PATH {
        return unary::<JoinCluster, _>(
            request,
            move |message| async move { handler.join(name, message).await },
        )
        .await;
    }
    let caller = match read_header(&request).and_then(|header| handler.admit(&header, &name)) {
        Ok(caller) => caller,
        Err(refused) => {
            tracing::warn!(peer = %name, %refused, "refused on the peer port");
            return Status::from(refused).into_http();
        }
    };
    route(handler, caller, request).await
}

/// One arm per call.
async fn route<H: Handler>(h: Arc<H>, who: Caller, request: http::Request<Body>) -> http::Response<Body> {
    match request.uri().path() {
        AppendEntries::PATH => {
            unary::<AppendEntries, _>(request, move |m| async move { h.append(who, m).await }).await
        }
        RequestVote::PATH => {
            unary::<RequestVote, _>(request, move |m| async move { h.vote(who, m).await }).await
        }
        PreVote::PATH => unary::<PreVote, _>(request, move |m| async move { h.pre_vote(who, m).await }).await,
        InstallSnapshot::PATH => snapshot(h, who, request).await,
        TransferLeader::PATH => {
            unary::<TransferLeader, _>(request, move |m| async move { h.transfer(who, m).await }).await
        }
        ProposeCommand::PATH => {
            unary::<ProposeCommand, _>(request, move |m| async move { h.propose(who, m).await }).await
        }
        GetReadIndex::PATH => {
            unary::<GetReadIndex, _>(request, move |m| async move { h.read_index(who, m).await }).await
        }
        RenewLease::PATH => {
            unary::<RenewLease, _>(request, move |m| async move { h.renew(who, m).await }).await
        }
        Surrender::PATH => {
            unary::<Surrender, _>(request, move |m| async move { h.surrender(who, m).await }).await
        }
        AwaitPublished::PATH => {
            unary::<AwaitPublished, _>(request, move |m| async move { h.published(who, m).await }).await
        }
        AwaitEffective::PATH => {
            unary::<AwaitEffective, _>(request, move |m| async move { h.effective(who, m).await }).await
        }
        GetStatus::PATH => {
            unary::<GetStatus, _>(request, move |m| async move { h.status(who, m).await }).await
        }
        WatchLeader::PATH => {
            unary::<WatchLeader, _>(request, move |m| async move { h.watch(who, m).await }).await
        }
        FindGone::PATH => {
            unary::<FindGone, _>(request, move |m| async move { h.find_gone(who, m).await }).await
        }
        StepDown::PATH => {
            unary::<StepDown, _>(request, move |m| async move { h.step_down(who, m).await }).await
        }
        HandOver::PATH => {
            unary::<HandOver, _>(request, move |m| async move { h.hand_over(who, m).await }).await
        }
        PassPart::PATH => {
            unary::<PassPart, _>(request, move |m| async move { h.pass_part(who, m).await }).await
        }
        Hello::PATH => unary::<Hello, _>(request, move |m| async move { h.hello(who, m).await }).await,
        _ => Status::unimplemented("no such call on the peer port").into_http(),
    }
}

fn read_header(request: &http::Request<Body>) -> Result<Header, Refused> {
    let metadata = MetadataMap::from_headers(request.headers().clone());
    let value = metadata.get_bin(HEADER_KEY).ok_or(Refused::NoHeader)?;
    let bytes = value.to_bytes().map_err(|_| Refused::NoHeader)?;
    Header::decode(bytes).map_err(|_| Refused::NoHeader)
}

async fn unary<M: Method, F>(
    request: http::Request<Body>,
    handle: impl FnOnce(M::Request) -> F + Send + 'static,
) -> http::Response<Body>
where
    F: Future<Output = Result<M::Reply, Status>> + Send + 'static,
{
    let codec = ProstCodec::<M::Reply, M::Request>::default();
    Grpc::new(codec).max_decoding_message_size(MESSAGE_BYTES_MAX).unary(Once(Some(handle)), request).await
}

async fn snapshot<H: Handler>(
    handler: Arc<H>,
    who: Caller,
    request: http::Request<Body>,
) -> http::Response<Body> {
    let codec = ProstCodec::<SnapshotTaken, SnapshotPiece>::default();
    let handle = move |pieces| async move { handler.snapshot(who, pieces).await };
    Grpc::new(codec)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .client_streaming(Once(Some(handle)), request)
        .await
}

/// A handler for the one request tonic calls it with.
struct Once<H>(Option<H>);

impl<H> Once<H> {
    fn take(&mut self) -> H {
        self.0.take().expect("tonic calls a service once per request")
    }
}

impl<H, F, Q, R> UnaryService<Q> for Once<H>
where
    H: FnOnce(Q) -> F,
    F: Future<Output = Result<R, Status>> + Send + 'static,
    R: Send + 'static,
{
    type Response = R;
    type Future = BoxFuture<'static, Result<Response<R>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let reply = self.take()(request.into_inner());
        Box::pin(async move { reply.await.map(Response::new) })
    }
}

impl<H, F, Q, R> ClientStreamingService<Q> for Once<H>
where
    H: FnOnce(Streaming<Q>) -> F,
    F: Future<Output = Result<R, Status>> + Send + 'static,
    R: Send + 'static,
{
    type Response = R;
    type Future = BoxFuture<'static, Result<Response<R>, Status>>;

    fn call(&mut self, request: Request<Streaming<Q>>) -> Self::Future {
        let reply = self.take()(request.into_inner());
        Box::pin(async move { reply.await.map(Response::new) })
    }
}

/// A link, as tonic wants it: the peer's name goes with every request.
struct Incoming(Link);

#[derive(Clone)]
struct PeerName(Arc<str>);

impl Connected for Incoming {
    type ConnectInfo = PeerName;

    fn connect_info(&self) -> PeerName {
        PeerName(Arc::clone(&self.0.name))
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.io).poll_shutdown(cx)
    }
}
