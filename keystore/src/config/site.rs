//! What one node allows its roots, and what it offers them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// Settings of a node about roots of trust, in its configuration file alone:
///
/// ```toml
/// [roots]
/// allow = ["bao.example.com:8200", "hsm-*.example.com:5696"]
///
/// [roots.hsm.luna]
/// module = "/usr/safenet/lunaclient/lib/libCryptoki2_64.so"
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Endpoints beyond the clouds' own that a root may have: `host:port`, where the first label of the
    /// host may contain one `*`. Private addresses are reached through these alone.
    pub allow: Vec<String>,
    /// PKCS#11 modules by name.
    pub hsm: BTreeMap<String, Hsm>,
    /// Authorities of public endpoints (PEM); the system's bundle without it.
    pub ca_bundle: Option<PathBuf>,
    /// Who this node is to a cloud.
    pub workload_identity: WorkloadIdentity,
    /// Files with root keys by name. Development only.
    pub danger_key_files: BTreeMap<String, PathBuf>,
    /// Lets endpoints be on this machine. Development only.
    pub danger_allow_loopback: bool,
    /// The program that becomes an HSM worker, and its arguments; `keyraft hsm-worker` without it.
    pub hsm_worker: Vec<OsString>,
    /// Addresses of names, instead of asking the resolver. Tests only.
    pub danger_resolve: BTreeMap<String, SocketAddr>,
}

#[cfg(feature = "pkcs11")]
impl Site {
    /// The program that becomes an HSM worker.
    pub(crate) fn worker(&self) -> crate::providers::pkcs11::worker::Program {
        match self.hsm_worker.split_first() {
            Some((path, args)) => {
                crate::providers::pkcs11::worker::Program { path: path.into(), args: args.to_vec() }
            }
            None => crate::providers::pkcs11::worker::Program::default(),
        }
    }
}

/// A PKCS#11 module that a root may be reached through.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hsm {
    /// Absolute path of the vendor's module, a shared library.
    pub module: PathBuf,
    /// Parameters that some modules want at start, such as NSS's `configdir=…`.
    #[serde(default)]
    pub parameters: Option<String>,
    /// Accepts keys that may leave their token. Development only.
    #[serde(default)]
    pub danger_accept_extractable: bool,
}

/// Files with the node's own identity, kept fresh by the platform it runs on. Read at each use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkloadIdentity {
    /// A signed token for AWS (`AssumeRoleWithWebIdentity`).
    pub aws_token_file: Option<PathBuf>,
    /// The role this node has by itself; the customer's role is assumed from it.
    pub aws_role_arn: Option<String>,
    /// A signed token for Azure (federated credential).
    pub azure_token_file: Option<PathBuf>,
    /// A signed token for Google Cloud (workload identity federation).
    pub gcp_token_file: Option<PathBuf>,
    /// A signed token for OpenBao or Vault (method `jwt`).
    pub transit_token_file: Option<PathBuf>,
}
