//! What a node says of itself, and of all.

use std::time::Duration;

use futures::future::join_all;
use model::id::{ClusterId, LogIndex, NodeId, Realm};

use super::Addresses;
use super::inner::Inner;
use crate::lease::class::LengthsInUse;
use crate::peer::client::Lane;
pub use crate::raft::consensus::Role;
use crate::raft::network::target;
use crate::wire::method::GetStatus;
use crate::wire::{self, AskStatus};

/// A node that does not answer this fast is shown as not reachable.
const STATUS_MAX: Duration = Duration::from_millis(500);

/// One node, as it sees itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its member id.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it is at present.
    pub role: Role,
    /// The term it is in.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// What it serves from.
    pub applied: LogIndex,
    /// Committed entries it does not serve from yet.
    pub lag: u64,
    /// What is left of its lease for the tenant with the shortest.
    pub lease_remaining: Duration,
    /// Whether it notices that a hypervisor stopped it; else the promise about withdrawals is conditional.
    pub notices_pauses: bool,
    /// Whether it may answer: it holds a lease.
    pub ready: bool,
    /// Where it is reached.
    pub addresses: Addresses,
    /// Version of its binary.
    pub version: String,
    /// The highest replicated format version its binary knows; 0 if unknown.
    pub format: u32,
    /// When the first of its certificates expires, in seconds since the Unix epoch.
    pub certificates_expire: Option<u64>,
    /// Keys it gave and took over since it started.
    pub handed_over: HandedOver,
}

/// Keys handed from node to node since a process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandedOver {
    /// To other nodes.
    pub given: u64,
    /// From other nodes.
    pub taken: u64,
}

/// A member and whether it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Counted from 0 in the order of node ids.
    pub index: usize,
    /// Whether it answered just now; else `status` holds what the membership says.
    pub reachable: bool,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it may, by its own wish or an operator's.
    pub may_vote: bool,
    /// Whether it is being removed.
    pub leaving: bool,
    /// Its own words.
    pub status: NodeStatus,
}

/// The cluster, as gathered from its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Bound into every derivation.
    pub realm: Realm,
    /// The lineage.
    pub cluster: ClusterId,
    /// The region it serves.
    pub region: String,
    /// The highest term anybody knows.
    pub term: u64,
    /// The leader of that term, if known.
    pub leader: Option<NodeId>,
    /// The replicated format version in force.
    pub format: u32,
    /// Nodes that are members no longer, or not much longer, and whose leases may still run.
    pub retiring: Vec<NodeId>,
    /// All members by node id.
    pub nodes: Vec<MemberStatus>,
}

impl Inner {
    /// See [`Store::status`](super::Store::status).
    pub fn status(&self) -> NodeStatus {
        let view = self.raft.view();
        let generation = self.serving.load();
        let LengthsInUse { shortest, .. } = super::barriers::lengths(&generation.state);
        let lease_remaining = self.lease().remaining(shortest, self.lease_now());
        let stopped = self.condemned.get().is_some();
        NodeStatus {
            node: self.me(),
            name: self.identity.name.clone(),
            role: if stopped { Role::Stopped } else { view.role },
            term: view.term,
            leader: view.leader,
            applied: generation.index,
            lag: view.committed.saturating_sub(generation.index.0),
            lease_remaining,
            notices_pauses: self.around.clock.notices_pauses(),
            ready: !stopped && !lease_remaining.is_zero(),
            addresses: self.settings.addresses.clone(),
            version: self.settings.version.clone(),
            format: self.settings.format,
            certificates_expire: (self.settings.certificates_expire)(),
            handed_over: (self.settings.handed_over)(),
        }
    }

