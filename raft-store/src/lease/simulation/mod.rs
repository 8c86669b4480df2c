//! The theorem under fire: whole clusters with delays, partitions, pauses, kills, clock errors,
//! membership and leader changes, decided by one seed each. Nobody may be answered with what was
//! withdrawn and acknowledged before the request began; after healing everything must go on. Every
//! known way to get it wrong is planted once, and the checker must see it.

mod clients;
mod faults;
mod node;
mod raft;
mod rng;
mod serve;
mod world;

use world::{Summary, World};

/// Mistakes that once looked harmless (CONSISTENCY 2 and 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The lease begins when the reply arrives.
    StampedAtReply,
    /// Renewals are answered without a quorum round: a deposed leader answers too.
    LeaseRead,
    /// The generation is loaded before the lease is captured.
    LookupBeforeCapture,
    /// The last check takes whatever lease is current then.
    SecondCheckAgainstNewer,
    /// The applied index is told before the generation is swapped.
    AppliedBeforeGeneration,
    /// A cache fill inserts although a withdrawal closed its epoch meanwhile.
    UnguardedFill,
    /// A new leader acts as if it had led for ever.
    NewLeaderSkipsWait,
    /// Nodes that are retiring are not waited for.
    BarrierSetWithoutRetiring,
}

const BUGS: [Bug; 8] = [
    Bug::StampedAtReply,
    Bug::LeaseRead,
    Bug::LookupBeforeCapture,
    Bug::SecondCheckAgainstNewer,
    Bug::AppliedBeforeGeneration,
    Bug::UnguardedFill,
    Bug::NewLeaderSkipsWait,
    Bug::BarrierSetWithoutRetiring,
];

/// Runs of a correct cluster, each 41 simulated seconds.
const RUNS: u64 = 80;
/// Runs within which a planted bug must show.
const RUNS_TO_CATCH: u64 = 400;

const REPLAY: &str = "cargo test --release -p raft-store lease::simulation";

/// The first seeds; `LEASE_SEED` replays one run.
fn seeds(runs: u64) -> std::ops::Range<u64> {
    match std::env::var("LEASE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..runs,
    }
}

#[test]
fn nobody_is_answered_after_the_acknowledgement_and_the_cluster_heals() {
    let runs = std::env::var("LEASE_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    let mut total = Summary::default();
    for seed in seeds(runs) {
        match World::new(seed, None).run() {
            Ok(run) => total.add(run),
            Err(broken) => panic!("{broken}\nreplay: LEASE_SEED={seed} {REPLAY}::nobody"),
        }
    }
    println!("{runs} runs: {total:?}");
    let rare = total.timed_out.min(total.lost);
    assert!(total.answers > 1_000 && total.acknowledged > 5, "the runs did little: {total:?}");
    assert!(rare > 0 || seeds(runs).count() == 1, "no wait timed out or lost its leader: {total:?}");
}

#[test]
fn every_planted_bug_is_caught() {
    for bug in BUGS {
        let unsafe_run =
            |seed| World::new(seed, Some(bug)).run().err().filter(|broken| !broken.starts_with("liveness"));
        let caught = (0..RUNS_TO_CATCH).find_map(|seed| Some((seed, unsafe_run(seed)?)));
        let (seed, broken) = caught.unwrap_or_else(|| panic!("{bug:?} was never noticed"));
        println!("{bug:?}: seed {seed}: {broken}");
    }
}
