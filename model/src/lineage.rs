//! A new lineage: what changes in a state that goes on without the nodes it came from.
//!
//! After a restore or a recovery nobody can know what the old nodes did after the last entry that is known
//! here. So everything they may have handed out lies below new floors: node ids, boot ids, L2 versions, log
//! indices (CONSISTENCY 10 and 12). It is no command: it happens once, offline, before the first node of the
//! lineage starts, and others get it with their first snapshot.
//!
//! Handles that were retired stay retired, and what was withdrawn stays withdrawn.

use std::sync::Arc;

use crate::departure::Departure;
use crate::id::{BootId, L2Version, LogIndex, NodeId};
use crate::row::Joined;
use crate::state::{Changes, State};
use crate::tenant::TenantState;

/// How far log indices, and with them node ids, and boot ids are raised: far more than a lineage hands out
/// after the last entry its heirs know of.
pub const FLOOR: u64 = 1 << 32;
/// How far the next L2 version of each tenant is raised.
pub const L2_VERSIONS: u16 = 256;

/// The node that made the first lineage has no join entry.
const FIRST_NODE: NodeId = NodeId(1);

/// What a new lineage begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLineage {
    /// Random: as a node's attempt to join.
    pub attempt: [u8; 16],
    /// Name of its first node.
    pub name: String,
    /// Whether tenants that were served stay quarantined: no evidence says that the old nodes are gone.
    pub quarantine: bool,
}

impl State {
    /// Begins a new lineage after the entry `last`. Returns its first node's id, which is also the log index
    /// at which it begins; `None` if a tenant or the log has no room left for higher numbers.
    #[must_use]
    pub fn begin_lineage(&mut self, last: LogIndex, new: NewLineage) -> Option<NodeId> {
        let NewLineage { attempt, name, quarantine } = new;
        let index = LogIndex(last.0.checked_add(FLOOR)?);
        self.cluster.last_boot = BootId(self.cluster.last_boot.0.checked_add(FLOOR)?);
        for tenant in self.tenants.values().cloned().collect::<Vec<_>>() {
            let mut tenant = Arc::unwrap_or_clone(tenant);
            let next = tenant.next_version()?;
            tenant.l2_floor = L2Version(next.0.checked_add(L2_VERSIONS)?);
            tenant.revision = index;
            if quarantine && tenant.state == TenantState::Active {
                tenant.state = TenantState::Quarantined;
                tenant.withdrawn_at = index;
            }
            self.put_tenant(tenant, &mut Changes::default());
        }
        self.retire_all();
        let node = NodeId(index.0);
        let joined = Joined { node, attempt, name, voter: true, joined: self.cluster.time };
        self.put_joined(joined, &mut Changes::default());
        Some(node)
    }
}

impl State {
    /// Nobody waits for a node of the lineage before, and none of them comes back.
    fn retire_all(&mut self) {
        let departure = Departure::Retired { at: self.cluster.time };
        let old: Vec<NodeId> = self.joined.keys().copied().chain([FIRST_NODE]).collect();
        for node in old {
            self.put_departure(node, departure, &mut Changes::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::command::{Action, Answer, Command, Stamp};
    use crate::commands::{
        AddL2Version, CreateTenant, IssueBootId, ResumeTenant, RetireNode, SuspendTenant, TerminateTenant,
    };
    use crate::id::{CommandId, TenantHandle, TenantName};
    use crate::time::ClusterTime;

    fn apply(state: &mut State, index: u64, action: impl Into<Action>) -> Answer {
        let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
        state.apply(LogIndex(index), &Command { stamp, idempotency: None, action: action.into() }).answer
    }

    fn create(handle: u8) -> CreateTenant {
        CreateTenant {
            handle: TenantHandle([handle; 4]),
            name: TenantName::parse(&format!("tenant-{handle}")).expect("a name"),
            region: "eu".to_owned(),
            labels: BTreeMap::new(),
            lease_ms: 3_000,
            auto_register: true,
            l2_commitment: [0; 32],
            wraps: Vec::new(),
        }
    }

    fn state() -> State {
        let mut state = State::new("eu");
        for handle in 1..=3 {
            assert!(matches!(apply(&mut state, handle.into(), create(handle)), Answer::Tenant(_)));
        }
        apply(&mut state, 4, SuspendTenant { tenant: TenantHandle([2; 4]) });
        apply(&mut state, 5, TerminateTenant { tenant: TenantHandle([3; 4]) });
        apply(&mut state, 6, IssueBootId { node: NodeId(1), inbox: None });
        apply(&mut state, 6, RetireNode { node: NodeId(1) });
        state
    }

    fn new(quarantine: bool) -> NewLineage {
        NewLineage { attempt: [9; 16], name: "node-a".to_owned(), quarantine }
    }

    #[test]
    fn nothing_the_old_nodes_handed_out_is_handed_out_again() {
        let mut state = state();
        let node = state.begin_lineage(LogIndex(6), new(false)).expect("room");
        assert_eq!(node, NodeId(6 + FLOOR));
        assert!(state.joined(node).expect("let in").voter);
        assert_eq!(state.retiring().count(), 0, "nobody waits for the old nodes");
        assert!(state.departure(NodeId(1)).is_some() && state.departure(node).is_none());
        let Answer::BootId(boot) = apply(&mut state, node.0 + 1, IssueBootId { node, inbox: None }) else {
            panic!()
        };
        assert!(boot.0 > FLOOR);
        let tenant = TenantHandle([1; 4]);
        let add = |version| AddL2Version {
            tenant,
            version: L2Version(version),
            commitment: [1; 32],
            wraps: Vec::new(),
        };
        assert!(matches!(apply(&mut state, node.0 + 2, add(2)), Answer::Refused(_)));
        assert_eq!(apply(&mut state, node.0 + 3, add(258)), Answer::L2Version(L2Version(258)));
        assert_eq!(apply(&mut state, node.0 + 4, add(259)), Answer::L2Version(L2Version(259)));
        assert_eq!(State::from_rows(state.rows()), Ok(state));
    }

    #[test]
    fn a_quarantine_closes_what_was_open_and_only_that() {
        let mut state = state();
        let node = state.begin_lineage(LogIndex(6), new(true)).expect("room");
        let of = |state: &State, handle| state.tenant(TenantHandle([handle; 4])).expect("there").state;
        assert_eq!(of(&state, 1), TenantState::Quarantined);
        assert_eq!(of(&state, 2), TenantState::Suspended);
        assert_eq!(of(&state, 3), TenantState::Terminated);
        let tenant = TenantHandle([1; 4]);
        assert!(matches!(
            apply(
                &mut state,
                node.0 + 1,
                AddL2Version { tenant, version: L2Version(258), commitment: [1; 32], wraps: Vec::new() }
            ),
            Answer::Refused(_)
        ));
        assert_eq!(apply(&mut state, node.0 + 2, ResumeTenant { tenant }), Answer::Done);
        assert_eq!(of(&state, 1), TenantState::Active);
    }
}
