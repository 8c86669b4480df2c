//! etcd on this machine, beside keyraft: what a write costs, and how long the loss of a leader interrupts writes.
//!
//! Three members on loopback with etcd's own defaults. First both clusters take durable writes by turns, in the
//! same minutes. Then etcd's leader is killed with SIGKILL, and both others are asked to write, again and again,
//! until one acknowledges: what `chaos --faults kill-leader` says of keyraft then stands beside it. Kills only
//! processes it started.

mod members;
mod writes;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use chaos::figures;
use clap::Parser;
use serde_json::json;

use self::members::Etcd;

/// How often, and where to.
#[derive(Debug, Parser)]
#[command(name = "etcd", version, about = "Puts keyraft's questions to an etcd of this machine")]
struct Args {
    /// How many leaders to kill
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1000))]
    kills: u32,
    /// How many rounds of durable writes with each number of clients; 0 for none
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    rounds: u32,
    /// First of six ports on loopback
    #[arg(long, default_value_t = 23_790, value_parser = clap::value_parser!(u16).range(1024..65_000))]
    port: u16,
    /// Appends the results to this file of figures and rewrites the page beside it
    #[arg(long)]
    figures: Option<PathBuf>,
    /// The keyraft to stand beside; the one beside this binary when absent
    #[arg(long)]
    keyraft: Option<PathBuf>,
}

#[allow(clippy::print_stderr)] // the failure of a command
fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("etcd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout)] // the answer of a command
fn run(args: &Args) -> anyhow::Result<()> {
    let version = Command::new("etcd").arg("--version").output();
    let version = version.context("etcd is not installed; Debian has it as etcd-server")?;
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or_default().to_owned();
    let folder = tempfile::tempdir()?;
    let mut cluster = Etcd::start(folder.path(), args.port)?;
    cluster.leader()?;
    let publish = |value: &serde_json::Value| {
        println!("{value:#}");
        args.figures.as_deref().map_or(Ok(()), |file| figures::append(file, value))
    };
    if args.rounds > 0 {
        let keyraft = match &args.keyraft {
            Some(keyraft) => keyraft.clone(),
            None => std::env::current_exe()?.with_file_name("keyraft"),
        };
        let rows = writes::measure(&cluster, &keyraft, args.rounds)?;
        publish(&json!({ "kind": "writes", "version": version, "rows": rows }))?;
    }
    let mut gaps = Vec::new();
    for kill in 1..=args.kills {
        let leader = cluster.leader()?;
        let gap = cluster.without(leader)?;
        println!("etcd: {kill:>4}  writes paused {:.2} s", gap.as_secs_f64());
        gaps.push(gap);
    }
    if gaps.is_empty() {
        return Ok(());
    }
    publish(
        &json!({ "kind": "etcd", "version": version, "write_gap_after_leader_loss_ms": figures::spread(gaps) }),
    )
}
