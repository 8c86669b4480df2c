//! Mistakes put back in: each must be noticed within two hundred seeds, which break nothing without it. Built
//! with the feature `danger-planted-bugs`, which nothing else turns on: `make planted-bugs`.

// A test says what it saw.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::env;
use std::path::Path;

use chaos::figures;
use chaos::sim::bugs::Bug;
use chaos::sim::campaign::{play, replay};
use serde_json::json;

const SEEDS: u64 = 200;

/// `PLANTED_FIGURES` names the file of figures to append to.
#[test]
fn every_mistake_is_noticed() {
    let (mut noticed, mut missed) = (BTreeMap::new(), Vec::new());
    for bug in Bug::OUTSIDE.iter().chain(Bug::INSIDE) {
        let campaign = play(0..SEEDS, Some(*bug), true);
        match campaign.broken.first_key_value() {
            Some((seed, broken)) => {
                println!("{bug:?}: seed {seed}: {}", broken.first().map_or("", String::as_str));
                noticed.insert(format!("{bug:?}"), *seed);
            }
            None => missed.push(*bug),
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
    if let Ok(file) = env::var("PLANTED_FIGURES") {
        let result = json!({ "kind": "planted", "seeds": SEEDS, "noticed": noticed });
        figures::append(Path::new(&file), &result).expect("the figures are written");
    }
}

#[test]
fn without_a_mistake_nothing_is_noticed() {
    let campaign = play(0..SEEDS, None, false);
    let broken: Vec<String> =
        campaign.broken.iter().map(|(seed, what)| format!("{}: {what:#?}", replay(*seed))).collect();
    assert!(broken.is_empty(), "again with {}", broken.join("\n"));
}
