//! `keyraft certificate`: client certificates that no node accepts any more.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Connection, Format, output};

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

/// Acts on the certificate named.
pub fn run(args: &CertificateArgs) -> anyhow::Result<ExitCode> {
    let api = args.connection.api()?;
    let key = super::idempotency_key()?;
    let answer = match &args.command {
        Command::Deny { which, reason } => {
            let mut body = which.body()?;
            body["reason"] = json!(reason);
            api.post("/v1/certificates:deny", &body, &key)?
        }
        Command::Allow { which } => api.post("/v1/certificates:allow", &which.body()?, &key)?,
        Command::List => api.get("/v1/certificates")?["items"].take(),
    };
    match (args.connection.output, &answer) {
        (Format::Table, Value::Array(denied)) => say(denied),
        (Format::Table, changed) => say(std::slice::from_ref(changed)),
        (format, answer) => output::print(format, answer, &[]),
    }
    Ok(ExitCode::SUCCESS)
}

/// A paragraph per certificate: a name is almost as wide as a screen.
#[allow(clippy::print_stdout)] // the answer of a command
fn say(certificates: &[Value]) {
    for certificate in certificates {
        println!("{}", paragraph(certificate));
    }
    if certificates.is_empty() {
        println!("no certificate is denied");
    }
}

fn paragraph(certificate: &Value) -> String {
    let text = |field: &str| certificate[field].as_str().unwrap_or_default();
    let moment = |field: &str| certificate[field].as_f64().map(output::moment);
    let standing = match (moment("since"), moment("effective_everywhere_at")) {
        (Some(since), _) => format!("denied since {since}"),
        (None, Some(since)) => format!("denied, by every node since {since}"),
        (None, None) => "not denied any more".to_owned(),
    };
    let reason = match text("reason") {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    format!("{}\n  {standing}{reason}", text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_a_line_for_its_name_and_one_for_its_standing() {
        let check = |certificate: Value, expected: &str| assert_eq!(paragraph(&certificate), expected);
        check(
            json!({ "name": "key:ab", "reason": "stolen", "since": 1_795_324_200 }),
            "key:ab\n  denied since 2026-11-22T05:10:00Z: stolen",
        );
        check(
            json!({ "name": "key:ab", "denied": true, "effective_everywhere_at": 1_795_324_200.5 }),
            "key:ab\n  denied, by every node since 2026-11-22T05:10:01Z",
        );
        check(json!({ "name": "key:ab", "denied": false }), "key:ab\n  not denied any more");
    }
}
