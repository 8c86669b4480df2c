//! The nodes of the cluster as operators change them: tokens, roles, removal, leadership.
//!
//! A change is answered as soon as it is decided; the leader carries it out, and the list of members shows
//! how far it has come.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use engine::{Engine, NotBegun};
use model::id::NodeId;
use raft_store::{ClusterStatus, MemberStatus, Unsafe};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cluster::role;
use crate::app::{App, in_path};
use crate::json::Body;
use crate::problem::Problem;
use crate::wish::Wish;

/// A token's life unless another is asked for, in seconds: long enough to start a node, too short to forget.
const TOKEN_LASTS_S: u64 = 60 * 60;

/// The members, and what they survive.
#[derive(Serialize, ToSchema)]
pub struct MemberList {
    /// How many more voters may fail while a quorum remains; `null` without a quorum.
    failure_tolerance: Option<usize>,
    /// Node id of the leader, if one is known.
    leader: Option<u64>,
    /// The replicated format version in force.
    format: u32,
    /// Nodes that were removed so lately that their leases may still run: withdrawals wait for them.
    retiring: Vec<u64>,
    /// Every member.
    items: Vec<MemberView>,
}

/// One member.
#[derive(Serialize, ToSchema)]
pub struct MemberView {
    /// Node id, never given twice.
    node_id: u64,
    /// Its name, as in its certificate.
    name: String,
    /// `leader`, `follower`, `candidate`, `learner`, or `unreachable`.
    role: &'static str,
    /// Whether it votes now.
    voter: bool,
    /// Whether it may vote; a learner that may and has caught up does so where an odd number results.
    may_vote: bool,
    /// Whether it is being removed.
    leaving: bool,
    /// Peer address.
    peer: String,
    /// Log index it has applied.
    applied: u64,
    /// Version of its binary.
    version: String,
    /// The highest replicated format version its binary knows; 0 if unknown.
    format: u32,
    /// When the first of its certificates expires, in seconds since the epoch.
    certificates_expire: Option<u64>,
}

/// A join token.
#[derive(Serialize, ToSchema)]
pub struct TokenView {
    /// The token: shown once, good for one node.
    token: String,
    /// How long it lasts, in seconds.
    lasts_s: u64,
}

/// A join token to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// How long it shall last, in seconds; an hour unless told otherwise, a week at most.
    lasts_s: Option<u64>,
}

/// How a node is demoted or removed.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    /// Do it although the cluster will survive fewer failures.
    #[serde(default)]
    accept_lower_tolerance: bool,
}

/// Who takes a node's place.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceRequest {
    /// The learner that votes instead.
    by: u64,
}

fn view(member: &MemberStatus) -> MemberView {
    let status = &member.status;
    MemberView {
        node_id: status.node.0,
        name: status.name.clone(),
        role: if member.reachable { role(status.role) } else { "unreachable" },
        voter: member.voter,
        may_vote: member.may_vote,
        leaving: member.leaving,
        peer: status.addresses.peer.clone(),
        applied: status.applied.0,
        version: status.version.clone(),
        format: status.format,
        certificates_expire: status.certificates_expire,
    }
}

fn list_of(cluster: &ClusterStatus) -> MemberList {
    MemberList {
        failure_tolerance: cluster.tolerance(),
        leader: cluster.leader.map(|leader| leader.0),
        format: cluster.format,
        retiring: cluster.retiring.iter().map(|node| node.0).collect(),
        items: cluster.nodes.iter().map(view).collect(),
    }
}

/// Lists the members of the cluster.
#[utoipa::path(get, path = "/v1/members", responses((status = 200, body = MemberList)))]
pub async fn list(engine: Arc<Engine>) -> Json<MemberList> {
    Json(list_of(&engine.store().cluster_status().await))
}

/// Makes a token that lets one node join, once.
#[utoipa::path(post, path = "/v1/members/join-tokens", request_body = TokenRequest,
    responses((status = 201, body = TokenView), (status = 422, body = Problem)))]
pub async fn issue_token(
    wish: Wish,
    Body(request): Body<TokenRequest>,
) -> Result<(StatusCode, Json<TokenView>), Problem> {
    let lasts_s = request.lasts_s.unwrap_or(TOKEN_LASTS_S);
    let lasts = Duration::from_secs(lasts_s);
    let token = wish.engine.make_join_token(&wish.who, lasts).await?;
    Ok((StatusCode::CREATED, Json(TokenView { token: token.expose().to_owned(), lasts_s })))
}