    /// See [`Store::cluster_status`](super::Store::cluster_status).
    pub async fn cluster_status(&self) -> ClusterStatus {
        let view = self.raft.view();
        let voters = view.voters();
        let state = self.serving.load().state.clone();
        let members = view.members.membership().nodes();
        let asking = members.enumerate().map(|(index, (id, member))| {
            let (node, voter) = (NodeId(*id), voters.contains(&NodeId(*id)));
            let (may_vote, leaving) = (state.may_vote(node), state.departure(node).is_some());
            async move {
                if node == self.me() {
                    let status = self.status();
                    return MemberStatus { index, reachable: true, voter, may_vote, leaving, status };
                }
                let to = target(node, member);
                let asked = self.peers.call::<GetStatus>(&to, Lane::Requests, AskStatus {}, STATUS_MAX).await;
                let own_words = asked.ok().map(NodeStatus::from);
                let reachable = own_words.is_some();
                let status = own_words.unwrap_or_else(|| silent(node, member));
                MemberStatus { index, reachable, voter, may_vote, leaving, status }
            }
        });
        let nodes = join_all(asking).await;
        let newest = nodes.iter().filter(|node| node.reachable).max_by_key(|node| node.status.term);
        ClusterStatus {
            realm: self.identity.realm,
            cluster: self.identity.cluster,
            region: state.cluster().region.clone(),
            format: state.cluster().format,
            retiring: state.retiring().collect(),
            term: newest.map_or(view.term, |node| node.status.term),
            leader: newest.map_or(view.leader, |node| node.status.leader),
            nodes,
        }
    }
}

/// What the membership says of a node that does not answer.
fn silent(node: NodeId, member: &crate::types::Member) -> NodeStatus {
    NodeStatus {
        node,
        name: member.name.clone(),
        role: Role::Stopped,
        term: 0,
        leader: None,
        applied: LogIndex(0),
        lag: 0,
        lease_remaining: Duration::ZERO,
        notices_pauses: false,
        ready: false,
        addresses: Addresses {
            peer: member.raft.clone(),
            kmip: member.kmip.clone(),
            admin: member.admin.clone(),
        },
        version: String::new(),
        format: 0,
        certificates_expire: None,
        handed_over: HandedOver::default(),
    }
}

const ROLES: [Role; 5] = [Role::Learner, Role::Follower, Role::Candidate, Role::Leader, Role::Stopped];

impl From<NodeStatus> for wire::Status {
    fn from(status: NodeStatus) -> Self {
        let role = ROLES.iter().position(|role| *role == status.role);
        Self {
            node: status.node.0,
            name: status.name,
            role: role.and_then(|at| u32::try_from(at).ok()).unwrap_or_default(),
            term: status.term,
            leader: status.leader.map_or(0, |leader| leader.0),
            applied: status.applied.0,
            lag: status.lag,
            lease_remaining_ms: u64::try_from(status.lease_remaining.as_millis()).unwrap_or(u64::MAX),
            ready: status.ready,
            notices_pauses: status.notices_pauses,
            peer_address: status.addresses.peer,
            kmip_address: status.addresses.kmip,
            admin_address: status.addresses.admin,
            version: status.version,
            format: status.format,
            certificates_expire_s: status.certificates_expire.unwrap_or(0),
            keys_given: status.handed_over.given,
            keys_taken: status.handed_over.taken,
        }
    }
}

impl From<wire::Status> for NodeStatus {
    fn from(status: wire::Status) -> Self {
        let role = usize::try_from(status.role).ok().and_then(|at| ROLES.get(at));
        Self {
            node: NodeId(status.node),
            name: status.name,
            role: role.copied().unwrap_or(Role::Stopped),
            term: status.term,
            leader: Some(NodeId(status.leader)).filter(|leader| leader.0 != 0),
            applied: LogIndex(status.applied),
            lag: status.lag,
            lease_remaining: Duration::from_millis(status.lease_remaining_ms),
            notices_pauses: status.notices_pauses,
            ready: status.ready,
            addresses: Addresses {
                peer: status.peer_address,
                kmip: status.kmip_address,
                admin: status.admin_address,
            },
            version: status.version,
            format: status.format,
            certificates_expire: Some(status.certificates_expire_s).filter(|at| *at != 0),
            handed_over: HandedOver { given: status.keys_given, taken: status.keys_taken },
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::types::Member;

    /// A member that may vote and has everything.
    pub fn member(node: u64, voter: bool, reachable: bool) -> MemberStatus {
        let status = silent(NodeId(node), &Member::default());
        MemberStatus { index: 0, reachable, voter, may_vote: true, leaving: false, status }
    }

    /// A cluster of these members.
    pub fn status(nodes: Vec<MemberStatus>) -> ClusterStatus {
        ClusterStatus {
            realm: Realm([0; 16]),
            cluster: ClusterId([0; 16]),
            region: String::new(),
            term: 1,
            leader: None,
            format: 1,
            retiring: Vec::new(),
            nodes,
        }
    }
}
