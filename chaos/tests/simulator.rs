//! The simulator as every test run has it: some dozen seeds. `make sim` plays hundreds.

// A test says what it saw.
#![allow(clippy::print_stdout)]

use std::{env, thread};

use chaos::sim::campaign::{play, replay};
use chaos::sim::run::run;

/// Enough for every fault to bite and every promise to be tested, and less than a minute on two cores.
const SEEDS: u64 = 40;

/// Played twice more each. The last one is not among the first dozens.
const TWICE: [u64; 3] = [3, 17, 104];

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

/// On two threads at once: what else the machine does must not matter.
#[test]
fn a_seed_decides_everything() {
    for seed in TWICE {
        let [first, second] = [(); 2].map(|()| thread::spawn(move || run(seed, None)));
        assert_eq!(first.join().unwrap(), second.join().unwrap(), "seed {seed}");
    }
}
