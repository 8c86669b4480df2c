//! The nodes of the cluster.

use std::sync::Arc;

use axum::Json;
use engine::Engine;
use model::root::{Gate, L1_GRACE_MS_DEFAULT, L1State, WhichRoot};
use model::time::ClusterTime;
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
    /// Roots in use that do not work, those whose tenants close first before all others; at most a hundred.
    roots_in_error: Vec<RootInError>,
}

/// A root in use that does not work.
#[derive(Serialize, ToSchema)]
pub struct RootInError {
    /// Whose; none for the platform's, on which all other tenants hang.
    tenant: Option<String>,
    /// Its name; `platform` for the platform's.
    root: String,
    /// `disabled`, `forbidden`, `unreachable`, `pending_deletion`, `deleted`, `unknown` or `refused`.
    key_state: &'static str,
    /// Its own words.
    detail: String,
    /// Since when, in seconds since the epoch.
    since: u64,
    /// Hot keys serve until then, in seconds since the epoch, if no root of the tenant answers before; absent once its
    /// tenants are closed.
    serves_until: Option<u64>,
    /// How long that is from now, in seconds: whoever counts it down needs no clock like the cluster's.
    serves_for_s: Option<u64>,
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
    /// Keys it handed to other nodes since it started, while roots were silent.
    keys_given: u64,
    /// Keys it took over from other nodes since it started.
    keys_taken: u64,
}

/// More than these nobody reads in one answer; the metrics count all.
const IN_ERROR_MAX: usize = 100;

fn roots_in_error(engine: &Engine) -> Vec<RootInError> {
    let (generation, now) = (engine.store().generation(), engine.store().now());
    let state = &generation.state;
    let in_error = |which: WhichRoot| {
        let l1 = state.l1(which).filter(|l1| l1.state != L1State::Enabled)?;
        let root = which.and_then(|(tenant, root)| state.root(tenant, root));
        let tenant = root.and_then(|root| state.tenant(root.tenant));
        let grace_ms = tenant.map_or(L1_GRACE_MS_DEFAULT, |tenant| tenant.l1_grace_ms);
        let until = match l1.gate(grace_ms, now) {
            Gate::Grace { until } => Some(until),
            Gate::Open | Gate::Closed { .. } => None,
        };
        Some(RootInError {
            tenant: tenant.map(|tenant| tenant.name.to_string()),
            root: root.map_or("platform".to_owned(), |root| root.name.to_string()),
            key_state: l1.state.as_str(),
            detail: l1.detail.clone(),
            since: l1.since.as_secs(),
            serves_until: until.map(ClusterTime::as_secs),
            serves_for_s: until.map(|until| until.0.saturating_sub(now.0) / 1_000),
        })
    };
    let mut roots: Vec<RootInError> = state.roots_in_use().filter_map(in_error).collect();
    roots.sort_by_key(|root| root.serves_until);
    roots.truncate(IN_ERROR_MAX);
    roots
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
            keys_given: status.handed_over.given,
            keys_taken: status.handed_over.taken,
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
        roots_in_error: roots_in_error(&engine),
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
