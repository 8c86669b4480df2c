//! What the leader changes next in the membership: a function of what is wished and what is seen.
//!
//! Voters grow from one odd number to the next, because an even number survives no more failures and needs
//! one more answer. Whoever leaves is replaced in the same joint change wherever somebody stands ready: the
//! cluster never passes through a weaker membership on its way. Nothing is planned from memory, so that any
//! leader takes up what another left.

use std::collections::BTreeSet;

use model::id::NodeId;

type Nodes = BTreeSet<NodeId>;

/// What is wished, and what the leader sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The leader itself.
    pub me: NodeId,
    /// Every member.
    pub members: Nodes,
    /// Voters; of a joint membership, those it is changing to.
    pub voters: Nodes,
    /// Voters of a joint membership that it is changing from; else the same.
    pub old_voters: Nodes,
    /// How many voters the cluster wants.
    pub wanted: usize,
    /// Who is leaving.
    pub leaving: Nodes,
    /// Who may vote.
    pub may_vote: Nodes,
    /// Who answered lately, the leader included.
    pub alive: Nodes,
    /// Learners that have caught up, and have been healthy for as long as is asked.
    pub ready: Nodes,
    /// Voters that were silent for so long that they are replaced where somebody stands ready.
    pub given_up: Nodes,
}

/// The next change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The leader itself is to vote no longer: another must lead first.
    StepDown,
    /// These vote, by one joint change; the others stay as learners.
    Voters(Nodes),
    /// These are members no longer.
    Remove(Nodes),
}

/// The next change, if one is due and safe.
pub(crate) fn next(seen: &Seen) -> Option<Change> {
    if let Some(target) = voters(seen) {
        let handing_over = !target.contains(&seen.me) && seen.old_voters.contains(&seen.me);
        return Some(if handing_over { Change::StepDown } else { Change::Voters(target) });
    }
    let gone: Nodes = seen
        .leaving
        .iter()
        .filter(|node| seen.members.contains(node))
        .filter(|node| !seen.voters.contains(node) && !seen.old_voters.contains(node))
        .copied()
        .collect();
    (!gone.is_empty()).then_some(Change::Remove(gone))
}

/// Who should vote, if that is not who votes now.
fn voters(seen: &Seen) -> Option<Nodes> {
    let may = |node: &&NodeId| seen.may_vote.contains(node) && !seen.leaving.contains(node);
    let (stay, leave): (Nodes, Nodes) = seen.voters.iter().copied().partition(|node| may(&node));
    let mut ready = seen.ready.iter().filter(may).filter(|node| !seen.voters.contains(node)).copied();
    let awaited = seen.members.iter().filter(may).filter(|node| {
        seen.alive.contains(node) && !seen.voters.contains(node) && !seen.ready.contains(node)
    });

    let mut target = stay.clone();
    for dead in stay.intersection(&seen.given_up) {
        let Some(replacement) = ready.next() else { break };
        target.remove(dead);
        target.insert(replacement);
    }
    let room = seen.wanted.saturating_sub(target.len());
    let mut more: Vec<NodeId> = ready.take(room).collect();
    if leave.is_empty() && (target.len() + more.len()).is_multiple_of(2) {
        more.pop(); // an even number is no gain
    }
    let short = target.len() + more.len() < seen.voters.len();
    if short && awaited.count() > 0 {
        return None; // who leaves has a replacement that is catching up
    }
    target.extend(more);
    let joint = seen.old_voters != seen.voters;
    let changed = target != seen.voters || joint;
    (changed && has_quorum(&target, &seen.alive)).then_some(target)
}

