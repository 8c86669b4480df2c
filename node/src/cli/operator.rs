//! `keyraft operator`: what is done to a node that does not run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::diagnose;
use crate::backup::heir::{self, Terms};
use crate::backup::recover::{self, Recovered};
use crate::config::Config;

/// See the module.
#[derive(Args)]
pub struct OperatorArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says what stands between a node and its service, also while it is down
    Diagnose {
        /// The node's configuration
        #[arg(long)]
        config: PathBuf,
    },
    /// After a lost quorum: makes a surviving node the first of a new cluster
    Recover {
        /// The survivor's configuration; it must not run
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        terms: Terms,
    },
}

/// Acts on a node's data.
pub fn run(args: &OperatorArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Diagnose { config } => diagnose::run(config),
        Command::Recover { config, terms } => {
            let config = Config::load(config)?;
            let recovered = super::block_on(recover::recover(&config, terms))??;
            report(recovered.as_ref(), &config);
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[allow(clippy::print_stdout)] // the answer of a command
fn report(recovered: Option<&Recovered>, config: &Config) {
    let Some(Recovered { last, committed, aside, heir }) = recovered else {
        println!("an interrupted recovery was ended; start the node");
        return;
    };
    println!("entry     {last}, known to be committed up to {committed}");
    println!("lost      whatever other nodes acknowledged after entry {last}");
    println!("aside     {}", aside.display());
    heir::report(heir, config);
}
