//! The result: for programs as JSON, for people on a page of 80 columns.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cluster::NODES;
use crate::faults::Fault;
use crate::figures::spread;
use crate::invariants::{Promise, Violation};
use crate::judge::Settled;
use crate::ledger::{Ledger, Outcome};
use crate::timeline::{Miss, Probed, Strike, lost_on_survivors};

/// Lost derivations shown in full.
const LOST_SHOWN: usize = 20;
/// Violations printed; the result file has more.
const VIOLATIONS_PRINTED: usize = 5;

/// Everything there is to say about a run.
pub struct Report {
    /// Broken promises: the run failed.
    pub violations: Vec<Violation>,
    /// What the run did not put to the test: it proves nothing about that.
    pub not_exercised: Vec<String>,
    replay: String,
    value: Value,
}

impl Report {
    /// Puts the run together.
    pub fn new(
        replay: String,
        seed: u64,
        seconds: u64,
        faults: &[&'static Fault],
        skipped: &[String],
        strikes: &[Strike],
        probed: &[Probed; NODES],
        ledger: &Ledger,
        healed: Duration,
        settled: Settled,
    ) -> Self {
        let book = ledger.book();
        let not_exercised = not_exercised(faults, strikes, book.withdrawn_asked, |promise| {
            book.tests.get(&promise).copied().unwrap_or(0)
        });
        let missed: Vec<Miss> = probed.iter().flat_map(|probed| probed.missed.iter().cloned()).collect();
        let lost = lost_on_survivors(strikes, &missed);
        let derived: u64 = probed.iter().map(|probed| probed.succeeded).sum();
        let slowest = probed.iter().map(|probed| probed.slowest).max().unwrap_or_default();
        let tests: serde_json::Map<String, Value> = Promise::ALL
            .iter()
            .map(|promise| (promise.name().to_owned(), json!(book.tests.get(promise).copied().unwrap_or(0))))
            .collect();
        let violations: Vec<Value> = book
            .violations
            .iter()
            .map(|broken| {
                let object = broken.object.as_ref().map(|object| format!("{object:?}"));
                json!({ "promise": broken.promise.name(), "what": broken.what, "object": object })
            })
            .collect();
        let value = json!({
            "kind": "processes",
            "seed": seed,
            "seconds": seconds,
            "replay": replay,
            "passed": violations.is_empty() && not_exercised.is_empty(),
            "violations": violations,
            "not_exercised": not_exercised,
            "promises_tested": tests,
            "withdrawn_asked_while_cut_off": book.withdrawn_asked,
            "operations": operations(&book.counts),
            "skipped": skipped,
            "by_fault": by_fault(strikes, &book.counts),
            "faults": strikes,
            "recovery": {
                "write_gap_after_leader_loss_ms": spread(strikes.iter().filter_map(|strike| strike.write_gap)),
                "served_again_after_return_ms": spread(strikes.iter().map(|strike| strike.ready - strike.healed)),
                "final_heal_ms": healed.as_millis(),
            },
            "derivations": {
                "succeeded": derived,
                "slowest_ms": slowest.as_millis(),
                "lost_on_surviving_nodes": lost.len(),
                "lost": lost.iter().take(LOST_SHOWN).collect::<Vec<_>>(),
            },
            "settled": settled,
        });
        Self { violations: book.violations.clone(), not_exercised, replay, value }
    }

    /// For the file of figures.
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Writes the result file.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = format!("{:#}\n", self.value);
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Prints the page.
    #[allow(clippy::print_stdout)] // the answer of a command
    pub fn print(&self, file: &Path) {
        let value = &self.value;
        println!("\nfaults                     {:>8}", value["faults"].as_array().map_or(0, Vec::len));
        for (operation, outcomes) in value["operations"].as_object().into_iter().flatten() {
            let of = |outcome: &str| outcomes[outcome].as_u64().unwrap_or(0);
            let (ok, failed, unknown) = (of("ok"), of("failed"), of("unknown"));
            println!("{operation:<26} {ok:>8} ok  {failed:>7} failed  {unknown:>7} unknown");
        }
        for (promise, tests) in value["promises_tested"].as_object().into_iter().flatten() {
            println!("{promise:<34} put to the test {tests} times");
        }
        println!(
            "{:<34} {} times, while cut off",
            "asked for what was withdrawn", value["withdrawn_asked_while_cut_off"]
        );
        let recovery = &value["recovery"];
        let shown = |name: &str| {
            let spread = &recovery[name];
            let [p50, p95, max, count] = ["p50", "p95", "max", "count"].map(|figure| &spread[figure]);
            format!("p50 {p50} ms, p95 {p95} ms, max {max} ms, of {count}")
        };
        println!("writes back after leader loss      {}", shown("write_gap_after_leader_loss_ms"));
        println!("node serves after its return       {}", shown("served_again_after_return_ms"));
        let derivations = &value["derivations"];
        println!(
            "derivations on surviving nodes     {} lost (target 0)",
            derivations["lost_on_surviving_nodes"]
        );
        println!(
            "                                   of {}; slowest {} ms",
            derivations["succeeded"], derivations["slowest_ms"]
        );
        for lost in derivations["lost"].as_array().into_iter().flatten().take(3) {
            println!(
                "  node {} at {} ms: {}",
                lost["node"],
                lost["begun"],
                lost["why"].as_str().unwrap_or("")
            );
        }
        println!("\nresult       {}", file.display());
        println!("again with   {}", self.replay);
        for broken in self.violations.iter().take(VIOLATIONS_PRINTED) {
            println!("\nBROKEN {}: {}", broken.promise.name(), broken.what);
            broken.object.iter().for_each(|object| println!("  {object:?}"));
        }
        for skipped in self.value["skipped"].as_array().into_iter().flatten() {
            println!("\nSKIPPED: {}", skipped.as_str().unwrap_or_default());
        }
        for missing in &self.not_exercised {
            println!("\nNOT EXERCISED: {missing}");
        }
        match (self.violations.is_empty(), self.not_exercised.is_empty()) {
            (false, _) => println!("\nFAILED: {} promises broken", self.violations.len()),
            (true, false) => println!("\nNOT EXERCISED: no promise broken, but not all were put to the test"),
            (true, true) => println!("\nPASSED"),
        }
    }
}

type Counts = std::collections::BTreeMap<(&'static str, &'static str, Outcome), u64>;

fn operations(counts: &Counts) -> Value {
    let mut operations = serde_json::Map::new();
    for ((_, operation, outcome), count) in counts {
        let outcomes = operations.entry(*operation).or_insert_with(|| json!({}));
        let before = outcomes[outcome.name()].as_u64().unwrap_or_default();
        outcomes[outcome.name()] = json!(before + count);
    }
    Value::Object(operations)
}

/// What each fault did, in one line.
fn by_fault(strikes: &[Strike], counts: &Counts) -> Value {
    let names: std::collections::BTreeSet<_> = strikes.iter().map(|strike| strike.fault).collect();
    let line = |name: &&'static str| {
        let of_this = || strikes.iter().filter(|strike| strike.fault == *name);
        let count = |outcome| {
            let of = counts.iter().filter(|((fault, _, ended), _)| fault == name && *ended == outcome);
            of.map(|(_, count)| count).sum::<u64>()
        };
        json!({
            "fault": name,
            "struck": of_this().count(),
            "bitten": of_this().filter(|strike| strike.bitten).count(),
            "operations": {
                "ok": count(Outcome::Ok),
                "failed": count(Outcome::Failed),
                "unknown": count(Outcome::Unknown),
            },
            "recovery_ms": spread(of_this().map(|strike| strike.ready - strike.healed)),
            "write_gap_ms": spread(of_this().filter_map(|strike| strike.write_gap)),
            "last_serve_ms": of_this().filter_map(|strike| strike.last_serve).max().map(|last| last.as_millis()),
        })
    };
    names.iter().map(line).collect()
}

