//! How commands reach the nodes over KMIP, and what they say when they do not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use client::{Error, Fault, Settings, SettingsError, TlsFault};
use rustls::AlertDescription;

/// A person waits: nodes that are down are told soon. An election takes a second.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the nodes are and who we are; `keyraft dev` writes all of it to `<data>/env`.
#[derive(Args, Debug, Clone)]
pub struct KmipArgs {
    /// Host of the nodes
    #[arg(long, env = "KMIP_HOST", default_value = "127.0.0.1", hide_env_values = true, global = true)]
    host: String,
    /// KMIP ports of the nodes, in node order; KMIP_PORT alone will do
    #[arg(long, env = "KMIP_PORTS", value_delimiter = ',', hide_env_values = true, global = true)]
    ports: Vec<u16>,
    /// Authority of the nodes' certificates (PEM)
    #[arg(long, env = "KMIP_CA", hide_env_values = true, global = true)]
    ca: Option<PathBuf>,
    /// Client certificate (PEM): it says which tenant and service we are
    #[arg(long, env = "KMIP_CERT", hide_env_values = true, global = true)]
    cert: Option<PathBuf>,
    /// Key of the client certificate (PEM)
    #[arg(long, env = "KMIP_KEY", hide_env_values = true, global = true)]
    key: Option<PathBuf>,
}

impl KmipArgs {
    /// What a client needs to know.
    ///
    /// # Errors
    /// Says which setting is missing, or which file cannot be read.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let mut ports = self.ports.clone();
        if ports.is_empty() {
            let port = std::env::var("KMIP_PORT")
                .context("no port: set KMIP_PORTS or KMIP_PORT, or pass --ports")?;
            ports.push(port.parse().with_context(|| format!("KMIP_PORT: {port:?} is no port"))?);
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut settings = Settings::new(
            ports.iter().map(|port| format!("{host}:{port}")).collect(),
            read("authority", "KMIP_CA or --ca", self.ca.as_deref())?,
            read("certificate", "KMIP_CERT or --cert", self.cert.as_deref())?,
            read("key", "KMIP_KEY or --key", self.key.as_deref())?.into(),
        );
        settings.timeouts.call = CALL_TIMEOUT;
        Ok(settings)
    }
}

fn read(what: &str, setting: &str, file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let Some(file) = file else {
        bail!("no {what}: set {setting} (keyraft dev writes all of them to <data>/env)");
    };
    std::fs::read(file)
        .map_err(|cause| anyhow!("cannot read the {what} {}: {cause}; correct {setting}", file.display()))
}

/// One sentence that says what happened and what to do.
pub fn explain(error: Error) -> anyhow::Error {
    let what_to_do = match &error {
        Error::Unavailable { last, .. } => match &**last {
            Fault::Connect { .. } => {
                "start the nodes, or correct KMIP_HOST and KMIP_PORTS; keyraft status shows who is up"
            }
            Fault::Declined { .. } => "keyraft status shows which node is not ready",
            Fault::Tls { .. } | Fault::Broken { .. } | Fault::Slow { .. } | Fault::Protocol { .. } => {
                "keyraft status shows how the nodes are"
            }
        },
        Error::Tls { cause: TlsFault::OurCertificate(AlertDescription::CertificateExpired), .. } => {
            "set KMIP_CERT and KMIP_KEY to a certificate whose time is not over"
        }
        Error::Tls { cause: TlsFault::OurCertificate(_), .. } => {
            "set KMIP_CERT and KMIP_KEY to a certificate of the tenant's own authority that names tenant and \
             service; the node's log says what is wrong with this one"
        }
        Error::Tls { cause: TlsFault::UnknownAuthority, .. } => {
            "set KMIP_CA to the authority that issued the nodes' certificates"
        }
        Error::Tls { .. } => "check KMIP_HOST, the certificates and the clock",
        Error::Protocol { .. } => "check that KMIP_PORTS are the KMIP ports of the nodes",
        Error::Settings(
            SettingsError::NoNode | SettingsError::Address { .. } | SettingsError::ServerName { .. },
        ) => "correct KMIP_HOST and KMIP_PORTS",
        Error::Settings(_) => "correct KMIP_CA, KMIP_CERT and KMIP_KEY",
        // The node says what can be done; what is unknown says it itself.
        Error::Refused { .. } | Error::OutcomeUnknown { .. } => return anyhow!("{error}"),
    };
    anyhow!("{error}; {what_to_do}")
}
