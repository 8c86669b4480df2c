//! Lease lengths, one per tenant, and what a node may say of withdrawals it did not propose itself.

use std::time::Duration;

use model::command::Answer;
use model::commands::{IssueJoinToken, JoinNode, RetireNode};
use model::departure::Departure;
use model::id::LogIndex;
use raft_store::lease::class::LeaseLength;
use raft_store::{Holds, Store};
use tokio::time::{Instant, sleep};

use crate::commands::{create, handle, key, lease, suspend};
use crate::sim::{Sim, simulate};

/// What a wait may take on top of the leader's own: messages, and a clock that is a hundredth slow.
const ROOM: Duration = Duration::from_millis(200);
const RELAXED_MS: u32 = 15_000;

fn lowered(store: &Store, number: u32) -> bool {
    store.generation().state.tenant(handle(number)).unwrap().lowered.is_some()
}

#[test]
fn a_barrier_waits_for_the_lease_of_its_own_tenant() {
    simulate("a_barrier_waits_for_the_lease", |dice| async move {
        let sim = Sim::three(dice).await;
        sim.store(0).propose(create(1, 2_000), None).await.unwrap();
        sim.store(0).propose(create(2, RELAXED_MS), None).await.unwrap();
        let leader = sim.leader().await;
        sim.isolate((leader + 1) % 3);
        let begun = Instant::now();
        sim.store((leader + 2) % 3).propose(suspend(1), None).await.unwrap();
        let strict = begun.elapsed();
        assert!(strict <= LeaseLength::STRICT.wait() + ROOM, "{strict:?}: another tenant has far more");
        assert!(strict >= Duration::from_secs(1), "{strict:?}: a node was cut off");
        let begun = Instant::now();
        let done = sim.store(leader).propose(suspend(2), None).await.unwrap();
        assert!(begun.elapsed() > Duration::from_secs(12), "{:?}", begun.elapsed());
        assert_eq!(done.withdrawal, Some(done.index));
        assert!(done.effective_everywhere_at.is_some());
    });
}

#[test]
fn a_lowered_lease_is_waited_for_under_the_old_length_and_then_marked() {
    simulate("a_lowered_lease", |dice| async move {
        let sim = Sim::three(dice).await;
        sim.store(0).propose(create(1, RELAXED_MS), None).await.unwrap();
        let leader = sim.leader().await;
        let alone = (leader + 1) % 3;
        sim.isolate(alone);
        let begun = Instant::now();
        let lowering = {
            let store = sim.store(leader).clone();
            tokio::spawn(async move { store.propose(lease(1, 2_000), None).await })
        };
        sim.until("it is published", || async { lowered(sim.store(leader), 1) }).await;
        // The cut-off node may still apply the old length: a withdrawal now must not be shorter.
        let withdrawn = sim.store(leader).propose(suspend(1), None).await.unwrap();
        assert!(begun.elapsed() > Duration::from_secs(12), "{:?}", begun.elapsed());
        assert!(lowering.await.unwrap().unwrap().index < withdrawn.index);
        sim.until("it is marked", || async { !lowered(sim.store(leader), 1) }).await;
        let begun = Instant::now();
        sim.store(leader).propose(suspend(1), None).await.unwrap();
        assert!(begun.elapsed() <= LeaseLength::STRICT.wait() + ROOM, "{:?}", begun.elapsed());
        sim.net.heal();
        sim.until("the others know", || async { !lowered(sim.store(alone), 1) }).await;
    });
}

#[test]
fn a_new_leader_takes_up_a_lowering() {
    simulate("a_new_leader_takes_up", |dice| async move {
        let mut sim = Sim::three(dice).await;
        sim.store(0).propose(create(1, 10_000), None).await.unwrap();
        let old = sim.leader().await;
        let rest: Vec<usize> = (0..3).filter(|at| *at != old).collect();
        // A cut-off node holds the barrier up, and the leader dies meanwhile.
        sim.isolate(rest[0]);
        let store = sim.store(old).clone();
        let lowering = tokio::spawn(async move { store.propose(lease(1, 2_000), None).await });
        sim.until("it is published", || async { lowered(sim.store(rest[1]), 1) }).await;
        sim.crash(old).await;
        // A leader that is ending may still say that the barrier is pending.
        match lowering.is_finished() {
            true => drop(lowering.await.unwrap().expect_err("no success before the barrier")),
            false => lowering.abort(),
        }
        sim.net.heal();
        sim.leader_among(&rest).await;
        sim.until("it is marked", || async { !lowered(sim.store(rest[0]), 1) }).await;
    });
}

#[test]
fn no_node_says_that_a_withdrawal_holds_before_it_does() {
    simulate("no_node_says", |dice| async move {
        let sim = Sim::three(dice).await;
        sim.store(0).propose(create(1, 3_000), None).await.unwrap();
        let leader = sim.leader().await;
        let (alone, other) = ((leader + 1) % 3, (leader + 2) % 3);
        sim.isolate(alone);
        let begun = Instant::now();
        let withdrawing = {
            let store = sim.store(leader).clone();
            tokio::spawn(async move { store.propose(suspend(1), key(1)).await })
        };
        let tenant = || sim.store(other).generation().state.tenant(handle(1)).unwrap().clone();
        sim.until("it is published", || async { tenant().withdrawn_at.0 > 0 }).await;
        let (index, at_once) = (tenant().withdrawn_at, Duration::ZERO);
        let told = sim.store(other).holds(index, Some(handle(1)), at_once).await.unwrap();
        let Holds::From(from) = told else { panic!("{told:?}: the cut-off node may still serve") };
        assert!(from > sim.store(other).now());
        let replayed = sim.store(other).propose(suspend(1), key(1)).await.unwrap();
        assert!(begun.elapsed() > Duration::from_secs(2), "a replay passes the original barrier");
        assert_eq!((replayed.answer, replayed.withdrawal), (Answer::Done, Some(index)));
        let told = sim.store(other).holds(index, Some(handle(1)), at_once).await.unwrap();
        assert!(matches!(told, Holds::Since(_)), "{told:?}");
        assert_eq!(withdrawing.await.unwrap().unwrap().withdrawal, Some(index));
        // What is known needs nobody: not even a leader.
        sim.isolate(other);
        let begun = Instant::now();
        let told = sim.store(other).holds(index, Some(handle(1)), at_once).await.unwrap();
        assert!(matches!(told, Holds::Since(_)) && begun.elapsed() < Duration::from_millis(1));
        let later = LogIndex(index.0 + 1_000);
        let later = sim.store(other).holds(later, Some(handle(1)), at_once).await;
        later.expect_err("nobody can say");
    });
}

#[test]
fn a_node_that_left_is_retired_when_its_last_lease_has_run_out() {
    simulate("a_node_that_left", |dice| async move {
        let sim = Sim::three(dice).await;
        let token = [9; 32];
        sim.store(0).propose(IssueJoinToken { hash: token, lasts_ms: 1_000 }, None).await.unwrap();
        let join = JoinNode { attempt: [9; 16], name: "node-z".into(), voter: false, token };
        let Answer::Node(node) = sim.store(0).propose(join, None).await.unwrap().answer else { panic!() };
        sim.store(0).propose(RetireNode { node }, None).await.unwrap();
        let departure = || sim.store(1).generation().state.departure(node).unwrap();
        sleep(LeaseLength::RELAXED_MAX.duration()).await;
        assert!(departure().is_retiring(), "every barrier still counts it");
        sleep(Duration::from_secs(5)).await;
        assert!(matches!(departure(), Departure::Retired { .. }), "{:?}", departure());
    });
}