/// What would make the run's silence meaningless.
fn not_exercised(
    faults: &[&'static Fault],
    strikes: &[Strike],
    withdrawn_asked: u64,
    tests: impl Fn(Promise) -> u64,
) -> Vec<String> {
    let mut missing = Vec::new();
    for fault in faults {
        let of_this = || strikes.iter().filter(|strike| strike.fault == fault.name);
        if of_this().next().is_none() {
            missing.push(format!("the fault {} never struck; run longer", fault.name));
        }
        let unseen = |strike: &&Strike| fault.must_be_noticed && !strike.noticed;
        for strike in of_this().filter(|strike| !strike.bitten || unseen(strike)) {
            let (at, node) = (strike.struck.as_secs(), strike.node);
            let why = if strike.bitten { "no client noticed" } else { "the node was unharmed" };
            missing.push(format!("the fault {} on node {node} at {at} s did not bite: {why}", fault.name));
        }
        let lost = |strike: &&Strike| {
            fault.at_once && strike.was_leader && !strike.everyone && strike.write_gap.is_none()
        };
        let leaderless = of_this().filter(lost).count();
        if leaderless > 0 {
            missing
                .push(format!("writes did not come back during {leaderless} of the faults {}", fault.name));
        }
    }
    if withdrawn_asked == 0 && faults.iter().any(|fault| fault.cuts_off) {
        missing.push("nobody asked a node that was cut off for what was withdrawn meanwhile".to_owned());
    }
    for promise in Promise::ALL {
        if tests(promise) == 0 {
            missing.push(format!("{} was never put to the test", promise.name()));
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FAULTS;

    fn strike(fault: &'static str, bitten: bool, noticed: bool) -> Strike {
        let at = Duration::from_secs(1);
        let (node, was_leader, write_gap) = (0, false, None);
        Strike {
            fault,
            node,
            everyone: false,
            was_leader,
            struck: at,
            healed: at,
            ready: at,
            bitten,
            noticed,
            last_serve: None,
            write_gap,
        }
    }

    #[test]
    fn silence_counts_only_when_everything_was_put_to_the_test() {
        let faults: Vec<_> = FAULTS.iter().collect();
        let all: Vec<_> = FAULTS.iter().map(|fault| strike(fault.name, true, true)).collect();
        assert!(not_exercised(&faults, &all, 1, |_| 1).is_empty());
        assert_eq!(not_exercised(&faults, &all[1..], 1, |_| 1).len(), 1);
        assert_eq!(not_exercised(&faults, &all, 0, |_| 1).len(), 1);
        assert_eq!(not_exercised(&faults, &all, 1, |_| 0).len(), Promise::ALL.len());
        for (bitten, noticed) in [(false, true), (true, false)] {
            let mut weak = all.clone();
            weak[0] = strike(FAULTS[0].name, bitten, noticed);
            assert_eq!(not_exercised(&faults, &weak, 1, |_| 1).len(), 1);
        }
        let mut leaderless = all;
        leaderless[0].was_leader = true;
        assert_eq!(not_exercised(&faults, &leaderless, 1, |_| 1).len(), 1);
    }
}
