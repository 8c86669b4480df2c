//! Membership as an operator meets it: nodes come by a token, vote when they are fit, and leave for good.

use std::time::Duration;

use model::command::Answer;
use model::commands::{RetireNode, SetNodeRole};
use model::id::NodeId;
use model::refusal::Refusal;
use raft_store::join::{JoinError, ask};
use raft_store::lease::class::LeaseLength;
use raft_store::{Role, Unsafe};
use tokio::time::sleep;

use crate::commands::{create, handle};
use crate::sim::{DEAD_AFTER, FORMAT_AFTER, MORE, NAMES, SNAPSHOT_EVERY, Sim, TOKEN_LASTS, simulate};

impl Sim {
    fn id(&self, at: usize) -> NodeId {
        self.nodes[at].identity.node
    }

    /// Who votes, as a node sees it.
    async fn voters(&self, at: usize) -> Vec<NodeId> {
        let status = self.store(at).cluster_status().await;
        status.nodes.iter().filter(|node| node.voter).map(|node| node.status.node).collect()
    }

    async fn members(&self, at: usize) -> Vec<NodeId> {
        let status = self.store(at).cluster_status().await;
        status.nodes.iter().map(|node| node.status.node).collect()
    }

    async fn until_voters(&self, at: usize, nodes: &[usize]) {
        let mut wanted: Vec<NodeId> = nodes.iter().map(|at| self.id(*at)).collect();
        wanted.sort_unstable();
        self.until("exactly these vote", || async { self.voters(at).await == wanted }).await;
    }

    async fn decide(&self, at: usize, action: impl Into<model::command::Action>) {
        let done = self.store(at).propose(action, None).await.unwrap();
        assert_eq!(done.answer, Answer::Done);
    }

    async fn join_error(&self, member: usize, token: &str, attempt: u8) -> String {
        let request = self.join_request(member, MORE[0], token);
        let refused = ask([attempt; 16], &request, &self.net.of(MORE[0])).await.unwrap_err();
        assert!(matches!(refused, JoinError::Refused(_)), "{refused:?}");
        refused.to_string()
    }
}

#[test]
fn r04_a_join_without_a_good_token_is_refused_in_one_sentence() {
    simulate("r04_a_join", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let leader = sim.leader().await;
        for member in 0..3 {
            let said = sim.join_error(member, "", 101).await;
            assert_eq!(said, "refused: no join token was given; make one with keyraft operator join-token");
            let said = sim.join_error(member, "let me in", 101).await;
            assert!(said.contains("this is no join token"), "{said}");
            let foreign = format!("krj1.{}.{}", "ab".repeat(16), "00".repeat(20));
            let said = sim.join_error(member, &foreign, 101).await;
            assert!(said.contains("belongs to cluster abab"), "{said}");
            let unknown = format!("krj1.{}.{}", sim.nodes[0].identity.cluster, "00".repeat(20));
            let said = sim.join_error(member, &unknown, 101).await;
            assert!(said.contains("not known to this cluster"), "{said}");
        }
        let used = sim.store(1).join_token(TOKEN_LASTS).await.unwrap();
        let request = sim.join_request(2, MORE[0], used.expose());
        let joined = ask([107; 16], &request, &sim.net.of(MORE[0])).await.unwrap();
        let said = sim.join_error(0, used.expose(), 108).await;
        assert!(said.contains(&format!("was used by node {}", joined.identity.node)), "{said}");

        let expired = sim.store(0).join_token(Duration::from_secs(60)).await.unwrap();
        sleep(Duration::from_secs(61)).await;
        sim.decide(0, SetNodeRole { node: sim.id(0), voter: true }).await; // cluster time moves with commands
        let said = sim.join_error(1, expired.expose(), 109).await;
        assert!(said.contains("the join token expired at"), "{said}");

        // Ten thousand guesses leave no trace in the log.
        let before = sim.store(leader).status().applied;
        for guess in 0..10_000_u32 {
            let guess = format!("krj1.{}.{guess:040x}", sim.nodes[0].identity.cluster);
            let said = sim.join_error(leader, &guess, 110).await;
            assert!(said.contains("not known"), "{said}");
        }
        let after = sim.store(leader).status().applied;
        assert_eq!(before, after, "refusals cost no entry");
        sim.crash(leader).await;
    });
}

