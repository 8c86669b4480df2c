//! Many seeds, on every core, and what they met between them. A fault that bit in no seed, or a promise that
//! none put to the test, makes the whole set "not exercised": its silence would mean nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bugs::Bug;
use super::faults::{ENDINGS, FAULTS};
use super::run::{Summary, run};
use crate::outcome::Outcome;
use crate::promise::Promise;

/// What a set of seeds did and met.
#[derive(Debug, Default)]
pub struct Campaign {
    /// The first seed.
    pub from: u64,
    /// Seeds played.
    pub seeds: u64,
    /// How long that took.
    pub took: Duration,
    /// By fault: how often it struck, how often it bit, and how long the cluster took to be in order again.
    pub strikes: BTreeMap<&'static str, Strikes>,
    /// Operations by fault of the moment, name and outcome.
    pub counts: BTreeMap<(&'static str, &'static str, Outcome), u64>,
    /// How often each promise was put to the test.
    pub tests: BTreeMap<Promise, u64>,
    /// How long a node that was cut off went on serving at most.
    pub worst_after_cut: Duration,
    /// How often such a node was asked for a key whose withdrawal was acknowledged.
    pub withdrawn_asked: u64,
    /// By seed: everything that happened, as one number.
    pub traces: BTreeMap<u64, u64>,
    /// Seeds that broke, and how.
    pub broken: BTreeMap<u64, Vec<String>>,
}

/// What became of one fault.
#[derive(Debug, Default)]
pub struct Strikes {
    /// How often it struck.
    pub struck: u64,
    /// How often it bit.
    pub bitten: u64,
    /// From its end until the cluster was in order.
    pub recoveries: Vec<Duration>,
}

/// Plays seeds on every core; ends early once one has broken, if asked to. The seeds before the first that
/// broke were all played.
pub fn play(seeds: Range<u64>, bug: Option<Bug>, stop_at_first: bool) -> Campaign {
    let begun = Instant::now();
    let (next, end) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
    let campaign = Mutex::new(Campaign::default());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) {
                        return;
                    }
                    let summary = run(seed, bug);
                    if stop_at_first && !summary.broken.is_empty() {
                        end.fetch_min(seed, Ordering::Relaxed);
                    }
                    campaign.lock().unwrap_or_else(PoisonError::into_inner).add(seed, summary);
                }
            });
        }
    });
    let mut campaign = campaign.into_inner().unwrap_or_else(PoisonError::into_inner);
    campaign.from = seeds.start;
    campaign.took = begun.elapsed();
    campaign
}

impl Campaign {
    fn add(&mut self, seed: u64, summary: Summary) {
        self.seeds += 1;
        self.traces.insert(seed, summary.trace);
        for (fault, bit, recovery) in summary.strikes {
            let strikes = self.strikes.entry(fault).or_default();
            strikes.struck += 1;
            strikes.bitten += u64::from(bit);
            strikes.recoveries.push(recovery);
        }
        for (what, count) in summary.counts {
            *self.counts.entry(what).or_default() += count;
        }
        for (promise, tests) in summary.tests {
            *self.tests.entry(promise).or_default() += tests;
        }
        self.worst_after_cut = self.worst_after_cut.max(summary.worst_after_cut);
        self.withdrawn_asked += summary.withdrawn_asked;
        if !summary.broken.is_empty() {
            self.broken.insert(seed, summary.broken);
        }
    }

    /// What the seeds did not put to the test.
    #[must_use]
    pub fn not_exercised(&self) -> Vec<String> {
        let idle = |fault: &str| self.strikes.get(fault).is_none_or(|strikes| strikes.bitten == 0);
        let faults = FAULTS.iter().chain(ENDINGS).filter(|fault| idle(fault.name));
        let promises = Promise::ALL.iter().filter(|promise| !self.tests.contains_key(promise));
        let faults = faults.map(|fault| format!("the fault {} bit in no seed", fault.name));
        faults
            .chain(promises.map(|promise| format!("{} was never put to the test", promise.name())))
            .collect()
    }

    /// For the result file.
    #[must_use]
    pub fn value(&self) -> Value {
        let faults = self.strikes.iter().map(|(name, strikes)| {
            let mut ms: Vec<u128> = strikes.recoveries.iter().map(Duration::as_millis).collect();
            ms.sort_unstable();
            let count = |outcome| {
                let of =
                    self.counts.iter().filter(|((fault, _, ended), _)| fault == name && *ended == outcome);
                of.map(|(_, count)| count).sum::<u64>()
            };
            json!({
                "fault": name,
                "struck": strikes.struck,
                "bitten": strikes.bitten,
                "operations": {
                    "ok": count(Outcome::Ok),
                    "failed": count(Outcome::Failed),
                    "unknown": count(Outcome::Unknown),
                },
                "recovery_ms": { "p50": ms.get(ms.len() / 2), "max": ms.last() },
            })
        });
        let tests: BTreeMap<_, _> =
            self.tests.iter().map(|(promise, tests)| (promise.name(), tests)).collect();
        json!({
            "kind": "simulator",
            "from": self.from,
            "seeds": self.seeds,
            "seconds": self.took.as_secs(),
            "broken": self.broken,
            "not_exercised": self.not_exercised(),
            "promises_tested": tests,
            "worst_serve_after_cut_ms": self.worst_after_cut.as_millis(),
            "withdrawn_asked_while_cut_off": self.withdrawn_asked,
            "faults": faults.collect::<Vec<_>>(),
        })
    }
}

/// The command that plays one seed again.
#[must_use]
pub fn replay(seed: u64) -> String {
    format!("make sim ARGS='--seed {seed}'")
}