/// Lets a learner vote once it has caught up and an odd number of voters results.
#[utoipa::path(post, path = "/v1/members/{node}:promote", params(("node" = u64, Path)),
    responses((status = 200, body = MemberList), (status = 404, body = Problem)))]
pub async fn promote(wish: Wish<NodeInPath>) -> Result<Json<MemberList>, Problem> {
    let key = wish.key(&())?;
    wish.engine.set_node_role(&wish.who, wish.about.0, true, true, key).await?;
    Ok(list(wish.engine).await)
}

/// Takes a voter's vote; it stays as a learner, which serves just as well.
#[utoipa::path(post, path = "/v1/members/{node}:demote", params(("node" = u64, Path)),
    request_body = ChangeRequest,
    responses((status = 200, body = MemberList), (status = 409, body = Problem)))]
pub async fn demote(
    wish: Wish<NodeInPath>,
    Body(request): Body<ChangeRequest>,
) -> Result<Json<MemberList>, Problem> {
    let (key, accepted) = (wish.key(&request)?, request.accept_lower_tolerance);
    wish.engine.set_node_role(&wish.who, wish.about.0, false, accepted, key).await?;
    Ok(list(wish.engine).await)
}

/// Removes a node for good: it neither votes nor serves, and its id is never given again.
#[utoipa::path(post, path = "/v1/members/{node}:remove", params(("node" = u64, Path)),
    request_body = ChangeRequest,
    responses((status = 200, body = MemberList), (status = 409, body = Problem)))]
pub async fn remove(
    wish: Wish<NodeInPath>,
    Body(request): Body<ChangeRequest>,
) -> Result<Json<MemberList>, Problem> {
    let (key, accepted) = (wish.key(&request)?, request.accept_lower_tolerance);
    wish.engine.remove_node(&wish.who, wish.about.0, accepted, key).await?;
    Ok(list(wish.engine).await)
}

/// Removes a node and lets a learner vote in its place, by one change.
#[utoipa::path(post, path = "/v1/members/{node}:replace", params(("node" = u64, Path)),
    request_body = ReplaceRequest,
    responses((status = 200, body = MemberList), (status = 409, body = Problem)))]
pub async fn replace(
    wish: Wish<NodeInPath>,
    Body(request): Body<ReplaceRequest>,
) -> Result<Json<MemberList>, Problem> {
    let key = wish.key(&request)?;
    wish.engine.replace_node(&wish.who, wish.about.0, NodeId(request.by), key).await?;
    Ok(list(wish.engine).await)
}

/// Makes the leader hand leadership over; the node is `leader`, whichever that is.
#[utoipa::path(post, path = "/v1/members/{node}:step-down", params(("node" = String, Path)),
    responses((status = 200, body = MemberList), (status = 409, body = Problem)))]
pub async fn step_down(wish: Wish, Path(node): Path<String>) -> Result<Json<MemberList>, Problem> {
    if node != "leader" {
        return Err(Problem::bad_request("only the leader steps down: POST /v1/members/leader:step-down"));
    }
    wish.engine.step_down(&wish.who).await?;
    Ok(list(wish.engine).await)
}

/// The node that a path names; whether there is one is judged where it is changed.
pub(crate) struct NodeInPath(NodeId);

impl FromRequestParts<App> for NodeInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let node = in_path(parts, app, "node").await?;
        node.parse().map(|id| Self(NodeId(id))).map_err(|_| Problem::not_found("node"))
    }
}

impl From<NotBegun> for Problem {
    fn from(error: NotBegun) -> Self {
        let detail = error.to_string();
        match error {
            NotBegun::Refused(refused) => refused.into(),
            NotBegun::Unsafe(Unsafe::NotAMember { .. }) => Self::not_found("member"),
            NotBegun::Unsafe(Unsafe::LowersTolerance { .. }) => Self::new(
                StatusCode::CONFLICT,
                "lowers-tolerance",
                "Lower failure tolerance",
                detail,
                "join a replacement first, or repeat with accept_lower_tolerance",
            ),
            NotBegun::Unsafe(_) | NotBegun::NotReady { .. } => Self::new(
                StatusCode::CONFLICT,
                "not-safe",
                "Not safe now",
                detail,
                "see the list of members, repair or join one, then try again",
            ),
            NotBegun::StepDown(_) => Self::new(
                StatusCode::CONFLICT,
                "not-handed-over",
                "Leadership was not handed over",
                detail,
                "see the list of members, then try again",
            ),
        }
    }
}