fn has_quorum(voters: &Nodes, alive: &Nodes) -> bool {
    !voters.is_empty() && voters.intersection(alive).count() > voters.len() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ids: &[u64]) -> Nodes {
        ids.iter().copied().map(NodeId).collect()
    }

    /// Everybody may vote, and everybody lives; node 1 leads.
    fn seen(voters: &[u64], learners: &[u64]) -> Seen {
        let members = nodes(&[voters, learners].concat());
        Seen {
            me: NodeId(1),
            voters: nodes(voters),
            old_voters: nodes(voters),
            wanted: 3,
            may_vote: members.clone(),
            alive: members.clone(),
            ready: nodes(learners),
            members,
            ..Seen::default()
        }
    }

    fn check(seen: Seen, expected: Option<Change>) {
        assert_eq!(next(&seen), expected, "{seen:?}");
    }

    fn vote(ids: &[u64]) -> Option<Change> {
        Some(Change::Voters(nodes(ids)))
    }

    #[test]
    fn voters_grow_from_one_odd_number_to_the_next() {
        check(seen(&[1], &[]), None);
        check(seen(&[1], &[4]), None);
        check(seen(&[1], &[4, 6]), vote(&[1, 4, 6]));
        check(seen(&[1], &[4, 6, 8]), vote(&[1, 4, 6]));
        check(Seen { wanted: 5, ..seen(&[1], &[4, 6, 8, 9]) }, vote(&[1, 4, 6, 8, 9]));
        check(Seen { wanted: 5, ..seen(&[1, 2, 3], &[8]) }, None);
        check(seen(&[1, 2, 3], &[8, 9]), None);
        check(seen(&[1, 2], &[8]), vote(&[1, 2, 8]));
        check(Seen { may_vote: nodes(&[1]), ..seen(&[1], &[4, 6]) }, None);
    }

    #[test]
    fn who_leaves_is_replaced_in_the_same_change() {
        let leaving = |ids: &[u64], seen| Seen { leaving: nodes(ids), ..seen };
        check(leaving(&[3], seen(&[1, 2, 3], &[8])), vote(&[1, 2, 8]));
        check(leaving(&[3], seen(&[1, 2, 3], &[])), vote(&[1, 2]));
        check(leaving(&[3], seen(&[1, 2], &[3])), Some(Change::Remove(nodes(&[3]))));
        check(leaving(&[2, 3], seen(&[1, 2, 3], &[8, 9])), vote(&[1, 8, 9]));
        check(leaving(&[8], seen(&[1, 2, 3], &[8])), Some(Change::Remove(nodes(&[8]))));
        let catching_up = Seen { ready: nodes(&[]), ..seen(&[1, 2, 3], &[8]) };
        check(leaving(&[3], catching_up.clone()), None);
        check(leaving(&[3], Seen { alive: nodes(&[1, 2, 3]), ..catching_up }), vote(&[1, 2]));
    }

    #[test]
    fn who_may_not_vote_becomes_a_learner() {
        let demoted = |seen: Seen| Seen { may_vote: nodes(&[1, 2, 8]), ..seen };
        check(demoted(seen(&[1, 2, 3], &[8])), vote(&[1, 2, 8]));
        check(demoted(seen(&[1, 2, 3], &[])), vote(&[1, 2]));
        check(demoted(seen(&[1, 2, 8], &[3])), None);
    }

    #[test]
    fn a_leader_that_leaves_hands_over_first() {
        check(Seen { leaving: nodes(&[1]), ..seen(&[1, 2, 3], &[8]) }, Some(Change::StepDown));
        check(Seen { leaving: nodes(&[1]), ..seen(&[1], &[]) }, None);
    }

    #[test]
    fn nothing_is_changed_that_would_lose_the_quorum() {
        let two_of_three_dead = Seen { alive: nodes(&[1]), leaving: nodes(&[3]), ..seen(&[1, 2, 3], &[]) };
        check(two_of_three_dead, None);
        let dead = Seen { alive: nodes(&[1, 2]), leaving: nodes(&[3]), ..seen(&[1, 2, 3], &[]) };
        check(dead, vote(&[1, 2]));
    }

    #[test]
    fn a_voter_that_stays_silent_is_replaced_only_by_somebody_ready() {
        let dead = |seen: Seen| Seen { alive: nodes(&[1, 2, 8]), given_up: nodes(&[3]), ..seen };
        check(dead(seen(&[1, 2, 3], &[8])), vote(&[1, 2, 8]));
        check(dead(seen(&[1, 2, 3], &[])), None);
        check(Seen { ready: nodes(&[]), ..dead(seen(&[1, 2, 3], &[8])) }, None);
    }

    #[test]
    fn a_joint_membership_that_another_leader_left_is_completed() {
        let half =
            Seen { old_voters: nodes(&[1, 2, 3]), voters: nodes(&[1, 2, 8]), ..seen(&[1, 2, 8], &[3]) };
        check(Seen { leaving: nodes(&[3]), ..half }, vote(&[1, 2, 8]));
    }
}
