//! The rules of CONSISTENCY 3, each as one small story about a leader (node 1) and its barrier.

use std::collections::BTreeSet;
use std::time::Duration;

use model::id::{BootId, LogIndex, NodeId};

use super::answers::{CannotWait, Outcome, Refused};
use super::barrier::{Barrier, Ticket, WAITERS_MAX};
use super::class::{LeaseLength, LengthsInUse};
use super::clock::BootTime;
use super::holder::{RenewalRequest, Surrender};

const L: LeaseLength = LeaseLength::DEFAULT;
const NOOP: u64 = 100;

fn at(millis: u64) -> BootTime {
    BootTime::from_nanos(millis * 1_000_000)
}

fn set(nodes: &[u64]) -> BTreeSet<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

/// W of the default length, in milliseconds, rounded up.
fn w() -> u64 {
    L.wait().as_millis() as u64 + 1
}

/// Nodes 1, 2, 3; node 1 was elected in term 5 and applied its no-op at `millis`.
fn leader_since(millis: u64) -> Barrier {
    let mut barrier = Barrier::new(set(&[1, 2, 3]), set(&[]), LengthsInUse::default());
    barrier.elected(5);
    barrier.noop_applied(LogIndex(NOOP), at(millis));
    barrier
}

fn ask(barrier: &mut Barrier, node: u64, boot: u64, millis: u64) -> Result<Ticket, Refused> {
    let request = RenewalRequest { node: NodeId(node), boot: BootId(boot), nonce: 1, published: LogIndex(0) };
    barrier.request(&request, at(millis))
}

fn grant(barrier: &mut Barrier, node: u64, boot: u64, millis: u64) {
    let ticket = ask(barrier, node, boot, millis).expect("a member");
    barrier.grant(ticket, LogIndex(NOOP), at(millis)).expect("a read index of this term");
}

fn report(barrier: &mut Barrier, node: u64, published: u64) {
    barrier.report(NodeId(node), BootId(node), LogIndex(published));
}

/// Begins to wait, for ever.
fn wait(barrier: &mut Barrier, index: u64, millis: u64) {
    barrier.wait(LogIndex(index), L, at(u64::MAX / 1_000_000), at(millis)).expect("a leader");
}

#[track_caller]
fn check(barrier: &mut Barrier, millis: u64, expected: &[Outcome]) {
    let outcomes: Vec<_> = barrier.completed(at(millis)).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, expected, "at {millis} ms");
}

#[test]
fn every_node_that_published_it_is_enough() {
    let mut barrier = leader_since(1_000);
    barrier.applied(LogIndex(101), at(1_100));
    wait(&mut barrier, 101, 1_100);
    for node in [1, 2, 3] {
        check(&mut barrier, 1_110, &[]);
        report(&mut barrier, node, 101);
        report(&mut barrier, node, 100); // overtaken on the way, it takes nothing back
    }
    check(&mut barrier, 1_110, &[Outcome::Effective]);
    assert_eq!(barrier.pending(), 0);
}

#[test]
fn a_report_of_less_is_not_enough() {
    let mut barrier = leader_since(1_000);
    barrier.applied(LogIndex(102), at(1_100));
    wait(&mut barrier, 102, 1_100);
    report(&mut barrier, 1, 102);
    report(&mut barrier, 2, 101);
    report(&mut barrier, 3, 103);
    check(&mut barrier, 1_200, &[]);
    assert_eq!(barrier.blocking(LogIndex(102), L, at(1_200)), set(&[2]));
}

#[test]
fn without_reports_it_waits_from_the_own_apply() {
    let mut barrier = leader_since(1_000);
    barrier.applied(LogIndex(101), at(2_000));
    wait(&mut barrier, 101, 1_500); // registered before the apply was seen: counts from the apply
    grant(&mut barrier, 3, 3, 2_500); // it renews, yet never says that it published anything
    check(&mut barrier, 2_000 + w() - 1, &[]);
    assert!(barrier.next_deadline(at(2_000 + w() - 1)).unwrap() <= at(2_000 + w()));
    check(&mut barrier, 2_000 + w(), &[Outcome::Effective]);
}

#[test]
fn a_withdrawal_older_than_the_term_waits_from_the_no_op() {
    let mut barrier = Barrier::new(set(&[1, 2, 3]), set(&[]), LengthsInUse::default());
    barrier.applied(LogIndex(50), at(100)); // as a follower
    barrier.elected(5);
    barrier.applied(LogIndex(60), at(4_000)); // still entries of earlier terms
    wait(&mut barrier, 50, 5_000);
    check(&mut barrier, 20_000, &[]);
    assert_eq!(barrier.effective_index(L, at(20_000)), LogIndex(0), "no no-op yet");
    barrier.noop_applied(LogIndex(NOOP), at(20_000));
    check(&mut barrier, 20_000 + w() - 1, &[]);
    check(&mut barrier, 20_000 + w(), &[Outcome::Effective]);
}

