//! Dates that have come take effect by themselves; an identifier says its first state.

#![allow(clippy::unwrap_used, reason = "tests stop at a surprise")]

use model::object::KeyState::{self, Active, Compromised, Deactivated, Destroyed, PreActive};
use model::object::{Lifecycle, ephemeral_lifecycle};
use model::time::ClusterTime;
use model::uid::Uid;

const BEFORE: Option<u64> = Some(99);
const NOW: ClusterTime = ClusterTime(100_999);
const JUST_NOW: Option<u64> = Some(100);
const AFTER: Option<u64> = Some(101);

#[track_caller]
fn check(stored: KeyState, activation: Option<u64>, deactivation: Option<u64>, expected: KeyState) {
    let lifecycle =
        Lifecycle { state: stored, deactivation_date: deactivation, ..Lifecycle::new(50, activation) };
    assert_eq!(lifecycle.state_at(NOW), expected);
}

#[test]
fn dates_that_have_come_take_effect() {
    check(PreActive, None, None, PreActive);
    check(PreActive, AFTER, None, PreActive);
    check(PreActive, JUST_NOW, None, Active);
    check(PreActive, BEFORE, AFTER, Active);
    check(PreActive, BEFORE, JUST_NOW, Deactivated);
    check(PreActive, None, BEFORE, PreActive);
    check(PreActive, AFTER, BEFORE, PreActive);
    check(Active, AFTER, None, Active);
    check(Active, BEFORE, AFTER, Active);
    check(Active, BEFORE, JUST_NOW, Deactivated);
}

#[test]
fn what_a_request_decided_no_date_undoes() {
    for state in [Deactivated, Compromised, Destroyed] {
        check(state, AFTER, AFTER, state);
        check(state, BEFORE, BEFORE, state);
    }
}

/// The design's known identifiers of kinds 1, 4 and 5.
#[test]
fn an_identifier_says_its_first_state() {
    for (text, expected) in [
        ("ceabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkfx7vrsoov2uabn", PreActive),
        ("ieabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkf2yamsajdw3oai", Active),
        ("keabcirtaaaaakqaamaaaaaaamqaaaam6qo55meqdz5ghxdgsqmiwuiegw6lq4zt", Active),
    ] {
        let lifecycle = ephemeral_lifecycle(&Uid::parse(text).unwrap());
        // Its creation time is never compared with a clock: the answer is the same at any time.
        for now in [ClusterTime(0), ClusterTime(u64::MAX)] {
            assert_eq!(lifecycle.state_at(now), expected, "{text}");
        }
    }
}
