//! `keyraft bench`: how many keys a second, how fast, at what price.
//!
//! A closed loop over mutual TLS: every connection sends its next request when the answer to the last one
//! is there, so the number of connections is the load. With `--echo` the same bytes go to a bare TLS
//! server in a process of its own, in turn with the nodes: the ratio says what keys cost beyond TLS on
//! this machine, in this minute.

mod cpu;
mod echo;
mod load;
mod report;
mod request;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use client::Connector;

use self::load::{Slice, Tally, Target};
use self::report::Row;
use self::request::{Operation, Prepared};
use super::kmip::KmipArgs;
use super::{Format, output};

/// Longest run of one row: a benchmark that nobody waits for is left behind running.
const SECONDS_MAX: u64 = 600;
/// Most connections of one row: a node takes 8,192 from one address.
const CONNECTIONS_MAX: u64 = 4_096;
/// Each target is measured in so many slices, in turn with the other: what else the machine does meanwhile
/// then meets both.
const SLICES: u32 = 2;
/// For a handshake among thousands on a busy machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How to load which nodes.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Connections at once; one row each
    #[arg(long, value_delimiter = ',', default_value = "1,8,64",
          value_parser = clap::value_parser!(u64).range(1..=CONNECTIONS_MAX))]
    connections: Vec<u64>,
    /// Seconds to measure each row, after the warm-up
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// What to ask for
    #[arg(long, value_enum, default_value_t = Operation::CreateGet)]
    operation: Operation,
    /// Load the first node, or spread the connections over all
    #[arg(long, value_enum, default_value_t = Nodes::First)]
    nodes: Nodes,
    /// Also load a bare TLS server, in turn, and print the ratio
    #[arg(long)]
    echo: bool,
    #[command(flatten)]
    kmip: KmipArgs,
    /// Process ids of the nodes, in node order, to measure their CPU time
    #[arg(long, env = "KEYRAFT_PIDS", value_delimiter = ',', hide_env_values = true)]
    server_pid: Vec<u32>,
    /// Threads of the load generator; 0 takes half of the cores
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Be the bare TLS server
    #[arg(long, hide = true)]
    echo_server: bool,
}

/// Which nodes take the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Nodes {
    /// Every connection goes to the first node.
    First,
    /// Connections are spread over all nodes.
    All,
}

/// Measures, prints, and fails when a request failed: such figures are worth nothing.
pub fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    if args.echo_server {
        return echo::serve().map(|()| ExitCode::SUCCESS);
    }
    let mut keyraft = keyraft(args)?;
    let prepared = Prepared::new(args.operation, &keyraft.connectors[0])?;
    let echo = args.echo.then(|| echo::Child::start(&prepared)).transpose()?;
    keyraft.request = Some(prepared);
    let targets: Vec<Arc<Target>> =
        std::iter::once(Arc::new(keyraft)).chain(echo.as_ref().map(echo::Child::target)).collect();

    let mut rows = Vec::new();
    for connections in &args.connections {
        rows.extend(measure(args, &targets, usize::try_from(*connections)?)?);
    }
    report::print(args.output, args.operation, &rows);
    let errors: u64 = rows.iter().map(|row| row.tally.errors).sum();
    for row in &rows {
        if let Some(error) = &row.tally.first_error {
            eprintln!("keyraft: {} with {} connections: {error}", row.target, row.connections);
        }
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One row for each target, measured in turns.
fn measure(args: &BenchArgs, targets: &[Arc<Target>], connections: usize) -> anyhow::Result<Vec<Row>> {
    let half_of_the_cores = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2);
    let threads = if args.threads == 0 { half_of_the_cores } else { args.threads };
    let mut rows: Vec<Row> = targets.iter().map(|target| Row::new(target, connections)).collect();
    let measured = Duration::from_secs(args.seconds) / SLICES;
    for _ in 0..SLICES {
        for (target, row) in targets.iter().zip(&mut rows) {
            let slice = Slice { connections, threads: threads.min(connections), measured };
            let tally: Tally = load::run(target, &slice)?;
            row.tally.add(&tally)?;
        }
    }
    Ok(rows)
}

/// The nodes under load.
fn keyraft(args: &BenchArgs) -> anyhow::Result<Target> {
    let mut settings = args.kmip.settings()?;
    let mut pids = args.server_pid.clone();
    if args.nodes == Nodes::First {
        settings.nodes.truncate(1);
        pids.truncate(1);
    }
    settings.timeouts.connect = CONNECT_TIMEOUT;
    Ok(Target { name: "keyraft", connectors: Connector::all(&settings)?, pids, request: None, answers: true })
}
