//! The node's settings: one documented file, refused whole if any of it is unknown or contradictory.
//!
//! What all nodes must agree on is replicated; what is local is here. Errors name file and line.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use admin_api::IdentityProvider;
use keystore::RootSettings;
use serde::Deserialize;

/// Everything a node is told at start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who the node is and where it keeps its data.
    pub node: Node,
    /// The addresses it listens on.
    pub listen: Listen,
    /// Its certificates and the authorities it trusts.
    pub tls: Tls,
    /// Authorities of KMIP clients, each pinned to the tenants it may speak for.
    pub client_ca: Vec<ClientCa>,
    /// How it comes into a cluster.
    pub cluster: Cluster,
    /// The platform's own roots of trust.
    pub platform_root: PlatformRoots,
    /// What this node allows and offers roots of trust, the tenants' own above all.
    #[serde(default)]
    pub roots: keystore::Site,
    /// The KMIP service.
    #[serde(default)]
    pub kmip: Kmip,
    /// The administration interface.
    #[serde(default)]
    pub admin: Admin,
    /// Where backups go, and when.
    #[serde(default)]
    pub backup: Backup,
    /// What it writes about itself.
    #[serde(default)]
    pub log: Log,
}

/// Who the node is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// A stable name, shown to people: a DNS label. Its peer certificate must carry it.
    pub name: String,
    /// Folder of the node's data, created with mode 0700.
    pub data_dir: PathBuf,
    /// The region this cluster serves; read at bootstrap only, replicated from then on.
    #[serde(default = "default_region")]
    pub region: String,
    /// SPIFFE trust domain of service and peer certificates.
    #[serde(default = "default_trust_domain")]
    pub trust_domain: String,
    /// Allows the process to run as root, with a warning.
    #[serde(default)]
    pub allow_root: bool,
}

/// Addresses to listen on; others reach the node under the same ones.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// KMIP over mutual TLS.
    pub kmip: SocketAddr,
    /// Administration, no client certificate asked for.
    pub admin: SocketAddr,
    /// Operators, and services that speak KMIP over HTTPS; client certificate demanded.
    pub operator: SocketAddr,
    /// Other nodes.
    pub peer: SocketAddr,
}

/// Certificates (PEM) and authorities.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Server certificate chain, for KMIP and administration.
    pub server_cert: PathBuf,
    /// Its key, PKCS#8.
    pub server_key: PathBuf,
    /// Certificate chain towards other nodes.
    pub peer_cert: PathBuf,
    /// Its key, PKCS#8.
    pub peer_key: PathBuf,
    /// The authority of all nodes' peer certificates.
    pub peer_ca: PathBuf,
    /// The authority of operators' certificates.
    pub operator_ca: PathBuf,
}

/// One authority of KMIP clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCa {
    /// Its certificate.
    pub file: PathBuf,
    /// The tenants it may issue for: a list of names, or `"any"`.
    pub tenants: Pin,
    /// File with its revocation lists (PEM), and those of authorities below it. Read again when it changes;
    /// once a list's time is over, nobody it speaks of is let in.
    #[serde(default)]
    pub crl: Option<PathBuf>,
}

/// The tenants an authority may speak for.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Pin {
    /// Exactly these.
    Tenants(Vec<String>),
    /// `"any"`.
    Any(AnyTenant),
}

/// The word `"any"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnyTenant {
    /// Every tenant.
    Any,
}

/// How the node comes into a cluster, when its data directory is empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Makes a new cluster. Never decided by a time-out: exactly one node is told so.
    #[serde(default)]
    pub bootstrap: bool,
    /// Peer addresses of nodes to join through.
    #[serde(default)]
    pub join: Vec<SocketAddr>,
    /// File with the token that lets this node join, made by `keyraft operator join-token`; read only while
    /// the data directory is empty.
    #[serde(default)]
    pub join_token_file: Option<PathBuf>,
    /// Whether the node becomes a voter; otherwise it stays a learner, which serves just as well.
    #[serde(default = "default_true")]
    pub voter: bool,
    /// How long a caught-up node must stay healthy before it votes, in milliseconds.
    #[serde(default = "default_stabilisation_ms")]
    pub stabilisation_ms: u32,
    /// How many voters the cluster wants: 1, 3 or 5. Further nodes are learners.
    #[serde(default = "default_voters")]
    pub voters: u8,
    /// A learner that is silent for so long is removed, in seconds; 0: never.
    #[serde(default = "default_dead_learner_s")]
    pub dead_learner_s: u32,
    /// A voter that is silent for so long is replaced where a learner stands ready, in seconds; 0: never.
    #[serde(default = "default_dead_voter_s")]
    pub dead_voter_s: u32,
    /// Every node must have run a newer version for so long, in seconds, before its format is used and the
    /// upgrade cannot be taken back.
    #[serde(default = "default_format_after_s")]
    pub format_after_s: u32,
}

/// The platform's own roots: two distinct ones with distinct permissions (DESIGN 3).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformRoots {
    /// Wraps the barrier keyring.
    pub barrier: RootSettings,
    /// Wraps the L2 keys of tenants that brought no root of their own.
    pub tenants: RootSettings,
}

/// The KMIP service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kmip {
    /// How many batch items one tenant may send to this node in a second, over all its connections, with a second's
    /// worth at once after a pause; what is more is refused and may be tried again. 0: as many as it can.
    #[serde(default)]
    pub tenant_items_per_s: u32,
}

