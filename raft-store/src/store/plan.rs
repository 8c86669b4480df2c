//! What the leader changes next in the membership: a function of what is wished and what is seen.
//!
//! Voters grow from one odd number to the next, because an even number survives no more failures and needs
//! one more answer. Whoever leaves is replaced in the same joint change wherever somebody stands ready: the
//! cluster does not pass through a weaker membership on its way. There is one exception: a leader that leaves,
//! where nobody who is to vote after it votes yet, has them vote beside it until one of them leads. Of one
//! voter and one spare that makes two which must both live. Nothing is planned from memory, so that any leader
//! takes up what another left.

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
    /// The leader itself is to vote no longer: one of these, who go on voting, must lead first.
    StepDown(Nodes),
    /// These vote, by one joint change; the others stay as learners.
    Voters(Nodes),
    /// These are members no longer.
    Remove(Nodes),
}

/// The next change, if one is due and safe.
pub(crate) fn next(seen: &Seen) -> Option<Change> {
    if let Some(target) = voters(seen) {
        let handing_over = !target.contains(&seen.me) && seen.old_voters.contains(&seen.me);
        if !handing_over {
            return Some(Change::Voters(target));
        }
        let successors: Nodes = target.intersection(&seen.voters).copied().collect();
        return Some(if successors.is_disjoint(&seen.alive) {
            // Nobody of those who are to vote votes yet, or lives: they do beside the leader first.
            Change::Voters(target.into_iter().chain([seen.me]).collect())
        } else {
            Change::StepDown(successors)
        });
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

    fn step_down(to: &[u64]) -> Option<Change> {
        Some(Change::StepDown(nodes(to)))
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
        check(Seen { leaving: nodes(&[1]), ..seen(&[1, 2, 3], &[8]) }, step_down(&[2, 3]));
        check(Seen { leaving: nodes(&[1]), ..seen(&[1], &[]) }, None);
        check(Seen { leaving: nodes(&[1]), ..seen(&[1], &[8]) }, vote(&[1, 8]));
        check(Seen { leaving: nodes(&[1]), ..seen(&[1, 8], &[]) }, step_down(&[8]));
        // Not to one that is to vote no longer either: the two would hand over to each other for ever.
        check(Seen { may_vote: nodes(&[3, 8]), ..seen(&[1, 2, 3], &[8]) }, step_down(&[3]));
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

    impl Seen {
        /// Something happens to a node that a leader sees.
        fn happens(&mut self, what: u8, node: NodeId) {
            let known = self.members.contains(&node);
            match what {
                0 if !known && !self.leaving.contains(&node) => {
                    self.members.insert(node);
                    self.may_vote.insert(node);
                    self.alive.insert(node);
                }
                1 if known && self.alive.contains(&node) && !self.voters.contains(&node) => {
                    self.ready.insert(node);
                }
                2 if known => drop(self.leaving.insert(node)),
                3 if known => drop(self.may_vote.remove(&node)),
                4 if known => drop(self.may_vote.insert(node)),
                5 if known && node != self.me => {
                    self.alive.remove(&node);
                    self.ready.remove(&node);
                }
                6 if known && !self.alive.contains(&node) => drop(self.given_up.insert(node)),
                7 if known => {
                    self.alive.insert(node);
                    self.given_up.remove(&node);
                }
                _ => {}
            }
        }

        /// A change is carried out; false where nobody can take over.
        fn changed(&mut self, change: Change) -> bool {
            match change {
                Change::StepDown(successors) => {
                    let Some(successor) = successors.intersection(&self.alive).next().copied() else {
                        return false;
                    };
                    assert!(self.voters.contains(&successor), "{successor} of {self:?}");
                    self.me = successor;
                }
                Change::Voters(target) => {
                    assert!(has_quorum(&target, &self.alive), "{target:?} of {self:?}");
                    assert!(target.is_subset(&self.members), "{target:?} of {self:?}");
                    self.ready.retain(|node| !target.contains(node));
                    (self.voters, self.old_voters) = (target.clone(), target);
                }
                Change::Remove(gone) => {
                    assert!(gone.is_subset(&self.leaving) && gone.is_disjoint(&self.voters), "{gone:?}");
                    for set in [&mut self.members, &mut self.may_vote, &mut self.alive, &mut self.ready] {
                        set.retain(|node| !gone.contains(node));
                    }
                    self.given_up.retain(|node| !gone.contains(node));
                }
            }
            true
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..proptest::prelude::ProptestConfig::with_cases(2_000)
        })]
        #[test]
        fn whatever_happens_the_changes_end_and_never_weaken_the_quorum(
            events in proptest::collection::vec((0_u8..8, 1_u64..8), 1..60),
        ) {
            const CHANGES_MAX: usize = 16;
            let mut world = seen(&[1], &[]);
            for (what, node) in events {
                world.happens(what, NodeId(node));
                let mut changes = 0;
                while let Some(change) = next(&world) {
                    changes += 1;
                    assert!(changes < CHANGES_MAX, "no end: {change:?} in {world:?}");
                    if !world.changed(change) {
                        break;
                    }
                }
                assert!(world.voters.contains(&world.me), "{world:?}");
            }
        }
    }
}