#[test]
fn hearing_late_of_the_own_election_only_delays() {
    let mut barrier = Barrier::new(set(&[1, 2, 3]), set(&[]), LengthsInUse::default());
    barrier.applied(LogIndex(NOOP + 3), at(1_000));
    barrier.elected(5);
    barrier.noop_applied(LogIndex(NOOP), at(2_000));
    wait(&mut barrier, NOOP + 3, 2_000);
    barrier.elected(5);
    check(&mut barrier, 2_000 + w() - 1, &[]);
    check(&mut barrier, 2_000 + w(), &[Outcome::Effective]);
}

#[test]
fn nothing_is_effective_before_it_is_applied() {
    let mut barrier = leader_since(1_000);
    wait(&mut barrier, 101, 1_000);
    [1, 2, 3].into_iter().for_each(|node| report(&mut barrier, node, 200));
    check(&mut barrier, 1_100, &[]);
    check(&mut barrier, 50_000, &[]);
    barrier.applied(LogIndex(101), at(50_000));
    check(&mut barrier, 50_000, &[Outcome::Effective]);
}

#[test]
fn a_replay_waits_for_the_original_only() {
    let mut barrier = leader_since(1_000);
    barrier.applied(LogIndex(101), at(2_000));
    barrier.applied(LogIndex(500), at(2_000 + w()));
    wait(&mut barrier, 101, 2_000 + w());
    check(&mut barrier, 2_000 + w(), &[Outcome::Effective]);
}

#[test]
fn a_silent_node_is_skipped_only_after_leading_for_w_max() {
    let mut barrier = leader_since(1_000);
    let young = 1_000 + w() - 1;
    barrier.applied(LogIndex(101), at(young));
    wait(&mut barrier, 101, young);
    report(&mut barrier, 1, 101);
    report(&mut barrier, 2, 101);
    check(&mut barrier, young, &[]);
    assert!(barrier.next_deadline(at(young)).unwrap() <= at(young + 1));
    check(&mut barrier, young + 1, &[Outcome::Effective]);
}

#[test]
fn w_max_is_that_of_the_longest_length_in_use() {
    let mut barrier = leader_since(1_000);
    barrier.lengths(LengthsInUse { longest: LeaseLength::RELAXED_MAX, ..Default::default() });
    barrier.applied(LogIndex(101), at(30_000));
    assert_eq!(barrier.blocking(LogIndex(101), L, at(30_000)), set(&[1, 2, 3]));
    assert_eq!(barrier.blocking(LogIndex(101), L, at(1_000 + 62_213)), set(&[]));
}

#[test]
fn a_node_granted_to_lately_is_not_skipped() {
    let mut barrier = leader_since(1_000);
    grant(&mut barrier, 3, 3, 20_000);
    barrier.applied(LogIndex(101), at(22_000));
    wait(&mut barrier, 101, 22_000);
    check(&mut barrier, 20_000 + w() - 1, &[]);
    check(&mut barrier, 20_000 + w(), &[Outcome::Effective]);
}

#[test]
fn a_renewal_counts_from_its_arrival_even_before_its_quorum_round_ends() {
    let mut barrier = leader_since(1_000);
    let under_way = ask(&mut barrier, 3, 3, 20_000).unwrap();
    barrier.applied(LogIndex(101), at(20_010));
    wait(&mut barrier, 101, 20_010);
    check(&mut barrier, 20_020, &[]);
    assert!(barrier.grant(under_way, LogIndex(NOOP), at(20_030)).is_ok(), "its read index is older");
    check(&mut barrier, 20_040, &[]);
    report(&mut barrier, 3, 101);
    check(&mut barrier, 20_050, &[Outcome::Effective]);
}

#[test]
fn each_boot_granted_to_answers_for_itself() {
    let mut barrier = leader_since(1_000);
    grant(&mut barrier, 3, 7, 20_000);
    grant(&mut barrier, 3, 8, 20_100);
    barrier.applied(LogIndex(101), at(20_200));
    wait(&mut barrier, 101, 20_200);
    barrier.report(NodeId(3), BootId(8), LogIndex(101));
    check(&mut barrier, 20_300, &[]);
    barrier.report(NodeId(3), BootId(7), LogIndex(101));
    check(&mut barrier, 20_300, &[Outcome::Effective]);
}