#[test]
fn a_node_joins_through_any_member_and_a_retry_gets_the_same_id() {
    simulate("a_node_joins_through_any", |dice| async move {
        let mut sim = Sim::three(dice).await;
        for (at, name) in MORE.into_iter().enumerate() {
            // `join_through` asks twice: as if the first answer were lost.
            let new = sim.join_through(at, name, u8::try_from(at).unwrap() + 10, false).await;
            sim.store(new).wait_ready(Duration::from_secs(10)).await.unwrap();
            let done =
                sim.store(new).propose(create(u32::try_from(new).unwrap(), 3_000), None).await.unwrap();
            assert!(sim.store(new).generation().index >= done.index, "a learner serves like any other");
        }
        assert_eq!(sim.members(0).await.len(), 6);
        assert_eq!(sim.voters(0).await.len(), 3, "learners that do not want to vote stay learners");
        assert_eq!(sim.store(5).cluster_status().await.tolerance(), Some(1));
    });
}

#[test]
fn a_join_is_taken_up_after_the_leader_and_the_new_node_crashed() {
    simulate("a_join_is_taken_up", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let leader = sim.leader().await;
        let token = sim.store(leader).join_token(TOKEN_LASTS).await.unwrap();
        let request = sim.join_request(leader, MORE[0], token.expose());
        let transport = sim.net.of(MORE[0]);
        // The answer gets lost and the leader dies: the entry may be committed, the membership may have it.
        let asking = ask([9; 16], &request, &transport);
        let lost = tokio::time::timeout(Duration::from_millis(sim.dice.roll() % 40), asking).await.is_err();
        println!("the answer was lost: {lost}");
        sim.crash(leader).await;
        let member = (leader + 1) % 3;
        let request = sim.join_request(member, MORE[0], token.expose());
        let joined = ask([9; 16], &request, &transport).await.unwrap();
        assert_eq!(ask([9; 16], &request, &transport).await.unwrap().identity, joined.identity);
        let members = sim.members(member).await;
        assert!(members.contains(&joined.identity.node) && members.len() == 4, "{members:?}");
    });
}

#[test]
fn a_dead_voter_is_replaced_by_one_joint_change() {
    simulate("a_dead_voter_is_replaced", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let spare = sim.join(MORE[0], 20).await;
        sim.store(spare).wait_ready(Duration::from_secs(10)).await.unwrap();
        let dead = (sim.leader().await + 1) % 3;
        sim.crash(dead).await;
        let rest: Vec<usize> = (0..3).filter(|at| *at != dead).collect();
        sim.decide(rest[0], RetireNode { node: sim.id(dead) }).await;
        sim.until_voters(rest[0], &[rest[0], rest[1], spare]).await;
        sim.until("the dead node is no member", || async { sim.members(rest[0]).await.len() == 3 }).await;
        assert_eq!(sim.store(rest[0]).cluster_status().await.tolerance(), Some(1));
        sim.store(spare).propose(create(1, 3_000), None).await.unwrap();
    });
}

#[test]
fn a_voter_that_stays_dead_is_replaced_and_tidied_up_by_itself() {
    simulate("a_voter_that_stays_dead", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let spare = sim.join(MORE[0], 20).await;
        let dead = (sim.leader().await + 1) % 3;
        sim.crash(dead).await;
        let rest: Vec<usize> = (0..3).filter(|at| *at != dead).collect();
        sleep(DEAD_AFTER / 2).await;
        assert!(sim.voters(rest[0]).await.contains(&sim.id(dead)), "it may come back");
        sleep(DEAD_AFTER / 2 + Duration::from_secs(10)).await;
        sim.until_voters(rest[0], &[rest[0], rest[1], spare]).await;
        sim.until("the dead node is no member", || async { sim.members(rest[0]).await.len() == 3 }).await;
        sleep(LeaseLength::RELAXED_MAX.wait() + Duration::from_secs(5)).await;
        let status = sim.store(rest[0]).cluster_status().await;
        assert!(status.retiring.is_empty(), "its last lease ran out, and that is noted");
    });
}

#[test]
fn roles_are_changed_without_a_weaker_membership_between() {
    simulate("roles_are_changed", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let spare = sim.join_through(1, MORE[0], 20, false).await;
        sim.store(spare).wait_ready(Duration::from_secs(10)).await.unwrap();
        let leader = sim.leader().await;
        let rest: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
        sim.decide(0, SetNodeRole { node: sim.id(spare), voter: true }).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(sim.voters(0).await.len(), 3, "four would survive no more than three");
        sim.decide(0, SetNodeRole { node: sim.id(leader), voter: false }).await;
        sim.until_voters(leader, &[rest[0], rest[1], spare]).await;
        assert_eq!(sim.members(leader).await.len(), 4, "it stays as a learner");
        sim.store(leader).wait_ready(Duration::from_secs(10)).await.unwrap();
        sim.store(leader).propose(create(1, 3_000), None).await.unwrap();
    });
}

