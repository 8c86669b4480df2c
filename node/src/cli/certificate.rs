//! `keyraft certificate`: client certificates that no node accepts any more.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Connection, output};

/// See the module.
#[derive(Args)]
pub struct CertificateArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand)]
enum Command {
    /// Denies a certificate on every node, open connections included
    Deny {
        #[command(flatten)]
        which: Which,
        /// Why, for people
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Takes a denial back
    Allow {
        #[command(flatten)]
        which: Which,
    },
    /// Lists the certificates that are denied
    List,
}

/// Which certificate is meant.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// A certificate in PEM: every certificate for its key is meant
    file: Option<PathBuf>,
    /// key:<SHA-256> or issued:<SHA-256 of the issuer's key>:<serial number>
    #[arg(long)]
    name: Option<String>,
}

impl Which {
    fn body(&self) -> anyhow::Result<Value> {
        match (&self.file, &self.name) {
            (Some(file), _) => {
                let pem = std::fs::read_to_string(file);
                Ok(json!({ "certificate": pem.with_context(|| format!("cannot read {}", file.display()))? }))
            }
            (None, name) => Ok(json!({ "name": name })),
        }
    }
}

const COLUMNS: &[output::Column] = &[("CERTIFICATE", "/name"), ("REASON", "/reason"), ("SINCE", "/since")];
const CHANGED_COLUMNS: &[output::Column] =
    &[("CERTIFICATE", "/name"), ("DENIED", "/denied"), ("EFFECTIVE EVERYWHERE", "/effective_everywhere_at")];

/// Acts on the certificate named.
pub fn run(args: &CertificateArgs) -> anyhow::Result<ExitCode> {
    let api = args.connection.api()?;
    let key = super::idempotency_key()?;
    let (answer, columns) = match &args.command {
        Command::Deny { which, reason } => {
            let mut body = which.body()?;
            body["reason"] = json!(reason);
            (api.post("/v1/certificates:deny", &body, &key)?, CHANGED_COLUMNS)
        }
        Command::Allow { which } => {
            (api.post("/v1/certificates:allow", &which.body()?, &key)?, CHANGED_COLUMNS)
        }
        Command::List => (api.get("/v1/certificates")?["items"].take(), COLUMNS),
    };
    output::print(args.connection.output, &answer, columns);
    Ok(ExitCode::SUCCESS)
}
