//! `keyraft login`: gets a bearer token from an identity provider and keeps it for the next commands.
//!
//! A client with a secret of its own logs in (RFC 6749, section 4.4), as scripts and pipelines do. The token lies in
//! a file only its owner can read; `KEYRAFT_TOKEN` and `--token` come before it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;

use super::{Connection, api, events};

/// Authorities of the public, as Debian keeps them.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// See the module.
#[derive(Args)]
pub struct LoginArgs {
    /// The identity provider: https://…
    #[arg(long, env = "KEYRAFT_ISSUER", hide_env_values = true)]
    issuer: String,
    /// The client's name at the provider
    #[arg(long)]
    client_id: String,
    /// File with the client's secret
    #[arg(long, value_name = "FILE")]
    client_secret_file: PathBuf,
    /// Authority of the provider's certificate (PEM); else the system's
    #[arg(long)]
    issuer_ca: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// Logs in and shows who one is.
pub fn run(args: &LoginArgs) -> anyhow::Result<ExitCode> {
    let secret = fs::read_to_string(&args.client_secret_file)
        .with_context(|| format!("cannot read {}", args.client_secret_file.display()))?;
    let agent = api::agent(args.issuer_ca.as_deref().unwrap_or(Path::new(SYSTEM_AUTHORITIES)))?;
    let issuer = args.issuer.trim_end_matches('/');
    let document = answer(agent.get(format!("{issuer}/.well-known/openid-configuration")).call(), issuer)?;
    let endpoint = document["token_endpoint"].as_str().unwrap_or_default();
    if document["issuer"].as_str() != Some(args.issuer.as_str()) || !endpoint.starts_with("https://") {
        bail!("{issuer} is not the identity provider it should be: see its discovery document");
    }
    let basic = format!("{}:{}", encode(&args.client_id), encode(secret.trim()));
    let basic = format!("Basic {}", data_encoding::BASE64.encode(basic.as_bytes()));
    let request = agent.post(endpoint).header("Authorization", basic);
    let granted = answer(request.send_form([("grant_type", "client_credentials")]), issuer)?;
    let token = granted["access_token"].as_str().context("the identity provider gave no token")?;
    let file = token_file().context("no home folder to keep the token in: set KEYRAFT_TOKEN instead")?;
    keep(&file, token).with_context(|| format!("cannot write {}", file.display()))?;
    let connection = Connection { token: Some(token.to_owned()), ..args.connection.clone() };
    events::whoami(&connection)
}

/// What the provider says, or what it holds against us.
fn answer(
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    issuer: &str,
) -> anyhow::Result<Value> {
    let mut response = response.with_context(|| format!("{issuer} does not answer"))?;
    let status = response.status().as_u16();
    let body: Value = serde_json::from_str(&response.body_mut().read_to_string()?).unwrap_or_default();
    if status == 200 {
        return Ok(body);
    }
    let said = body["error_description"].as_str().or(body["error"].as_str()).unwrap_or("no reason given");
    bail!("{issuer} refused with {status}: {said}")
}

/// A name or secret as it travels in HTTP Basic (RFC 6749, section 2.3.1).
fn encode(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Where the token lies; `None` without a home.
pub fn token_file() -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(config.join("keyraft/token"))
}

/// The token of the last login.
pub fn kept() -> Option<String> {
    let text = fs::read_to_string(token_file()?).ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}

fn keep(file: &Path, token: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    // Replaced by rename: a reader sees the old token or the new one, and never a file others can read.
    let fresh = file.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    open.write_all(token.as_bytes())?;
    fs::rename(&fresh, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_travels_whole() {
        assert_eq!(encode("a-b_c.d~e"), "a-b_c.d~e");
        assert_eq!(encode("p:a ss%é"), "p%3Aa%20ss%25%C3%A9");
    }

    #[test]
    fn a_token_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keyraft/token");
        for token in ["one", "two"] {
            keep(&file, token).expect("kept");
            assert_eq!(fs::read_to_string(&file).expect("a file"), token);
        }
        assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    }
}
