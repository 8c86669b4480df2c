//! Mistakes put back into the store itself: each must be noticed within two hundred seeds. Built with the
//! feature `danger-planted-bugs`, which nothing else turns on: `make planted-bugs`.

// A test says what it saw.
#![allow(clippy::print_stdout)]

use chaos::sim::bugs::Bug;
use chaos::sim::campaign::play;

const SEEDS_TO_NOTICE: u64 = 200;

#[test]
fn mistakes_inside_the_store_are_noticed() {
    let mut missed = Vec::new();
    for bug in Bug::INSIDE {
        let campaign = play(0..SEEDS_TO_NOTICE, Some(*bug), true);
        match campaign.broken.first_key_value() {
            Some((seed, broken)) => {
                println!("{bug:?}: seed {seed}: {}", broken.first().map_or("", String::as_str));
            }
            None => missed.push(*bug),
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