#[test]
fn a_surrendered_boot_is_not_waited_for_and_gets_no_lease() {
    let mut barrier = leader_since(1_000);
    grant(&mut barrier, 3, 7, 20_000);
    let under_way = ask(&mut barrier, 3, 7, 20_100).unwrap();
    barrier.surrendered(Surrender { node: NodeId(3), boot: BootId(7) });
    barrier.applied(LogIndex(101), at(20_200));
    assert_eq!(barrier.blocking(LogIndex(101), L, at(20_200)), set(&[]));
    let refused = Refused::Surrendered { node: NodeId(3), boot: BootId(7) };
    assert_eq!(barrier.grant(under_way, LogIndex(NOOP), at(20_300)).err(), Some(refused));
    assert_eq!(ask(&mut barrier, 3, 7, 20_300).err(), Some(refused));

    grant(&mut barrier, 3, 8, 20_400); // the next boot is another matter
    assert_eq!(barrier.blocking(LogIndex(101), L, at(20_400)), set(&[3]));
}

#[test]
fn a_young_leader_honours_a_surrender_only_of_the_newest_boot() {
    let mut barrier = leader_since(1_000);
    barrier.surrendered(Surrender { node: NodeId(3), boot: BootId(7) });
    assert_eq!(barrier.blocking(LogIndex(NOOP), L, at(1_100)), set(&[1, 2, 3]), "a later boot may exist");
    barrier.booted(NodeId(3), BootId(7));
    assert_eq!(barrier.blocking(LogIndex(NOOP), L, at(1_100)), set(&[1, 2]));
    barrier.booted(NodeId(3), BootId(8));
    assert_eq!(barrier.blocking(LogIndex(NOOP), L, at(1_100)), set(&[1, 2, 3]));
}

#[test]
fn a_node_that_left_is_waited_for_until_its_leases_ran_out() {
    let mut barrier = leader_since(1_000);
    barrier.applied(LogIndex(150), at(1_000));
    barrier.membership(set(&[1, 2]), at(1_500));
    barrier.elected(6); // what it knows of members outlives the term
    barrier.noop_applied(LogIndex(200), at(2_000));
    assert_eq!(barrier.blocking(LogIndex(200), L, at(2_100)), set(&[1, 2, 3]));
    assert_eq!(
        barrier.blocking(LogIndex(200), LeaseLength::RELAXED_MAX, at(1_500 + 62_212)),
        set(&[1, 2, 3])
    );
    assert_eq!(barrier.blocking(LogIndex(200), LeaseLength::RELAXED_MAX, at(1_500 + 62_213)), set(&[1, 2]));
}

#[test]
fn a_retiring_node_is_waited_for_until_retired() {
    let mut barrier = Barrier::new(set(&[1]), set(&[9]), LengthsInUse::default());
    barrier.retiring(NodeId(8));
    barrier.elected(5);
    barrier.noop_applied(LogIndex(NOOP), at(1_000));
    assert_eq!(barrier.blocking(LogIndex(NOOP), L, at(1_100)), set(&[1, 8, 9]));
    barrier.retired(NodeId(9));
    assert_eq!(barrier.blocking(LogIndex(NOOP), L, at(1_100)), set(&[1, 8]));
}

#[test]
fn only_members_of_the_applied_configuration_get_leases() {
    let mut barrier = leader_since(1_000);
    let not_member = Refused::NotMember { node: NodeId(4) };
    assert_eq!(ask(&mut barrier, 4, 4, 1_100).err(), Some(not_member));
    barrier.membership(set(&[1, 2, 3, 4]), at(1_200));
    let under_way = ask(&mut barrier, 4, 4, 1_300).unwrap();
    barrier.membership(set(&[1, 2, 3]), at(1_400));
    assert_eq!(
        barrier.grant(under_way, LogIndex(NOOP), at(1_500)).err(),
        Some(not_member),
        "it left meanwhile"
    );
    assert!(barrier.blocking(LogIndex(NOOP), L, at(1_500)).contains(&NodeId(4)), "and is still waited for");
}

#[test]
fn a_grant_needs_a_read_index_of_this_term_that_is_applied() {
    let mut barrier = leader_since(1_000);
    let mut offer = |read_index, millis| {
        let ticket = ask(&mut barrier, 2, 2, 1_100).unwrap();
        barrier.grant(ticket, LogIndex(read_index), at(millis)).map(|reply| (reply.read_index, reply.term))
    };
    assert_eq!(offer(NOOP, 1_101), Ok((LogIndex(NOOP), 5)));
    assert_eq!(offer(NOOP - 1, 1_101), Err(Refused::StaleReadIndex { read_index: LogIndex(NOOP - 1) }));
    assert_eq!(offer(NOOP + 1, 1_101), Err(Refused::NotApplied { read_index: LogIndex(NOOP + 1) }));
    assert_eq!(offer(NOOP, 1_100 + 62_213), Err(Refused::TooLate));
}

