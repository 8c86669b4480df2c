//! `keyraft backup`: made by a running cluster, checked and restored anywhere.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Connection, Format, output};
use crate::backup::heir::{self, Terms};
use crate::backup::manifest::Manifest;
use crate::backup::open::{self, Opened};
use crate::backup::{restore, target};
use crate::config::Config;

/// See the module.
#[derive(Args)]
pub struct BackupArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a backup at the cluster's target
    Create,
    /// Lists the backups at the cluster's target, oldest first
    List,
    /// Checks a backup, offline, and says what it holds
    Verify {
        /// Its folder, or s3://bucket/prefix/name with --config
        backup: String,
        /// A node's configuration: its root opens every row, to be checked
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Makes an empty node go on from a backup, first of a new cluster
    Restore {
        /// The backup's folder, or s3://bucket/prefix/name
        backup: String,
        /// The new node's configuration
        #[arg(long)]
        config: PathBuf,
        /// The journal of an old node, <data_dir>/journal; as many as there are
        #[arg(long = "journal", value_name = "FOLDER")]
        journals: Vec<PathBuf>,
        #[command(flatten)]
        terms: Terms,
    },
}

const COLUMNS: &[output::Column] = &[
    ("NAME", "/name"),
    ("INDEX", "/index"),
    ("TENANTS", "/tenants"),
    ("ROWS", "/rows"),
    ("BYTES", "/bytes"),
];

/// Makes, lists, checks or restores.
pub fn run(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let format = args.connection.output;
    match &args.command {
        Command::Create => {
            let made = args.connection.api()?.post("/v1/backups", &json!({}), &super::idempotency_key()?)?;
            output::print(format, &made, COLUMNS);
            if format == Format::Table {
                say(&format!("\n{}", made["location"].as_str().unwrap_or_default()));
            }
        }
        Command::List => {
            let listed = args.connection.api()?.get("/v1/backups")?["items"].take();
            output::print(format, &listed, COLUMNS);
        }
        Command::Verify { backup, config } => verify(backup, config.as_deref())?,
        Command::Restore { backup, config, journals, terms } => {
            let config = Config::load(config)?;
            let restored = super::block_on(async {
                let found = target::fetch(backup, config.backup.s3.as_ref()).await?;
                restore::restore(&found.folder, &config, journals, terms).await
            })??;
            report(&restored, &config);
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::print_stdout)] // the answer of a command
fn say(line: &str) {
    println!("{line}");
}

fn verify(backup: &str, config: Option<&Path>) -> anyhow::Result<()> {
    let Some(config) = config else {
        let found = super::block_on(target::fetch(backup, None))??;
        describe(&open::check_files(&found.folder)?);
        say("\nok: the files are those of the manifest; with --config every row is checked too");
        return Ok(());
    };
    let config = Config::load(config)?;
    let opened = super::block_on(async {
        let found = target::fetch(backup, config.backup.s3.as_ref()).await?;
        let root = config.platform_root.barrier.open(&config.roots).await?;
        open::open(&found.folder, root.as_ref()).await
    })??;
    let Opened { manifest, contents, .. } = &opened;
    describe(manifest);
    /// Tables by their number, as rows have it.
    const TABLES: [&str; 9] =
        ["cluster", "tenants", "services", "objects", "requests", "nodes", "boots", "tickets", "groups"];
    let rows = contents.tables.iter().map(|(table, rows)| {
        let name = TABLES.get(usize::from(*table)).copied().unwrap_or("others");
        format!("{name} {rows}")
    });
    say(&format!("holds     {}", rows.collect::<Vec<_>>().join(", ")));
    say("\nok: every row opens, and together they make the state the manifest describes");
    Ok(())
}

fn describe(manifest: &Manifest) {
    let nodes: Vec<&str> = manifest.nodes.iter().map(|node| node.name.as_str()).collect();
    say(&format!("backup    {}", manifest.name));
    say(&format!("created   {} by keyraft {}", manifest.created, manifest.software));
    say(&format!("realm     {}", manifest.realm));
    say(&format!("cluster   {}, region {}", manifest.cluster_id, manifest.region));
    say(&format!("nodes     {}", nodes.join(", ")));
    say(&format!("entry     {} of term {}", manifest.last.index, manifest.last.term));
    say(&format!("rows      {}, tenants {}", manifest.rows, manifest.tenants));
    say(&format!("bytes     {}", manifest.snapshot.bytes + manifest.keyring.bytes));
}

fn report(restored: &restore::Restored, config: &Config) {
    let restore::Restored { manifest, replayed, last, heir } = restored;
    say(&format!("backup    {}, entry {}", manifest.name, manifest.last.index));
    say(&format!("journal   {} entries, {} withdrawals", replayed.entries, replayed.withdrawals));
    for gap in &replayed.gaps {
        say(&format!("missing   entries {} to {}", gap.from, gap.to));
    }
    say(&format!("lost      whatever followed entry {last}"));
    heir::report(heir, config);
}
