//! Mistakes put back in: each must be noticed within two hundred seeds. Built with the
//! feature `danger-planted-bugs`, which nothing else turns on: `make planted-bugs`.

// A test says what it saw.
#![allow(clippy::print_stdout)]

use chaos::sim::bugs::Bug;
use chaos::sim::campaign::play;

const SEEDS_TO_NOTICE: u64 = 200;

#[test]
fn mistakes_in_serving_and_on_the_disk_are_noticed() {
    each_is_noticed(Bug::OUTSIDE);
}

#[test]
fn mistakes_inside_the_store_are_noticed() {
    each_is_noticed(Bug::INSIDE);
}

fn each_is_noticed(bugs: &[Bug]) {
    let mut missed = Vec::new();
    for bug in bugs {
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