#[test]
fn r06_a_removed_node_neither_disturbs_nor_serves() {
    simulate("r06_a_removed_node", |dice| async move {
        let mut sim = Sim::three(dice).await;
        sim.join(MORE[0], 20).await;
        let leader = sim.leader().await;
        let gone = (leader + 1) % 3;
        let rest: Vec<usize> = (0..4).filter(|at| *at != gone).collect();
        sim.decide(leader, RetireNode { node: sim.id(gone) }).await;
        sim.until("it serves no longer", || async { !sim.store(gone).status().ready }).await;
        sim.until_voters(leader, &rest).await;
        sim.until("it is no member", || async { sim.members(leader).await.len() == 3 }).await;
        let term = sim.store(leader).status().term;

        // Its old disk comes back, with the membership of before.
        sim.crash(gone).await;
        sim.start(gone).await;
        sim.until("it is told", || async { sim.store(gone).condemned().is_some() }).await;
        let said = sim.store(gone).condemned().unwrap().to_owned();
        assert!(said.contains("was removed from the cluster; wipe"), "{said}");
        sleep(Duration::from_secs(10)).await;
        assert!(!sim.store(gone).status().ready);
        assert_eq!(sim.store(leader).status().term, term, "its return disturbed nobody");
        assert_eq!(sim.leader_among(&rest).await, leader);
        // Its attempt to join with the old number is refused as well: the id is never given again.
        let said = sim.join_error(leader, &sim.fresh_token(leader).await, u8::try_from(gone).unwrap()).await;
        assert!(said.contains("was removed") || said.contains("was used by"), "{said}");
    });
}

#[test]
fn a_removed_voter_that_never_hears_of_it_loses_its_lease() {
    simulate("a_removed_voter_that_never", |dice| async move {
        let mut sim = Sim::three(dice).await;
        sim.join(MORE[0], 20).await;
        let leader = sim.leader().await;
        let gone = (leader + 1) % 3;
        sim.isolate(gone);
        sim.decide(leader, RetireNode { node: sim.id(gone) }).await;
        sim.until("it is no member", || async { sim.members(leader).await.len() == 3 }).await;
        sim.until("its lease ran out", || async { !sim.store(gone).status().ready }).await;
        let term = sim.store(leader).status().term;
        sim.net.heal();
        sim.until("it is told", || async { sim.store(gone).condemned().is_some() }).await;
        assert_eq!(sim.store(leader).status().term, term, "it asked for votes and got none");
    });
}

#[test]
fn the_last_voter_is_not_removed_and_a_needed_one_only_when_told_so() {
    simulate("the_last_voter", |dice| async move {
        let sim = Sim::three(dice).await;
        let status = sim.store(0).cluster_status().await;
        let lower = Unsafe::LowersTolerance { before: 1, after: 0 };
        assert_eq!(status.may_go(sim.id(2), false), Err(lower));
        status.may_go(sim.id(2), true).unwrap();
        let leader = sim.leader().await;
        sim.decide(0, RetireNode { node: sim.id(leader) }).await;
        let rest: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
        sim.until_voters(rest[0], &rest).await;
        sim.store(rest[0]).propose(create(1, 3_000), None).await.unwrap();
        let refused =
            sim.store(rest[0]).propose(SetNodeRole { node: sim.id(leader), voter: true }, None).await;
        let removed = Refusal::NodeRemoved { node: sim.id(leader) };
        assert_eq!(refused.unwrap().answer, Answer::Refused(removed));
    });
}

#[test]
fn any_node_makes_the_leader_step_down() {
    simulate("any_node_makes", |dice| async move {
        let sim = Sim::three(dice).await;
        for _ in 0..3 {
            let leader = sim.leader().await;
            let successor = sim.store((leader + 1) % 3).step_down().await.unwrap();
            assert_ne!(successor, sim.id(leader));
            let now = sim.leader().await;
            assert_eq!(sim.id(now), successor);
            sim.store(leader).propose(create(u32::try_from(now).unwrap() + 50, 3_000), None).await.ok();
            sleep(Duration::from_secs(1)).await;
        }
    });
}

