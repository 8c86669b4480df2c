//! What a cluster promises, one scenario each, without sockets or files.

use std::sync::atomic::Ordering;
use std::time::Duration;

use model::command::Answer;
use model::refusal::Refusal;
use model::tenant::TenantState;
use raft_store::lease::class::LeaseLength;
use raft_store::lease::clock::last_serve;
use raft_store::{ProposeError, Role};
use tokio::time::{Instant, sleep};

use crate::commands::{create, handle, key, suspend};
use crate::sim::{LOG_KEPT, SNAPSHOT_EVERY, Sim, simulate};

#[test]
fn a_single_node_serves_and_survives_a_crash() {
    simulate("a_single_node", |dice| async move {
        let mut sim = Sim::single(dice).await;
        let store = sim.store(0).clone();
        store.wait_ready(Duration::from_secs(2)).await.unwrap();
        let proposed = store.propose(create(1, 3_000), None).await.unwrap();
        assert_eq!(proposed.answer, Answer::Tenant(handle(1)));
        assert!(store.generation().index >= proposed.index);
        let lease = store.lease().capture().unwrap();
        store.lease().check(lease, LeaseLength::DEFAULT, store.boot_now()).unwrap();
        let first = store.boot().unwrap();
        let time = store.now();

        sim.crash(0).await;
        sim.start(0).await;
        let store = sim.store(0);
        store.wait_ready(Duration::from_secs(2)).await.unwrap();
        assert!(store.generation().state.tenant(handle(1)).is_some());
        assert!(store.boot().unwrap() > first, "every process start has its own number");
        assert!(store.now() >= time);
    });
}

#[test]
fn every_node_proposes_and_reads_what_others_wrote() {
    simulate("every_node_proposes", |dice| async move {
        let sim = Sim::three(dice).await;
        for at in 0..3_u32 {
            let writer = sim.store(at as usize);
            let proposed = writer.propose(create(at, 3_000), None).await.unwrap();
            assert!(writer.generation().index >= proposed.index, "a write is readable where it was made");
            for reader in 0..3 {
                let generation = sim.store(reader).read_index().await.unwrap();
                assert!(generation.state.tenant(handle(at)).is_some(), "written on {at}, read on {reader}");
            }
        }
        let again = sim.store(1).propose(create(0, 3_000), None).await.unwrap();
        assert!(matches!(again.answer, Answer::Refused(Refusal::TenantNameTaken)), "a refusal is an answer");
        let status = sim.store(2).cluster_status().await;
        assert_eq!(status.nodes.len(), 3);
        assert!(status.nodes.iter().all(|node| node.reachable && node.voter && node.status.ready));
        assert_eq!(status.nodes.iter().filter(|node| node.status.role == Role::Leader).count(), 1);
    });
}

#[test]
fn an_idempotency_key_makes_one_effect_of_many_requests() {
    simulate("an_idempotency_key", |dice| async move {
        let sim = Sim::three(dice).await;
        let first = sim.store(0).propose(create(5, 3_000), key(1)).await.unwrap();
        let second = sim.store(1).propose(create(5, 3_000), key(1)).await.unwrap();
        assert_eq!(first.answer, second.answer);
    });
}

