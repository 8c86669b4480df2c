//! Plays many seeds of the simulator, or one again, and says what they met.

use std::path::PathBuf;
use std::process::ExitCode;

use chaos::figures;
use chaos::sim::campaign::{self, Campaign, replay};
use clap::Parser;

/// Exit code of a set that broke no promise, but did not put all of them to the test.
const NOT_EXERCISED: u8 = 2;

/// Which seeds.
#[derive(Debug, Parser)]
#[command(name = "sim", version, about = "Plays simulated clusters under faults, one per seed")]
struct Args {
    /// How many seeds
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This seed alone
    #[arg(long)]
    seed: Option<u64>,
    /// Appends the result to this file of figures and rewrites the page beside it
    #[arg(long)]
    figures: Option<PathBuf>,
}

#[allow(clippy::print_stderr)] // the failure of a command
fn main() -> ExitCode {
    let args = Args::parse();
    // SIM_LOG=raft_store=debug,openraft=info shows what happens.
    if let Ok(filter) = std::env::var("SIM_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).init();
    }
    let seeds = args.seed.map_or(args.from..args.from.saturating_add(args.seeds), |seed| seed..seed + 1);
    let campaign = campaign::play(seeds, None, false);
    if let Some(file) = &args.figures
        && let Err(error) = figures::append(file, &campaign.value())
    {
        eprintln!("sim: {error:#}");
        return ExitCode::FAILURE;
    }
    print(&campaign);
    // One seed meets what it meets.
    match (campaign.broken.is_empty(), args.seed.is_some() || campaign.not_exercised().is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(NOT_EXERCISED),
        (true, true) => ExitCode::SUCCESS,
    }
}

#[allow(clippy::print_stdout)] // the answer of a command
fn print(campaign: &Campaign) {
    let value = campaign.value();
    println!("{:<16} {:>7} {:>7} {:>12} {:>12}", "fault", "struck", "bitten", "back p50 ms", "back max ms");
    for fault in value["faults"].as_array().into_iter().flatten() {
        let recovery = &fault["recovery_ms"];
        println!(
            "{:<16} {:>7} {:>7} {:>12} {:>12}",
            fault["fault"].as_str().unwrap_or_default(),
            fault["struck"],
            fault["bitten"],
            recovery["p50"],
            recovery["max"],
        );
    }
    for (promise, tests) in value["promises_tested"].as_object().into_iter().flatten() {
        println!("{promise:<32} put to the test {tests} times");
    }
    println!("last serve after a cut           {} ms", value["worst_serve_after_cut_ms"]);
    println!("asked, while cut off, for what was withdrawn {} times", value["withdrawn_asked_while_cut_off"]);
    println!("\n{} seeds in {} s", campaign.seeds, campaign.took.as_secs());
    for (seed, broken) in &campaign.broken {
        println!("\nBROKEN, seed {seed}; again with: {}", replay(*seed));
        broken.iter().for_each(|what| println!("  {what}"));
    }
    campaign.not_exercised().iter().for_each(|what| println!("\nNOT EXERCISED: {what}"));
    println!("\n{}", if campaign.broken.is_empty() { "PASSED" } else { "FAILED" });
}