#[test]
fn a_newer_format_is_activated_once_every_member_knows_it() {
    simulate("a_newer_format", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let newer = model::state::FORMAT + 1;
        for at in 0..3 {
            assert_eq!(sim.store(0).cluster_status().await.format, 1);
            sim.crash(at).await;
            sim.formats[at] = newer;
            sim.start(at).await;
            sim.store(at).wait_ready(Duration::from_secs(10)).await.unwrap();
            sleep(FORMAT_AFTER * 2).await;
        }
        sim.until("the newer format", || async { sim.store(0).cluster_status().await.format == newer }).await;
        for number in 0..3 {
            sim.store(0).propose(create(number, 3_000), None).await.unwrap();
            sleep(Duration::from_secs(1)).await; // what is appended later makes what was applied durable
        }
        let old = (sim.leader().await + 1) % 3;
        sim.crash(old).await;
        sim.formats[old] = newer - 1;
        let said = sim.refuses_to_start(old).await;
        assert!(said.contains("format version is 2, this binary knows up to 1"), "{said}");
        sim.formats[old] = newer;
        sim.start(old).await;
        sim.store(old).wait_ready(Duration::from_secs(10)).await.unwrap();
        assert_eq!(sim.store(old).generation().state.cluster().format, newer);
    });
}

#[test]
fn an_upgrade_is_taken_back_while_one_member_does_not_know_the_format() {
    simulate("an_upgrade_is_taken_back", |dice| async move {
        let mut sim = Sim::three(dice).await;
        for at in [0, 1] {
            sim.crash(at).await;
            sim.formats[at] = 2;
            sim.start(at).await;
            sim.store(at).wait_ready(Duration::from_secs(10)).await.unwrap();
        }
        sleep(FORMAT_AFTER * 4).await;
        sim.crash(2).await;
        sleep(FORMAT_AFTER * 4).await;
        assert_eq!(sim.store(0).cluster_status().await.format, 1, "a dead member counts");
        for at in [0, 1] {
            sim.formats[at] = 1;
            if sim.is_up(at) {
                sim.crash(at).await;
            }
        }
        for at in 0..3 {
            sim.start(at).await;
        }
        for at in 0..3 {
            sim.store(at).wait_ready(Duration::from_secs(10)).await.unwrap();
        }
        sim.store(1).propose(create(7, 3_000), None).await.unwrap();
    });
}

#[test]
fn a_node_that_joins_late_and_dies_while_it_installs_a_snapshot_heals() {
    simulate("a_node_that_joins_late", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let writes = u32::try_from(4 * SNAPSHOT_EVERY).unwrap();
        for number in 0..writes {
            sim.store(0).propose(create(number, 3_000), None).await.unwrap();
        }
        let new = sim.join(MORE[0], 30).await;
        for _ in 0..5 {
            sleep(Duration::from_millis(sim.dice.roll() % 30)).await;
            sim.crash(new).await;
            sim.start(new).await;
            let number = writes + u32::try_from(sim.dice.roll() % 1_000_000).unwrap();
            let _ = sim.store(1).propose(create(number, 3_000), None).await.unwrap();
        }
        sim.store(new).wait_ready(Duration::from_secs(20)).await.unwrap();
        let [ours, theirs] = [new, 0].map(|at| sim.store(at));
        let (ours, theirs) = (ours.read_index().await.unwrap(), theirs.read_index().await.unwrap());
        assert!(ours.state.tenants().eq(theirs.state.tenants()), "{} and {}", MORE[0], NAMES[0]);
        assert!(ours.state.tenant(handle(writes - 1)).is_some());
        assert_eq!(sim.store(new).status().role, Role::Learner);
    });
}

/// The members that a new node learns of first are not all there are: its leader may have joined after them.
#[test]
fn a_node_learns_from_a_leader_that_joined_later_than_the_members_it_knows() {
    simulate("a_node_learns_from", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let writes = u32::try_from(4 * SNAPSHOT_EVERY).unwrap();
        for number in 0..writes {
            sim.store(0).propose(create(number, 3_000), None).await.unwrap();
        }
        // The snapshot it gets is older than itself, and stays the one that it has.
        sim.snapshot_every = 100_000;
        let spare = sim.join(MORE[0], 40).await;
        sim.store(spare).wait_ready(Duration::from_secs(10)).await.unwrap();
        let dead = (sim.leader().await + 1) % 3;
        sim.crash(dead).await;
        let rest: Vec<usize> = (0..3).filter(|at| *at != dead).collect();
        sim.decide(rest[0], RetireNode { node: sim.id(dead) }).await;
        sim.until_voters(rest[0], &[rest[0], rest[1], spare]).await;
        let leader = sim.leader_among(&[rest[0], rest[1], spare]).await;
        if leader != spare {
            // The spare alone is left to take over.
            let other = rest[usize::from(rest[0] == leader)];
            sim.crash(other).await;
            sim.store(leader).step_down().await.unwrap();
            sim.start(other).await;
        }
        assert_eq!(sim.leader_among(&[rest[0], rest[1], spare]).await, spare);
        let new = sim.join_through(spare, MORE[1], 41, false).await;
        sim.store(new).wait_ready(Duration::from_secs(10)).await.unwrap();
        assert_eq!(sim.members(new).await, sim.members(spare).await);
    });
}

