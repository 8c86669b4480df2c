//! The nodes of the cluster.

use std::sync::Arc;

use axum::Json;
use engine::Engine;
use raft_store::Role;
use serde::Serialize;
use utoipa::ToSchema;

/// The cluster as this node sees it.
#[derive(Serialize, ToSchema)]
pub struct ClusterView {
    /// The realm all derivations are bound to.
    realm: String,
    /// The lineage of this Raft group.
    cluster_id: String,
    /// The region it serves.
    region: String,
    /// The current term.
    term: u64,
    /// Node id of the leader, if one is known.
    leader: Option<u64>,
    /// How many more voters may fail while a quorum remains; `null` without a quorum.
    failure_tolerance: Option<usize>,
    /// The replicated format version in force.
    format: u32,
    /// Every member.
    nodes: Vec<NodeView>,
}

/// One member.
#[derive(Serialize, ToSchema)]
pub struct NodeView {
    /// Position in this list.
    index: usize,
    /// Node id.
    node_id: u64,
    /// `leader`, `follower`, `candidate`, `learner`, or `unreachable`.
    role: &'static str,
    /// KMIP address.
    kmip: String,
    /// Administration address.
    admin: String,
    /// Whether it may answer KMIP requests.
    ready: bool,
    /// What is left of its freshness lease, in milliseconds.
    lease_remaining_ms: u64,
    /// `ptp_kvm` where a stop by the hypervisor is noticed; `pause not detectable` where the promise about
    /// withdrawals holds only as long as nobody freezes the machine.
    pause_detection: &'static str,
    /// Log index it has applied.
    applied: u64,
    /// Entries it is behind.
    lag: u64,
    /// Version of its binary.
    version: String,
    /// When the first of its certificates expires, in seconds since the epoch.
    certificates_expire: Option<u64>,
}

/// The nodes of the cluster.
#[utoipa::path(get, path = "/v1/cluster", responses((status = 200, body = ClusterView)))]
pub async fn show(engine: Arc<Engine>) -> Json<ClusterView> {
    let cluster = engine.store().cluster_status().await;
    let nodes = cluster.nodes.iter().map(|member| {
        let status = &member.status;
        NodeView {
            index: member.index,
            node_id: status.node.0,
            role: if member.reachable { role(status.role) } else { "unreachable" },
            kmip: status.addresses.kmip.clone(),
            admin: status.addresses.admin.clone(),
            ready: member.reachable && status.ready,
            lease_remaining_ms: u64::try_from(status.lease_remaining.as_millis()).unwrap_or(u64::MAX),
            pause_detection: if status.notices_pauses { "ptp_kvm" } else { "pause not detectable" },
            applied: status.applied.0,
            lag: status.lag,
            version: status.version.to_string(),
            certificates_expire: status.certificates_expire,
        }
    });
    Json(ClusterView {
        realm: cluster.realm.to_string(),
        cluster_id: cluster.cluster.to_string(),
        region: cluster.region.clone(),
        term: cluster.term,
        leader: cluster.leader.map(|leader| leader.0),
        failure_tolerance: cluster.tolerance(),
        format: cluster.format,
        nodes: nodes.collect(),
    })
}

pub(super) const fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
        Role::Stopped => "stopped",
    }
}