#[test]
fn a_cut_off_leader_is_replaced_and_its_lease_runs_out() {
    simulate("a_cut_off_leader", |dice| async move {
        let sim = Sim::three(dice).await;
        let old = sim.leader().await;
        let rest: Vec<usize> = (0..3).filter(|at| *at != old).collect();
        let (cut, old_term) = (Instant::now(), sim.store(old).status().term);
        sim.isolate(old);

        sim.leader_among(&rest).await;
        println!("fail-over (simulated): {:?}", cut.elapsed());
        assert!(cut.elapsed() < Duration::from_millis(1_600), "{:?}", cut.elapsed());
        sim.store(rest[0]).propose(create(1, 3_000), None).await.unwrap();

        let lease = sim.store(old).lease().capture().unwrap();
        sleep(last_serve(LeaseLength::DEFAULT.duration()).saturating_sub(cut.elapsed())).await;
        let store = sim.store(old);
        store.lease().check(lease, LeaseLength::DEFAULT, store.boot_now()).unwrap_err();
        assert!(!store.status().ready, "a cut-off node answers nothing");
        let refused = store.propose(create(2, 3_000), None).await.unwrap_err();
        assert!(
            matches!(refused, ProposeError::OutcomeUnknown | ProposeError::Unavailable { .. }),
            "{refused:?}"
        );
        store.read_index().await.unwrap_err();
        assert!(sim.store(rest[0]).status().ready && sim.store(rest[1]).status().ready);

        sim.net.heal();
        sim.until("the old leader follows", || async {
            let status = sim.store(old).status();
            status.role == Role::Follower && status.ready && status.term > old_term
        })
        .await;
        let generation = sim.store(old).read_index().await.unwrap();
        assert!(generation.state.tenant(handle(1)).is_some());
    });
}

#[test]
fn silence_is_no_vote() {
    simulate("silence_is_no_vote", |dice| async move {
        let sim = Sim::three(dice).await;
        let leader = sim.leader().await;
        let alone = (leader + 1) % 3;
        let before = sim.store(alone).status().term;
        sim.isolate(alone);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(sim.store(alone).status().term, before, "pre-vote asks, and nobody answered yes");
        sim.net.heal();
        sim.until("it follows again", || async { sim.store(alone).status().ready }).await;
        assert_eq!(sim.leader().await, leader, "its return disturbed nobody");
    });
}

#[test]
fn what_was_acknowledged_survives_a_crash_of_everyone() {
    simulate("what_was_acknowledged", |dice| async move {
        let mut sim = Sim::three(dice).await;
        for number in 0..20 {
            let at = sim.dice.below(3);
            sim.store(at).propose(create(number, 3_000), None).await.unwrap();
        }
        for at in 0..3 {
            sim.crash(at).await;
        }
        for at in 0..3 {
            sim.start(at).await;
        }
        for at in 0..3 {
            sim.store(at).wait_ready(Duration::from_secs(10)).await.unwrap();
            let generation = sim.store(at).read_index().await.unwrap();
            for number in 0..20 {
                assert!(generation.state.tenant(handle(number)).is_some(), "tenant {number} on node {at}");
            }
        }
    });
}

#[test]
fn a_withdrawal_is_quick_when_all_answer() {
    simulate("a_withdrawal_is_quick", |dice| async move {
        let sim = Sim::three(dice).await;
        sim.store(0).propose(create(1, 3_000), None).await.unwrap();
        for at in 0..3 {
            let begun = Instant::now();
            let done = sim.store(at).propose(suspend(1), None).await.unwrap();
            assert_eq!(done.withdrawal, Some(done.index));
            println!("withdrawn through node {at} in {:?} (simulated)", begun.elapsed());
            assert!(begun.elapsed() < Duration::from_millis(50));
            for node in 0..3 {
                let generation = sim.store(node).generation();
                let tenant = generation.state.tenant(handle(1)).unwrap();
                assert_eq!(tenant.state, TenantState::Suspended, "published on {node} before the answer");
            }
        }
    });
}