/// The administration interface.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// File with a bearer token of a platform operator; for development only.
    #[serde(default)]
    pub development_token_file: Option<PathBuf>,
    /// Identity providers (OpenID Connect) whose bearer tokens count.
    #[serde(default)]
    pub identity_provider: Vec<IdentityProvider>,
    /// Addresses of proxies in front of the administration port: their X-Forwarded-For is believed, for rate
    /// limits and records.
    #[serde(default)]
    pub trusted_proxies: Vec<IpAddr>,
}

/// Backups. Every node that may lead has the same settings: the leader makes those that are due.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// A folder on a disk of its own, best one that all nodes share; or `s3://bucket/prefix`.
    #[serde(default)]
    pub target: Option<String>,
    /// How to reach an S3-compatible store.
    #[serde(default)]
    pub s3: Option<S3>,
    /// Seconds between two scheduled backups; 0 makes none. The journal reaches back 1 GiB of writes: a
    /// backup should be younger.
    #[serde(default)]
    pub interval_s: u32,
    /// How many scheduled backups of this cluster are kept; those of other clusters are left alone.
    #[serde(default = "default_keep")]
    pub keep: u32,
}

impl Default for Backup {
    fn default() -> Self {
        Self { target: None, s3: None, interval_s: 0, keep: default_keep() }
    }
}

/// An S3-compatible store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// `https://host:port`; the bucket is part of the path. Nothing but HTTPS is spoken.
    pub endpoint: String,
    /// The region requests are signed for.
    #[serde(default = "default_s3_region")]
    pub region: String,
    /// File with the access key id.
    pub access_key_file: PathBuf,
    /// File with the secret access key; read at each start of a node.
    pub secret_key_file: PathBuf,
    /// Authority of the store's certificate (PEM), beside those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn default_s3_region() -> String {
    "us-east-1".to_owned()
}

const fn default_keep() -> u32 {
    24
}

/// Log output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Filter directives, such as `info,openraft=warn,rustls=error` (the default) or `keyraft=debug,raft_store=trace`.
    #[serde(default = "default_filter")]
    pub filter: String,
    /// `text` for people, `json` for collectors.
    #[serde(default)]
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For collectors.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: default_filter(), format: LogFormat::default() }
    }
}

fn default_region() -> String {
    "local".to_owned()
}

fn default_trust_domain() -> String {
    "keyraft.local".to_owned()
}

fn default_filter() -> String {
    // rustls warns of every connection whose client gives an address as the server's name, as libmongoc does.
    "info,openraft=warn,rustls=error".to_owned()
}

const fn default_stabilisation_ms() -> u32 {
    10_000
}

const fn default_voters() -> u8 {
    3
}

const fn default_dead_learner_s() -> u32 {
    10 * 60
}

const fn default_dead_voter_s() -> u32 {
    24 * 60 * 60
}

const fn default_format_after_s() -> u32 {
    10 * 60
}

const fn default_true() -> bool {
    true
}

impl Config {
    /// Reads and judges a file.
    ///
    /// # Errors
    /// One sentence that names the file and, where there is one, the line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.to_owned();
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Unreadable { file: file.clone(), cause })?;
        let config: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            ConfigError::Syntax { file: file.clone(), line, what: error.message().to_owned() }
        })?;
        config.judge().map_err(|(key, what)| {
            let line = line_of(&text, key);
            ConfigError::Contradiction { file, line, what }
        })?;
        Ok(config)
    }

    /// Finds contradictions; names the key to look at.
    fn judge(&self) -> Result<(), (&'static str, String)> {
        if model::id::ServiceName::parse(&self.node.name).is_err() {
            return Err(("name", format!("node.name {:?} is not a DNS label", self.node.name)));
        }
        if self.client_ca.is_empty() {
            return Err((
                "client_ca",
                "at least one [[client_ca]] is needed, or no client can connect".into(),
            ));
        }
        if self.cluster.bootstrap && !self.cluster.join.is_empty() {
            return Err(("bootstrap", "cluster.bootstrap and cluster.join exclude each other".into()));
        }
        if self.backup.interval_s > 0 && self.backup.target.is_none() {
            return Err(("interval_s", "backup.interval_s needs a backup.target".into()));
        }
        if self.backup.keep == 0 {
            return Err(("keep", "backup.keep must be at least 1".into()));
        }
        if !matches!(self.cluster.voters, 1 | 3 | 5) {
            return Err(("voters", format!("cluster.voters is 1, 3 or 5, not {}", self.cluster.voters)));
        }
        let listen = &self.listen;
        let addresses = [listen.kmip, listen.admin, listen.operator, listen.peer];
        for (position, address) in addresses.iter().enumerate() {
            if address.port() != 0 && addresses[..position].contains(address) {
                return Err(("listen", format!("two services cannot both listen on {address}")));
            }
        }
        Ok(())
    }
}

/// The line on which a key first stands; 1 if it is nowhere.
fn line_of(text: &str, key: &str) -> usize {
    text.lines().position(|line| line.contains(key)).map_or(1, |at| at + 1)
}

/// A configuration file the node will not start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It is not TOML, or holds something unknown.
    #[error("{}:{line}: {what}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Two settings exclude each other, or one cannot be.
    #[error("{}:{line}: {what}", file.display())]
    Contradiction {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong.
        what: String,
    },
}
