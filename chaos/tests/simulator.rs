//! The simulator as CI runs it: some hundred seeds; and that it sees mistakes when they are there.

// A test says what it saw.
#![allow(clippy::print_stdout)]

use std::env;

use chaos::sim::bugs::Bug;
use chaos::sim::campaign::{play, replay};
use chaos::sim::run::run;

/// Enough for every fault to bite and every promise to be tested; a minute or two on two cores.
const SEEDS: u64 = 300;
/// Seeds within which a planted mistake must be noticed.
const SEEDS_TO_NOTICE: u64 = 200;

/// `SIM_SEEDS` plays another number of seeds.
fn seeds() -> u64 {
    env::var("SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

#[test]
fn no_promise_breaks_and_every_fault_bites() {
    let campaign = play(0..seeds(), None, false);
    let broken: Vec<String> =
        campaign.broken.iter().map(|(seed, what)| format!("{}: {what:#?}", replay(*seed))).collect();
    assert!(broken.is_empty(), "again with {}", broken.join("\n"));
    let not_exercised = campaign.not_exercised();
    assert!(not_exercised.is_empty(), "not exercised: {not_exercised:?}");
    println!("{:#}", campaign.value());
}

#[test]
fn a_seed_decides_everything() {
    for seed in [1, 2] {
        assert_eq!(run(seed, None), run(seed, None), "seed {seed} is played in two ways");
    }
}

#[test]
fn mistakes_in_serving_and_on_the_disk_are_noticed() {
    for bug in Bug::OUTSIDE {
        let campaign = play(0..SEEDS_TO_NOTICE, Some(*bug), true);
        let (seed, broken) =
            campaign.broken.first_key_value().unwrap_or_else(|| panic!("{bug:?} was not noticed"));
        println!("{bug:?}: seed {seed}: {}", broken.first().map_or("", String::as_str));
    }
}