#[test]
fn a_withdrawal_waits_out_the_lease_of_a_cut_off_node() {
    simulate("a_withdrawal_waits_out", |dice| async move {
        let sim = Sim::three(dice).await;
        sim.store(0).propose(create(1, 3_000), None).await.unwrap();
        let leader = sim.leader().await;
        let alone = (leader + 1) % 3;
        sim.isolate(alone);
        let begun = Instant::now();
        let done = sim.store(leader).propose(suspend(1), None).await.unwrap();
        println!("withdrawn past a cut-off node in {:?} (simulated)", begun.elapsed());
        let store = sim.store(alone);
        assert!(!store.status().ready, "acknowledged while a node could still answer");
        assert!(store.generation().index < done.index, "the cut-off node knows nothing of it");
        let wait = LeaseLength::DEFAULT.wait();
        assert!(begun.elapsed() <= wait + Duration::from_millis(200), "{:?}", begun.elapsed());
        assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_planned_end_is_quick_and_leaves_no_wait_behind() {
    simulate("a_planned_end", |dice| async move {
        let mut sim = Sim::three(dice).await;
        sim.store(0).propose(create(1, 3_000), None).await.unwrap();
        sleep(Duration::from_secs(63)).await; // the leader knows every lease from here on
        let leader = sim.leader().await;
        let rest: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
        let begun = Instant::now();
        sim.store(leader).shutdown().await;
        sim.net.kill(sim.nodes[leader].name);
        let successor = sim.leader_among(&rest).await;
        println!("planned end in {:?} (simulated)", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());

        let begun = Instant::now();
        sim.store(successor).propose(suspend(1), None).await.unwrap();
        println!("withdrawn right after a surrender in {:?} (simulated)", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
        sim.crash(leader).await;
        sim.start(leader).await;
        sim.store(leader).wait_ready(Duration::from_secs(5)).await.unwrap();
    });
}

#[test]
fn a_rewound_disk_is_not_heard() {
    simulate("a_rewound_disk", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let victim = (sim.leader().await + 1) % 3;
        let old = sim.nodes[victim].disk.after_crash(0);
        for number in 0..5 {
            sim.store(victim).propose(create(number, 3_000), None).await.unwrap();
        }
        sleep(Duration::from_secs(2)).await; // a renewal shows the newer disk to the leader
        sim.crash(victim).await;
        sim.nodes[victim].disk = old;
        sim.start(victim).await;
        sim.until("condemned", || async { sim.store(victim).condemned().is_some() }).await;
        let status = sim.store(victim).status();
        assert_eq!((status.role, status.ready), (Role::Stopped, false));
        println!("{}", sim.store(victim).condemned().unwrap());
    });
}

#[test]
fn a_node_that_was_away_too_long_gets_a_snapshot() {
    simulate("a_node_that_was_away", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let leader = sim.leader().await;
        let away = (leader + 1) % 3;
        sim.crash(away).await;
        let writes = 3 * (SNAPSHOT_EVERY + LOG_KEPT);
        for number in 0..u32::try_from(writes).unwrap() {
            sim.store(leader).propose(create(number, 3_000), None).await.unwrap();
        }
        sim.start(away).await;
        sim.store(away).wait_ready(Duration::from_secs(10)).await.unwrap();
        let [ours, theirs] = [away, leader].map(|at| sim.store(at).generation());
        assert!(ours.state.tenants().eq(theirs.state.tenants()), "the same tenants, by a snapshot");
        sim.store(away).propose(suspend(1), None).await.unwrap();
        sim.crash(away).await;
        sim.start(away).await;
        sim.store(away).wait_ready(Duration::from_secs(10)).await.unwrap();
        assert!(sim.store(away).generation().state.tenant(handle(0)).is_some());
    });
}

#[test]
fn a_leader_whose_clock_is_wrong_hands_over() {
    simulate("a_leader_whose_clock", |dice| async move {
        let sim = Sim::three(dice).await;
        let wrong = sim.leader().await;
        let hour_ms = 3_600_000;
        let right = sim.store(wrong).now();
        sim.nodes[wrong].ahead_ms.store(hour_ms, Ordering::Relaxed);
        sim.store(wrong).propose(create(0, 3_000), None).await.unwrap();
        let stamped = sim.store(wrong).generation().state.cluster().time;
        assert!(stamped.0 < right.0 + 5_000, "{stamped:?}: its own boot clock knows better, after {right:?}");
        sim.until("another leads", || async { sim.leader().await != wrong }).await;
        let before = sim.store(wrong).now();
        sim.store(wrong).propose(create(1, 3_000), None).await.unwrap();
        sleep(Duration::from_secs(5)).await;
        assert_ne!(sim.leader().await, wrong);
        assert!(sim.store(wrong).now().0 < before.0 + hour_ms / 2, "an hour ahead is nobody's time");
    });
}