/// A voter that is cut off while another is replaced: its vote is needed by nodes that it never heard of.
#[test]
fn a_voter_that_was_cut_off_follows_a_leader_it_has_not_heard_of() {
    simulate("a_voter_that_was_cut_off", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let leader = sim.leader().await;
        let (away, gone) = ((leader + 1) % 3, (leader + 2) % 3);
        sim.isolate(away);
        let new = sim.join_through(leader, MORE[0], 50, true).await;
        sim.isolate(away);
        sim.decide(leader, RetireNode { node: sim.id(gone) }).await;
        sim.until_voters(leader, &[leader, away, new]).await;
        sim.crash(gone).await;
        sim.crash(leader).await;
        sim.net.heal();
        assert_eq!(sim.leader_among(&[away, new]).await, new, "the other's log is too old");
        sim.store(away).wait_ready(Duration::from_secs(10)).await.unwrap();
        sim.store(away).propose(create(1, 3_000), None).await.unwrap();
    });
}

/// The same, where the voter learns of the join well before it learns of the membership.
#[test]
fn a_voter_that_was_cut_off_hears_its_leader_between_the_join_and_the_membership() {
    simulate("a_voter_that_was_cut_off_hears", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let leader = sim.leader().await;
        let (away, gone) = ((leader + 1) % 3, (leader + 2) % 3);
        sim.isolate(away);
        let writing: Vec<_> = (1..9)
            .map(|writer| {
                let store = sim.store(leader).clone();
                tokio::spawn(async move {
                    for number in 0..10 {
                        store.propose(create(100 * writer + number, 3_000), None).await.unwrap();
                    }
                })
            })
            .collect();
        let new = sim.join_through(leader, MORE[0], 50, true).await;
        sim.isolate(away);
        futures::future::join_all(writing).await;
        sim.decide(leader, RetireNode { node: sim.id(gone) }).await;
        sim.until_voters(leader, &[leader, away, new]).await;
        sim.crash(gone).await;
        assert_eq!(sim.store(leader).step_down().await, Ok(sim.id(new)));
        sim.store(new).propose(create(1, 3_000), None).await.unwrap(); // it commits without the voter
        sim.net.heal();
        sim.store(away).wait_ready(Duration::from_secs(10)).await.unwrap();
        sim.crash(leader).await;
        sim.store(away).propose(create(2, 3_000), None).await.unwrap();
    });
}

impl Sim {
    async fn fresh_token(&self, at: usize) -> String {
        self.store(at).join_token(TOKEN_LASTS).await.unwrap().expose().to_owned()
    }
}

#[test]
fn a_killed_leader_is_succeeded_at_once() {
    simulate("a_killed_leader", |dice| async move {
        let mut sim = Sim::three(dice).await;
        let mut slowest = Duration::ZERO;
        for _ in 0..10 {
            let leader = sim.leader().await;
            let rest: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
            sleep(Duration::from_secs(2)).await; // the voters watch it
            let killed = tokio::time::Instant::now();
            sim.crash(leader).await;
            sim.leader_among(&rest).await;
            slowest = slowest.max(killed.elapsed());
            sim.start(leader).await;
            sim.store(leader).wait_ready(Duration::from_secs(10)).await.unwrap();
        }
        println!("slowest fail-over of ten (simulated): {slowest:?}");
        assert!(slowest < Duration::from_millis(250), "{slowest:?}: its silence was waited for");
    });
}

#[test]
fn a_leader_that_one_voter_cannot_reach_leads_on() {
    simulate("a_leader_that_one", |dice| async move {
        let sim = Sim::three(dice).await;
        let leader = sim.leader().await;
        let term = sim.store(leader).status().term;
        let one = (leader + 1) % 3;
        sim.net.refuse(sim.nodes[one].name, sim.nodes[leader].name);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(sim.store(leader).status().term, term, "one voter's finding is nobody's verdict");
        sim.net.heal();
        sim.until("all is well", || async { sim.store(one).status().ready }).await;
        assert_eq!(sim.leader().await, leader);
    });
}
