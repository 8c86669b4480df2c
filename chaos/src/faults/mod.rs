//! What can happen to a node. To add a fault, write one file and one row in [`FAULTS`].

mod bit_rot;
mod bridge;
mod clock_jump;
mod deaf;
mod delay;
mod demote;
mod freeze;
mod full_disk;
mod isolate;
mod isolate_leader;
mod kill;
mod kill_leader;
mod loss;
mod mute;
mod power_cut;
mod power_cut_all;
mod slow_disk;
mod sync_error;
mod terminate;
mod wiped_disk;

use std::time::Duration;

use anyhow::bail;

use chaos::bed::{Bed, Missing};

use crate::cluster::Cluster;
use chaos::random::Random;

/// Every fault there is.
pub const FAULTS: &[Fault] = &[
    kill::FAULT,
    kill_leader::FAULT,
    freeze::FAULT,
    terminate::FAULT,
    isolate::FAULT,
    isolate_leader::FAULT,
    mute::FAULT,
    deaf::FAULT,
    bridge::FAULT,
    loss::FAULT,
    delay::FAULT,
    demote::FAULT,
    slow_disk::FAULT,
    full_disk::FAULT,
    sync_error::FAULT,
    clock_jump::FAULT,
    power_cut::FAULT,
    power_cut_all::FAULT,
    wiped_disk::FAULT,
    bit_rot::FAULT,
];

/// Something that happens to one node and ends.
#[derive(Debug)]
pub struct Fault {
    /// On the command line and in the result.
    pub name: &'static str,
    /// Whom it meets.
    pub victim: Victim,
    /// Shortest and longest time until it ends, in milliseconds.
    pub lasts_ms: (u64, u64),
    /// What the machine lacks for it, if anything.
    pub needs: fn(&Cluster) -> Result<(), String>,
    /// Whether clients of the node must see it, or only may.
    pub must_be_noticed: bool,
    /// Whether the node hears and reaches no other from then on.
    pub cuts_off: bool,
    /// Whether other nodes than the struck one may fail to serve meanwhile.
    pub everyone: bool,
    /// Whether it happens at one moment, so that the pause of writes after it can be told.
    pub at_once: bool,
    /// Makes it happen.
    pub strike: fn(&mut Cluster, usize) -> anyhow::Result<()>,
    /// Whether it has happened, seen from outside.
    pub has_bitten: fn(&Cluster, usize) -> bool,
    /// Ends it.
    pub heal: fn(&mut Cluster, usize) -> anyhow::Result<()>,
}

/// What is missing of a part of the testbed.
fn bed_part<T>(cluster: &Cluster, part: fn(&Bed) -> &Result<T, Missing>) -> Result<(), String> {
    let bed = cluster.bed().ok_or("the nodes were not prepared for it")?;
    part(bed).as_ref().map(drop).map_err(Clone::clone)
}

/// Whom a fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// Any node, by chance.
    Any,
    /// Any node that joined; not the one that began the cluster, which would begin another.
    Joined,
    /// The leader of the moment.
    Leader,
}

impl Fault {
    /// The faults with these names.
    pub fn select(names: &[String]) -> anyhow::Result<Vec<&'static Self>> {
        let find = |name: &String| match FAULTS.iter().find(|fault| fault.name == name) {
            Some(fault) => Ok(fault),
            None => {
                let known: Vec<&str> = FAULTS.iter().map(|fault| fault.name).collect();
                bail!("there is no fault {name:?}; there are {}", known.join(", "));
            }
        };
        if names == ["all"] {
            return Ok(FAULTS.iter().collect());
        }
        names.iter().map(find).collect()
    }
}

/// The faults this machine can do, and why it cannot do the others.
pub fn possible(faults: &[&'static Fault], cluster: &Cluster) -> (Vec<&'static Fault>, Vec<String>) {
    let mut skipped = Vec::new();
    let able = |fault: &&'static Fault| match (fault.needs)(cluster) {
        Ok(()) => true,
        Err(why) => {
            skipped.push(format!("{}: {why}", fault.name));
            false
        }
    };
    let able = faults.iter().copied().filter(able).collect();
    (able, skipped)
}

/// One step of the plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// Peace before it.
    pub pause: Duration,
    /// What happens.
    pub fault: &'static Fault,
    /// To whom, when any node will do.
    pub node: usize,
    /// For how long.
    pub lasts: Duration,
}

/// Shortest and longest peace between two faults, in milliseconds: so short that every fault has its turn in the
/// three minutes of `make proofs`.
const PAUSE_MS: (u64, u64) = (500, 1_500);

/// The endless plan that a seed decides: every fault once in random order, then any.
pub fn plan(faults: &[&'static Fault], seed: u64, nodes: usize) -> impl Iterator<Item = Step> {
    let mut random = Random::new(seed, 1);
    let mut first: Vec<&'static Fault> = faults.to_vec();
    for end in (1..first.len()).rev() {
        first.swap(end, random.index(end + 1));
    }
    let all = faults.to_vec();
    std::iter::from_fn(move || {
        let fault = first.pop().unwrap_or_else(|| all[random.index(all.len())]);
        let pause = random.between_ms(PAUSE_MS.0, PAUSE_MS.1);
        let lasts = random.between_ms(fault.lasts_ms.0, fault.lasts_ms.1);
        Some(Step { pause, fault, node: random.index(nodes), lasts })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(seed: u64) -> Vec<(&'static str, usize, Duration)> {
        let faults: Vec<_> = FAULTS.iter().collect();
        plan(&faults, seed, 3)
            .take(FAULTS.len() + 5)
            .map(|step| (step.fault.name, step.node, step.lasts))
            .collect()
    }

    #[test]
    fn a_seed_decides_the_plan_and_every_fault_comes_first_once() {
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        for seed in 0..50 {
            let mut first: Vec<_> = names(seed)[..FAULTS.len()].iter().map(|(name, ..)| *name).collect();
            first.sort_unstable();
            let mut all: Vec<_> = FAULTS.iter().map(|fault| fault.name).collect();
            all.sort_unstable();
            assert_eq!(first, all, "seed {seed}");
        }
    }

    #[test]
    fn every_fault_has_its_turn_in_three_minutes() {
        const PROOFS: Duration = Duration::from_secs(180);
        const UNTIL_SERVED: Duration = Duration::from_millis(2_500); // a restart takes half a second
        let faults: Vec<_> = FAULTS.iter().collect();
        for seed in 0..50 {
            let first = plan(&faults, seed, 3).take(FAULTS.len());
            let takes: Duration = first.map(|step| step.pause + step.lasts + UNTIL_SERVED).sum();
            assert!(takes < PROOFS, "seed {seed}: {takes:?}");
        }
    }

    #[test]
    fn unknown_faults_are_refused_with_the_known_ones() {
        let error = Fault::select(&["flood".to_owned()]).expect_err("there is none").to_string();
        assert!(error.contains("kill-leader"), "{error}");
    }
}
