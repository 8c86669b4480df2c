//! Joining a cluster: an empty directory asks to be let in and becomes a node.
//!
//! Certificates prove who asks and who answers, the token says that somebody wanted it. The attempt's
//! number lies in the directory before the first question: whatever crashes, a retry gets the same node
//! id, and a directory that was wiped gets another (CONSISTENCY 10).

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::id::{ClusterId, NodeId, Realm};
use tokio::time::{Instant, sleep};

use crate::env::{Entropy, Transport};
use crate::identity::{self, Identity, IdentityError};
use crate::peer::client::{CallError, channel, unary};
use crate::store::Addresses;
use crate::wire::method::JoinCluster;
use crate::wire::{Header, Join, Welcome};

/// A leader lets a node in within two commits.
const ASK_MAX: Duration = Duration::from_secs(5);
/// Pause between two rounds through all peers.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Longer chains of "ask that one instead" are circles.
const HOPS_MAX: usize = 4;

/// What a joining node says and knows.
#[derive(Clone)]
pub struct JoinRequest {
    /// Its name, as in its certificate.
    pub name: String,
    /// Where it will be reached.
    pub addresses: Addresses,
    /// Members to ask, each `host:port`.
    pub peers: Vec<String>,
    /// A join token's text, as an operator made it.
    pub token: Vec<u8>,
    /// Whether it may become a voter.
    pub voter: bool,
    /// When to give up.
    pub within: Duration,
}

/// What a joined node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Written to the directory already.
    pub identity: Identity,
    /// The region of the cluster: goes into `Settings`.
    pub region: String,
    /// What the cluster's owner gives new nodes to unseal with.
    pub keyring: Vec<u8>,
}

/// Why a node did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The directory cannot be a new node's.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The keyring could not be kept.
    #[error("the keyring received from a member cannot be kept: {0}")]
    Keyring(#[source] io::Error),
    /// A member said no; asking again will not help.
    #[error("refused: {0}")]
    Refused(String),
    /// Nobody let us in in time.
    #[error("no member let this node in: {0}; check addresses and certificates, then try again")]
    Unavailable(String),
}

/// Joins the cluster that `request.peers` belong to, and writes the identity.
///
/// # Errors
/// [`JoinError`] says whether trying again can help. Trying again is always safe.
pub async fn join(
    dir: &Path,
    request: &JoinRequest,
    transport: Arc<dyn Transport>,
    entropy: &dyn Entropy,
    keep: impl FnOnce(&[u8]) -> io::Result<()>,
) -> Result<Joined, JoinError> {
    let attempt = identity::join_attempt(dir, || {
        let mut attempt = [0; 16];
        entropy.fill(&mut attempt);
        attempt
    })?;
    let joined = match ask(attempt, request, &transport).await {
        Err(refused @ JoinError::Refused(_)) => {
            identity::forget_attempt(dir)?; // nothing came of it: the directory is as it was
            return Err(refused);
        }
        asked => asked?,
    };
    keep(&joined.keyring).map_err(JoinError::Keyring)?;
    identity::write(dir, &joined.identity)?;
    Ok(joined)
}

/// The question alone, for nodes that have no directory.
///
/// # Errors
/// As [`join`].
pub async fn ask(
    attempt: [u8; 16],
    request: &JoinRequest,
    transport: &Arc<dyn Transport>,
) -> Result<Joined, JoinError> {
    let deadline = Instant::now() + request.within;
    let mut last = "no address was given".to_owned();
    loop {
        for peer in &request.peers {
            match ask_from(peer, attempt, request, transport).await {
                Ok(welcome) => return read(&request.name, welcome),
                Err(CallError::NotDone(status)) if status.code() == tonic::Code::PermissionDenied => {
                    return Err(JoinError::Refused(status.message().to_owned()));
                }
                Err(error) => last = format!("{peer}: {error}"),
            }
        }
        if Instant::now() >= deadline {
            return Err(JoinError::Unavailable(last));
        }
        sleep(ASK_AGAIN_AFTER).await;
    }
}

/// Asks one member, and whom it names instead.
async fn ask_from(
    peer: &str,
    attempt: [u8; 16],
    request: &JoinRequest,
    transport: &Arc<dyn Transport>,
) -> Result<Welcome, CallError> {
    let mut address = peer.to_owned();
    for _ in 0..HOPS_MAX {
        let message = Join {
            token: request.token.clone(),
            attempt: attempt.to_vec(),
            peer_address: request.addresses.peer.clone(),
            kmip_address: request.addresses.kmip.clone(),
            admin_address: request.addresses.admin.clone(),
            voter: request.voter,
        };
        let to = channel(transport, address.clone(), None);
        let welcome = unary::<JoinCluster>(to, &Header::default(), message, ASK_MAX).await?;
        if welcome.ask_instead.is_empty() {
            return Ok(welcome);
        }
        address = welcome.ask_instead;
    }
    Err(CallError::Unknown(tonic::Status::unavailable("members name each other as leader")))
}

fn read(name: &str, welcome: Welcome) -> Result<Joined, JoinError> {
    let bad = |what: &str| JoinError::Refused(format!("the answer has no usable {what}"));
    let realm = welcome.realm.try_into().map(Realm).map_err(|_| bad("realm"))?;
    let cluster = welcome.cluster.try_into().map(ClusterId).map_err(|_| bad("cluster id"))?;
    let node = Some(NodeId(welcome.node)).filter(|node| node.0 > 1).ok_or_else(|| bad("node id"))?;
    let identity = Identity { realm, cluster, node, name: name.to_owned() };
    Ok(Joined { identity, region: welcome.region, keyring: welcome.keyring })
}