#[test]
fn a_ticket_dies_with_its_term() {
    let mut barrier = leader_since(1_000);
    let ticket = ask(&mut barrier, 2, 2, 1_100).unwrap();
    barrier.step_down();
    assert_eq!(ask(&mut barrier, 2, 2, 1_150).err(), Some(Refused::NotLeader));
    barrier.elected(7);
    barrier.noop_applied(LogIndex(NOOP), at(1_200));
    assert_eq!(barrier.grant(ticket, LogIndex(NOOP), at(1_300)).err(), Some(Refused::NotLeader));
}

#[test]
fn a_timeout_is_no_success_and_says_when_it_will_hold() {
    let mut barrier = leader_since(1_000);
    barrier.applied(LogIndex(101), at(2_000));
    barrier.wait(LogIndex(101), L, at(2_500), at(2_100)).unwrap();
    assert_eq!(barrier.next_deadline(at(2_100)), Some(at(2_500)));
    check(&mut barrier, 2_499, &[]);
    check(&mut barrier, 2_500, &[Outcome::TimedOut { effective_everywhere_at: at(2_000) + L.wait() }]);
    check(&mut barrier, 60_000, &[]);
}

#[test]
fn losing_leadership_is_no_success() {
    let mut barrier = leader_since(1_000);
    barrier.applied(LogIndex(101), at(2_000));
    wait(&mut barrier, 101, 2_100);
    wait(&mut barrier, 102, 2_200); // committed, as the caller knows, but not applied here
    barrier.step_down();
    let lost = |millis| Outcome::LeadershipLost { effective_everywhere_at: at(millis) + L.wait() };
    check(&mut barrier, 2_300, &[lost(2_000), lost(2_200)]);
    let refused = barrier.wait(LogIndex(101), L, at(9_000), at(2_300));
    assert_eq!(refused, Err(CannotWait::NotLeader));
}

#[test]
fn each_length_waits_for_itself() {
    let mut barrier = leader_since(1_000);
    barrier.applied(LogIndex(101), at(10_000));
    grant(&mut barrier, 3, 3, 10_000);
    let strict = barrier.wait(LogIndex(101), LeaseLength::STRICT, at(90_000), at(10_000)).unwrap();
    let default = barrier.wait(LogIndex(101), L, at(90_000), at(10_000)).unwrap();
    assert_eq!(barrier.completed(at(10_000) + LeaseLength::STRICT.wait()), [(strict, Outcome::Effective)]);
    assert_eq!(barrier.completed(at(10_000) + L.wait()), [(default, Outcome::Effective)]);
}

#[test]
fn a_flood_of_waits_is_refused_with_the_time_it_will_hold() {
    let mut barrier = leader_since(1_000);
    barrier.applied(LogIndex(101), at(2_000));
    (0..WAITERS_MAX).for_each(|_| wait(&mut barrier, 101, 2_000));
    let refused = barrier.wait(LogIndex(101), L, at(9_000), at(2_000));
    assert_eq!(refused, Err(CannotWait::TooMany { effective_everywhere_at: at(2_000) + L.wait() }));
    assert_eq!(barrier.completed(at(2_000 + w())).len(), WAITERS_MAX);
}

#[test]
fn reports_of_strangers_cost_no_memory_and_change_nothing() {
    let mut barrier = leader_since(1_000);
    barrier.report(NodeId(99), BootId(1), LogIndex(7));
    assert_eq!(barrier.blocking(LogIndex(NOOP), L, at(1_100)), set(&[1, 2, 3]));
}

/// Polling only at the announced times misses nothing: the edge needs no ticker.
#[test]
fn deadlines_alone_drive_every_wait_to_its_end() {
    let mut barrier = leader_since(1_000);
    grant(&mut barrier, 2, 2, 3_000);
    grant(&mut barrier, 3, 3, 4_000);
    barrier.applied(LogIndex(101), at(4_500));
    wait(&mut barrier, 101, 4_500);
    let (mut now, mut polls) = (at(4_500), 0);
    while barrier.completed(now).is_empty() {
        now = barrier.next_deadline(now).unwrap();
        polls += 1;
    }
    assert_eq!(now, at(4_000) + L.wait(), "when the last grant ran out, sooner than from the apply");
    assert!(polls <= 4);
    assert!(now.since(at(4_500)).unwrap() < L.wait() - Duration::from_millis(499));
}
