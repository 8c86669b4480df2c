//! Random histories of commands, judged after every step by named invariants.
//!
//! Ids come from small pools, so that histories collide: names taken, handles re-drawn, revisions gone
//! stale, requests repeated. A failure prints its seed and the command that replays it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests stop at a surprise, and tell the seed")]

mod invariants;
mod script;
mod world;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use model::command::{Action, Answer};
use model::id::LogIndex;
use model::state::State;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use world::World;

/// Histories per run: each has up to [`script::STEPS_MAX`] steps and every step is judged, so that the
/// whole stays within a few seconds.
const HISTORIES: u32 = 1_000;

fn runner(cases: u32) -> TestRunner {
    let seed = std::env::var("PROPTEST_RNG_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("replay: PROPTEST_RNG_SEED={seed} cargo test --release --workspace --test properties");
    TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn every_invariant_holds_after_every_step() {
    let outcome = runner(HISTORIES).run(&script::history(), |history| {
        let mut world = World::new();
        for step in &history {
            world.take(step);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn the_same_log_gives_the_same_state_and_the_same_answers() {
    let outcome = runner(HISTORIES / 4).run(&script::history(), |history| {
        let mut world = World::new();
        for step in &history {
            world.take(step);
        }
        let mut replica = State::new(world::REGION);
        for (position, entry) in world.log.iter().enumerate() {
            let index = LogIndex(position as u64 + 1);
            prop_assert_eq!(&replica.apply(index, &entry.command), &entry.applied);
        }
        prop_assert!(replica == world.state, "the replica has another state");
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// The histories are worth judging only if they reach everything: each command accepted and (where it
/// can be) refused, each refusal given, requests replayed.
#[test]
fn histories_reach_every_command_and_refusal() {
    let config = Config { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let (mut accepted, mut refused, mut replayed) = (BTreeMap::new(), BTreeMap::new(), 0);
    // More than elsewhere: what takes several requests in a row is rare, and only its being reached is asked here.
    for _ in 0..3 * HISTORIES {
        let history = script::history().new_tree(&mut runner).unwrap().current();
        let mut world = World::new();
        for step in &history {
            world.take(step);
        }
        for entry in &world.log {
            match &entry.applied.answer {
                Answer::Refused(refusal) => *refused.entry(variant(refusal)).or_insert(0_u32) += 1,
                _ => *accepted.entry(entry.command.action.name()).or_insert(0_u32) += 1,
            }
            replayed += u32::from(entry.replays.is_some());
        }
    }
    for name in Action::NAMES {
        assert!(accepted.contains_key(name), "no history has {name} accepted: {accepted:?}");
    }
    for expected in REACHED {
        assert!(refused.contains_key(*expected), "no history is refused with {expected}: {refused:?}");
    }
    assert!(replayed > 100, "only {replayed} replays");
}

/// Every refusal that small histories can meet; the limits have tests of their own.
const REACHED: &[&str] = &[
    "TenantUnknown",
    "TenantNameTaken",
    "HandleTaken",
    "WrongRegion",
    "TenantSuspended",
    "TenantTerminated",
    "ServiceUnknown",
    "ServiceSuspended",
    "ServiceShredded",
    "VersionConflict",
    "RevisionConflict",
    "ObjectUnknown",
    "ObjectExists",
    "NameTaken",
    "WrongState",
    "IdempotencyKeyReused",
    "Archived",
    "NotArchived",
    "UsageSpent",
    "AttributeUnknown",
    "Contradiction",
    "BadTogether",
    "TicketUnknown",
    "TicketSpent",
    "GroupMoved",
    "DeactivationDue",
    "WrongKind",
    "TenantUnlinked",
    "TenantReadOnly",
    "RootUnknown",
    "RootExists",
    "RootInUse",
    "JobUnknown",
    "JobRunning",
    "JobMoved",
    "JobPointless",
];

fn variant(refusal: &model::refusal::Refusal) -> String {
    let text = format!("{refusal:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}
