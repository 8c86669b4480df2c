//! Arrows only point down, and neighbours do not import each other.

use std::collections::BTreeSet;

use crate::workspace;

/// Every crate and its floor, as drawn in `ARCHITECTURE.md`.
const FLOORS: &[(&str, u8)] = &[
    ("model", 0),
    ("kmip", 0),
    ("crypto", 1),
    ("raft-store", 1),
    ("audit", 1),
    ("client", 1),
    ("keystore", 2),
    ("engine", 3),
    ("kmip-server", 4),
    ("admin-api", 4),
    ("node", 5),
    ("chaos", 6),
    ("benches", 6),
];

/// What the lowest floor must not reach, not even through others: no async, no clock, no randomness, no
/// I/O (`rand_core`, which a data structure brings along, is traits only).
const NOT_ON_FLOOR_0: &[&str] =
    &["tokio", "async-std", "futures", "rand", "getrandom", "fastrand", "chrono", "time", "mio", "socket2"];

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

#[test]
fn every_crate_has_a_floor() {
    let listed: BTreeSet<String> = FLOORS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed, workspace::members(), "the table of floors and the workspace differ");
}

#[test]
fn arrows_only_point_down() {
    for arrow in workspace::arrows() {
        let (Some(from), Some(to)) = (floor(&arrow.from), floor(&arrow.to)) else { continue };
        // A crate's tests may name the crate itself, to switch a feature on.
        let itself = arrow.from == arrow.to && arrow.kind == "dev";
        assert!(
            to < from || itself,
            "{} (floor {from}) imports {} (floor {to}) as a {} dependency: arrows only point down",
            arrow.from,
            arrow.to,
            arrow.kind,
        );
    }
}

#[test]
fn the_lowest_floor_is_pure() {
    for (name, _) in FLOORS.iter().filter(|(_, floor)| *floor == 0) {
        let tree = workspace::tree(Some(name), "normal,build");
        assert!(tree.len() > 1, "cargo tree listed nothing for {name}");
        for package in NOT_ON_FLOOR_0 {
            assert!(!tree.contains(*package), "{name} (floor 0) reaches {package}: that floor is pure");
        }
    }
}
