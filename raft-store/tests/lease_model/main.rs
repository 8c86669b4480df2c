//! Lease, barrier and leader change, checked exhaustively: every order of every step within small bounds
//! (CONSISTENCY 2 and 3). The simulator in `src/lease` runs the real code on random schedules; this model has only
//! the rules, and visits all schedules.
//!
//! One withdrawal, a change of leader, and one node that is watched: the first leader, the second, or a third, which
//! may be removed. Raft is what its safety makes of it: one sequence of committed entries, and a quorum round succeeds
//! only for the leader of the highest term. Clocks are equal; what their errors cost is arithmetic, proved in
//! `lease::clock`.

// A failed check panics, and says which path leads to it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod rules;

use std::time::Instant;

use rules::{Bug, Cluster};
use stateright::{Checker, Model};

/// Beside other tests, in seconds.
const THREADS: usize = 1;

/// A good million states.
#[test]
fn no_answer_follows_the_acknowledgement() {
    check(Cluster { length: 2, bug: None });
}

/// Some ten times as many.
#[test]
#[ignore = "time in quarters of a lease takes minutes: cargo test --release --workspace --test lease_model -- --ignored"]
fn no_answer_follows_the_acknowledgement_with_finer_time() {
    check(Cluster { length: 4, bug: None });
}

/// The model finds every mistake it was made for: a model that could not would prove nothing.
#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        let begun = Instant::now();
        let checker = Cluster { length: 1, bug: Some(bug) }.checker().threads(THREADS).spawn_bfs().join();
        let found = checker.discovery(rules::SAFE);
        let found = found
            .unwrap_or_else(|| panic!("{bug:?} was not found in {} states", checker.unique_state_count()));
        println!("{bug:?}: {} steps, found in {:?}", found.into_actions().len(), begun.elapsed());
    }
}

fn check(model: Cluster) {
    let begun = Instant::now();
    let checker = model.checker().threads(THREADS).spawn_bfs().join();
    println!("{} states in {:?}", checker.unique_state_count(), begun.elapsed());
    checker.assert_properties();
}
