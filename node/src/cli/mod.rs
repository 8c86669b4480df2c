//! The command line: parse, act, answer with an exit code that means something.

pub mod api;
mod audit;
mod backup;
mod bench;
mod certificate;
mod diagnose;
mod events;
mod key;
mod kmip;
mod login;
mod operator;
mod output;
mod root;
mod service;
mod status;
mod tenant;
mod workflow;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::api::{Api, ApiError};
pub use self::output::Format;

/// Usage errors (BSD `sysexits.h`).
const EX_USAGE: u8 = 64;

/// What `--version` says; a build whose keys everybody knows says that first of all.
const VERSION: &str = if cfg!(feature = "danger-known-keys") {
    concat!(env!("CARGO_PKG_VERSION"), " DANGER: built with danger-known-keys, everybody knows its keys")
} else {
    env!("CARGO_PKG_VERSION")
};

#[derive(Parser)]
#[command(name = "keyraft", version = VERSION, about = "A cluster of nodes that hand out encryption keys over KMIP")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one node
    Server(crate::server::ServerArgs),
    /// Starts a development cluster on loopback
    Dev(crate::dev::DevArgs),
    /// Shows the nodes of the cluster
    Status(Connection),
    /// Lets nodes join, vote, leave and lead; diagnoses and recovers them
    Operator(operator::OperatorArgs),
    /// Creates, lists and changes tenants
    Tenant(tenant::TenantArgs),
    /// Lists and changes the services of a tenant
    Service(service::ServiceArgs),
    /// Denies client certificates on every node
    Certificate(certificate::CertificateArgs),
    /// Asks for dangerous deeds, and approves those of others
    Workflow(workflow::WorkflowArgs),
    /// Lists what happened
    Events(events::EventsArgs),
    /// Gets a token from an identity provider for the next commands
    #[command(override_usage = "keyraft login [OPTIONS] --issuer <ISSUER> --client-id <CLIENT_ID>\n       \
                                --client-secret-file <FILE>")]
    Login(login::LoginArgs),
    /// Shows who one is to the cluster
    Whoami(Connection),
    /// Makes, reads and ends keys over KMIP
    Key(key::KeyArgs),
    /// Checks and exports audit logs, offline
    Audit(audit::AuditArgs),
    /// Makes, checks and restores backups
    Backup(backup::BackupArgs),
    /// Measures Create and Get over mutual TLS
    Bench(bench::BenchArgs),
    /// Makes root keys; tests and switches the roots of tenants
    Root(root::RootArgs),
    /// Holds one HSM's module for a node, which starts it
    #[command(hide = true)]
    HsmWorker,
    /// Prints a shell completion script
    Completion {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// How to reach the cluster's administration interface.
#[derive(Args, Clone)]
pub struct Connection {
    /// Nodes, https://host:port, comma-separated; the first that answers
    #[arg(long, env = "KEYRAFT_ADDRS", value_delimiter = ',', global = true, hide_env_values = true)]
    addr: Vec<String>,
    /// Authority of the nodes' certificates (PEM)
    #[arg(long, env = "KEYRAFT_CACERT", global = true, hide_env_values = true)]
    ca: Option<PathBuf>,
    /// Bearer token
    #[arg(long, env = "KEYRAFT_TOKEN", global = true, hide_env_values = true)]
    token: Option<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Table, global = true)]
    output: Format,
    /// Prints the request as a command for curl instead of sending it
    #[arg(long, global = true)]
    curl: bool,
}

impl Connection {
    /// A client over these settings.
    ///
    /// # Errors
    /// Says which setting is missing.
    pub fn api(&self) -> anyhow::Result<Api> {
        let mut addresses = self.addr.clone();
        if addresses.is_empty() {
            addresses.extend(std::env::var("KEYRAFT_ADDR"));
        }
        let ca = self.ca.as_ref().ok_or_else(|| {
            anyhow::anyhow!(
                "no authority: set KEYRAFT_CACERT or pass --ca (keyraft dev writes both to <data>/env)"
            )
        })?;
        Ok(Api::new(addresses, ca, self.token.clone().or_else(login::kept))?.showing(self.curl))
    }
}

/// Parses the command line and acts.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EX_USAGE } else { 0 });
        }
    };
    match act(cli.command) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Says what went wrong; a request that was only to be shown is shown.
#[allow(clippy::print_stdout)] // the answer of a command
fn fail(error: &anyhow::Error) -> ExitCode {
    if let Some(ApiError::Shown(command)) = error.downcast_ref::<ApiError>() {
        println!("{command}");
        return ExitCode::SUCCESS;
    }
    eprintln!("keyraft: {error:#}");
    ExitCode::FAILURE
}

fn act(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Server(args) => crate::server::run(&args),
        Command::Dev(args) => crate::dev::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Status(connection) => status::run(&connection),
        Command::Operator(args) => operator::run(&args),
        Command::Tenant(args) => tenant::run(&args),
        Command::Service(args) => service::run(&args),
        Command::Certificate(args) => certificate::run(&args),
        Command::Workflow(args) => workflow::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Login(args) => login::run(&args),
        Command::Whoami(connection) => events::whoami(&connection),
        Command::Key(args) => key::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Root(args) => root::run(&args),
        Command::HsmWorker => Ok(keystore::providers::pkcs11::worker::run()),
        Command::Completion { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            clap_complete::generate(shell, &mut command, "keyraft", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs something that waits, for commands that need no runtime otherwise.
///
/// # Errors
/// If there are no threads to be had.
fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}

/// A fresh key, so that a request repeated on another node has its effect once.
///
/// # Errors
/// If the kernel gives no random bytes.
fn idempotency_key() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command and each below it, with how it is used.
    fn usages(command: &mut clap::Command, all: &mut Vec<(clap::Command, String)>) {
        let usage = command.render_usage().to_string();
        all.push((command.clone(), usage));
        command.get_subcommands_mut().for_each(|below| usages(below, all));
    }

    fn all_usages() -> Vec<(clap::Command, String)> {
        let (mut cli, mut all) = (<Cli as clap::CommandFactory>::command(), Vec::new());
        cli.build();
        usages(&mut cli, &mut all);
        all
    }

    #[test]
    fn how_a_command_is_used_fits_a_terminal() {
        for (_, usage) in all_usages() {
            assert!(usage.lines().all(|line| line.chars().count() <= 80), "{usage}");
        }
    }

    /// Where a usage was written by hand, to fit, it is a second list of what the command takes.
    #[test]
    fn how_a_command_is_used_names_what_it_wants_and_nothing_else() {
        for (command, usage) in all_usages() {
            for wanted in command.get_arguments().filter(|argument| argument.is_required_set()) {
                let value = wanted.get_value_names().and_then(<[_]>::first).expect("it takes a value");
                let long = wanted.get_long().map(|long| format!("--{long} ")).unwrap_or_default();
                assert!(usage.contains(&format!("{long}<{value}>")), "{long}<{value}>: {usage}");
            }
            for flag in usage.split(|letter: char| letter != '-' && !letter.is_ascii_alphanumeric()) {
                let long = flag.strip_prefix("--").filter(|long| !long.is_empty());
                let known = |long| command.get_arguments().any(|argument| argument.get_long() == Some(long));
                assert!(long.is_none_or(known), "{flag}: {usage}");
            }
        }
    }
}
