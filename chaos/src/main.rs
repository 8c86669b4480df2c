//! Breaks a real cluster for a while and judges what is left.
//!
//! Three node processes on loopback, clients on all of them, faults at random; then everything heals and
//! every promise is checked against a ledger of what was acknowledged. The seed decides the plan of faults
//! and every client's choices; the machine decides the timing, so a seed repeats a run closely, not
//! exactly. A run proves only what it met: a fault that did not bite, or a promise that was never put to
//! the test, fails the run as "not exercised".
//!
//! Kills only processes it started, ends by itself, and leaves nothing behind but its result file.

mod audit;
mod faults;
mod invariants;
mod judge;
mod ledger;
mod load;
mod nemesis;
mod report;
mod timeline;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use chaos::{cluster, environment, figures, random};
use clap::Parser;

use self::cluster::Cluster;
use self::faults::Fault;
use self::ledger::Ledger;
use self::load::Load;
use self::report::Report;

/// Exit code of a run that broke no promise, but did not put all of them to the test.
const NOT_EXERCISED: u8 = 2;

/// What to break, for how long.
#[derive(Debug, Parser)]
#[command(name = "chaos", version, about = "Breaks a keyraft cluster for a while and judges what is left")]
pub struct Args {
    /// Seconds of faults; starting, healing and judging come on top
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Repeats the plan of an earlier run; random when absent
    #[arg(long)]
    seed: Option<u64>,
    /// Which faults, comma-separated; `all` for every one this machine can do
    #[arg(long, value_delimiter = ',', default_value = "kill,kill-leader,freeze")]
    faults: Vec<String>,
    /// Appends the result to this file of figures and rewrites the page beside it
    #[arg(long)]
    figures: Option<PathBuf>,
    /// The binary under test; the one beside this one when absent
    #[arg(long)]
    keyraft: Option<PathBuf>,
    /// Where the result goes as JSON; beside this binary when absent
    #[arg(long)]
    result: Option<PathBuf>,
    /// Keep the cluster's folder, with its logs
    #[arg(long)]
    keep: bool,
}

#[allow(clippy::print_stderr)] // the failure of a command
fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let faults = Fault::select(&args.faults)?;
    let seed = args.seed.unwrap_or_else(random::fresh_seed);
    let beside = std::env::current_exe()?;
    let keyraft = args.keyraft.clone().unwrap_or_else(|| beside.with_file_name("keyraft"));
    let result = args.result.clone().unwrap_or_else(|| beside.with_file_name("chaos-result.json"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = play(args, &faults, seed, &keyraft) => report,
            signal = interrupted() => Err(signal),
        }
    });
    // Whatever ended the run, the cluster's guard has stopped its processes by now.
    runtime.shutdown_timeout(Duration::from_secs(5));
    let report =
        report.with_context(|| format!("the run ended early; again with: {}", replay(args, seed)))?;
    report.write(&result)?;
    if let Some(figures) = &args.figures {
        figures::append(figures, report.value())?;
    }
    report.print(&result);
    Ok(match (report.violations.is_empty(), report.not_exercised.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(NOT_EXERCISED),
        (true, true) => ExitCode::SUCCESS,
    })
}

/// The command that plays the same plan again.
fn replay(args: &Args, seed: u64) -> String {
    let faults = args.faults.join(",");
    format!("make chaos ARGS='--seconds {} --seed {seed} --faults {faults}'", args.seconds)
}

#[allow(clippy::print_stdout)] // progress for whoever waits
async fn play(
    args: &Args,
    faults: &[&'static Fault],
    seed: u64,
    keyraft: &std::path::Path,
) -> anyhow::Result<Report> {
    println!("chaos: seed {seed}; again with: {}", replay(args, seed));
    let mut cluster = Cluster::start(keyraft, args.keep).await?;
    println!("chaos: three nodes are ready in {}", cluster.folder().display());
    if faults.iter().any(|fault| (fault.needs)(&cluster).is_err()) {
        cluster.prepare().await?;
        println!("chaos: every node stands on its own disk, control group and clock");
    }
    let (faults, skipped) = faults::possible(faults, &cluster);
    skipped.iter().for_each(|skipped| println!("chaos: SKIPPED {skipped}"));
    let faults = faults.as_slice();
    let ledger = Ledger::new();
    let load = Load::start(&cluster, &ledger, seed).await?;

    let strikes = nemesis::rage(&mut cluster, &load, faults, seed, Duration::from_secs(args.seconds)).await?;
    println!("chaos: {} faults done; healing", strikes.len());
    let load = load.stop().await?;
    let healed = judge::heal(&mut cluster).await?;
    println!("chaos: healed in {:.1} s; judging {} objects", healed.as_secs_f64(), ledger.len());
    let settled = judge::settle(&cluster, &ledger).await?;
    judge::kill_and_start_all(&mut cluster).await?;
    println!("chaos: every node was killed and is back; judging again");
    judge::settle_again(&cluster, &ledger).await?;
    cluster.stop().await?;
    audit::judge(&cluster, &ledger)?;
    Ok(Report::new(
        replay(args, seed),
        seed,
        args.seconds,
        faults,
        &skipped,
        &strikes,
        &load,
        &ledger,
        healed,
        settled,
    ))
}

async fn interrupted() -> anyhow::Error {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    anyhow::anyhow!("interrupted")
}
