//! Whether a voter may go: what the cluster survives before, and what it would survive after.

use model::id::NodeId;

use super::{ClusterStatus, MemberStatus};

/// Entries a learner may lack and still count as standing ready.
const READY_WITHIN: u64 = 256;

/// Why a node should not leave, or cease to vote, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// It is no member.
    #[error("node {node} is not a member")]
    NotAMember {
        /// Which.
        node: NodeId,
    },
    /// Nobody else votes.
    #[error("node {node} is the last voter; join another first")]
    LastVoter {
        /// Which.
        node: NodeId,
    },
    /// The others are no quorum.
    #[error("only {answering} of the {voters} other voters answer, which is no quorum; repair one first")]
    NoQuorum {
        /// The others that answer.
        answering: usize,
        /// The others.
        voters: usize,
    },
    /// The cluster would survive fewer failures.
    #[error("the cluster survives {} now and {} afterwards", voters(*before), number(*after))]
    LowersTolerance {
        /// Now.
        before: usize,
        /// Then.
        after: usize,
    },
}

fn voters(failed: usize) -> String {
    format!("{} failed voter{}", number(failed), if failed == 1 { "" } else { "s" })
}

fn number(count: usize) -> String {
    if count == 0 { "none".to_owned() } else { count.to_string() }
}

impl ClusterStatus {
    /// How many more voters may fail while a quorum remains; `None` without a quorum.
    #[must_use]
    pub fn tolerance(&self) -> Option<usize> {
        let voters = self.nodes.iter().filter(|member| member.voter);
        let answering = voters.clone().filter(|member| member.reachable).count();
        survives(answering, voters.count())
    }

    /// Whether a member may leave, or cease to vote; a voter only where that costs nothing, or only what is
    /// accepted.
    ///
    /// # Errors
    /// [`Unsafe`] says what it would cost.
    pub fn may_go(&self, node: NodeId, accept_lower_tolerance: bool) -> Result<(), Unsafe> {
        let member = self.nodes.iter().find(|member| member.status.node == node);
        if !member.ok_or(Unsafe::NotAMember { node })?.voter {
            return Ok(());
        }
        let others = self.nodes.iter().filter(|member| member.status.node != node);
        let voters = others.clone().filter(|member| member.voter).count();
        let answering = others.clone().filter(|member| member.voter && member.reachable).count();
        let spare = usize::from(others.clone().any(|member| self.stands_ready(member)));
        if voters + spare == 0 {
            return Err(Unsafe::LastVoter { node });
        }
        let before = self.tolerance().unwrap_or(0);
        let after = survives(answering + spare, voters + spare);
        match after.ok_or(Unsafe::NoQuorum { answering, voters })? {
            after if after < before && !accept_lower_tolerance => {
                Err(Unsafe::LowersTolerance { before, after })
            }
            _ => Ok(()),
        }
    }

    /// Whether a member is a learner that would take a voter's place at once.
    #[must_use]
    pub fn stands_ready(&self, member: &MemberStatus) -> bool {
        let newest = self.nodes.iter().map(|member| member.status.applied.0).max().unwrap_or(0);
        let caught_up = member.status.applied.0 + READY_WITHIN >= newest;
        !member.voter && member.may_vote && !member.leaving && member.reachable && caught_up
    }
}

/// How many of the answering may fail; `None` if they are no quorum.
fn survives(answering: usize, voters: usize) -> Option<usize> {
    answering.checked_sub(voters / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::status::tests::{member, status};

    #[test]
    fn a_voter_goes_only_where_that_costs_nothing_or_what_is_accepted() {
        let check = |nodes: &[(u64, bool, bool)], node, accepted, expected: Result<(), Unsafe>| {
            let members = nodes.iter().map(|(node, voter, reachable)| member(*node, *voter, *reachable));
            let status = status(members.collect());
            assert_eq!(status.may_go(NodeId(node), accepted), expected, "{nodes:?} without {node}");
        };
        let lower = Err(Unsafe::LowersTolerance { before: 1, after: 0 });
        let three = [(1, true, true), (2, true, true), (3, true, true)];
        let said = "the cluster survives 1 failed voter now and none afterwards";
        assert_eq!(lower.map_err(|error| error.to_string()), Err(said.to_owned()));
        check(&three, 3, false, lower);
        check(&three, 3, true, Ok(()));
        check(&three, 9, true, Err(Unsafe::NotAMember { node: NodeId(9) }));
        let spare = [three[0], three[1], three[2], (4, false, true)];
        check(&spare, 3, false, Ok(()));
        check(&spare, 4, false, Ok(()));
        let dead = [three[0], three[1], (3, true, false)];
        check(&dead, 3, false, Ok(()));
        let no_quorum = Err(Unsafe::NoQuorum { answering: 1, voters: 2 });
        check(&dead, 2, true, no_quorum);
        check(&three[..1], 1, true, Err(Unsafe::LastVoter { node: NodeId(1) }));
    }

    #[test]
    fn tolerance_counts_answering_voters_above_a_quorum() {
        let check = |nodes: &[(u64, bool, bool)], expected| {
            let members = nodes.iter().map(|(node, voter, reachable)| member(*node, *voter, *reachable));
            assert_eq!(status(members.collect()).tolerance(), expected, "{nodes:?}");
        };
        check(&[(1, true, true)], Some(0));
        check(&[(1, true, true), (2, true, true), (3, true, true)], Some(1));
        check(&[(1, true, true), (2, true, true), (3, true, false)], Some(0));
        check(&[(1, true, true), (2, true, false), (3, true, false)], None);
        check(&[(1, true, true), (2, false, true), (3, false, true)], Some(0));
    }
}
