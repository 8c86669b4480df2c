//! `keyraft audit`: checks and exports the audit log of a node, offline.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

/// See the module.
#[derive(Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks every record; names the first bad one
    Verify {
        /// Folder of the log: <data_dir>/audit
        folder: PathBuf,
    },
    /// Prints every record as a line of JSON
    Export {
        /// Folder of the log: <data_dir>/audit
        folder: PathBuf,
    },
}

/// Exit codes of `verify`: 0 ok, 2 altered, 3 gap, 4 signature, 5 truncated, 1 anything else.
#[allow(clippy::print_stdout)] // the answer of a command
pub fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let (Command::Verify { folder } | Command::Export { folder }) = &args.command;
    if !folder.is_dir() {
        let folder = folder.display();
        bail!("{folder} is no folder; give the audit folder of a node, <data_dir>/audit");
    }
    match &args.command {
        Command::Verify { folder } => match audit::verify(folder, &audit::Expect::default()) {
            Ok(report) => {
                println!(
                    "ok: records {} to {} in {} chains, {} files, {} process starts",
                    report.first_sequence, report.last_sequence, report.chains, report.segments, report.boots
                );
                Ok(ExitCode::SUCCESS)
            }
            Err(finding) => {
                eprintln!("keyraft: {finding}");
                Ok(ExitCode::from(finding.exit_code()))
            }
        },
        Command::Export { folder } => {
            use std::io::Write as _;
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            for record in audit::export(folder, 1)? {
                writeln!(out, "{}", record?.to_json())?;
            }
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
