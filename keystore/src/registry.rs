//! One row per provider: its name, its settings, how it is opened.
//!
//! A root comes from one of two hands. A tenant's comes by API, as [`RootConfig`] and [`Credentials`],
//! and [`open`] opens it within what the node's [`Site`] allows. The platform's own stand in the
//! node's configuration file, where paths may be named:
//!
//! ```toml
//! [platform_root.tenants]
//! provider = "pkcs11"
//! module = "/usr/lib/softhsm/libsofthsm2.so"
//! token = "keyraft"
//! key_label = "tenants"
//! key_id = "01"
//! pin_file = "/etc/keyraft/pin"
//! ```
//!
//! or, for the other providers, a [`RootConfig`] and a file with its credentials as JSON:
//!
//! ```toml
//! [platform_root.barrier]
//! provider = "transit"
//! address = "https://bao.example.com:8200"
//! key = "keyraft"
//! credentials_file = "/etc/keyraft/bao.json"
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

#[cfg(feature = "aws_kms")]
use crate::providers::aws_kms::AwsKmsRoot;
#[cfg(feature = "azure_key_vault")]
use crate::providers::azure_key_vault::AzureRoot;
#[cfg(feature = "gcp_kms")]
use crate::providers::gcp_kms::GcpKmsRoot;
#[cfg(feature = "kmip")]
use crate::providers::kmip::KmipRoot;
#[cfg(feature = "pkcs11")]
use crate::providers::pkcs11::worker::WorkerRoot;
#[cfg(feature = "pkcs11")]
use crate::providers::pkcs11::{PinSource, Pkcs11Settings};
use crate::providers::software::{DangerSoftwareRoot, SoftwareSettings};
#[cfg(feature = "transit")]
use crate::providers::transit::TransitRoot;
use crate::{BoxFuture, Credentials, Permission, Phase, RootConfig, RootError, RootKeystore, Site, Who};

/// A provider, as lists and wizards show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Name in configuration and in key references.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Where its customers hold their keys, as whoever chooses a provider asks first.
    pub mode: Mode,
    /// Never to be used outside development.
    pub danger: bool,
    /// Kinds of credentials it takes, the best first.
    pub credentials: &'static [&'static str],
}

/// Who holds the root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The customer's account at a cloud: bring your own key.
    Byok,
    /// The customer's own premises: hold your own key.
    Hyok,
}

/// The providers of this build.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        name: "software",
        summary: "a key in a file, for development",
        mode: Mode::Hyok,
        danger: true,
        credentials: &[],
    },
    #[cfg(feature = "pkcs11")]
    Provider {
        name: "pkcs11",
        summary: "an HSM through its PKCS#11 module",
        mode: Mode::Hyok,
        danger: false,
        credentials: &["pin"],
    },
    #[cfg(feature = "transit")]
    Provider {
        name: "transit",
        summary: "the transit engine of OpenBao or Vault",
        mode: Mode::Hyok,
        danger: false,
        credentials: &["workload_identity", "secret_id", "token"],
    },
    #[cfg(feature = "aws_kms")]
    Provider {
        name: "aws_kms",
        summary: "a key of AWS KMS",
        mode: Mode::Byok,
        danger: false,
        credentials: &["workload_identity", "access_key"],
    },
    #[cfg(feature = "azure_key_vault")]
    Provider {
        name: "azure_key_vault",
        summary: "a key of Azure Key Vault or Managed HSM",
        mode: Mode::Byok,
        danger: false,
        credentials: &["workload_identity", "certificate", "client_secret"],
    },
    #[cfg(feature = "gcp_kms")]
    Provider {
        name: "gcp_kms",
        summary: "a key of Google Cloud KMS",
        mode: Mode::Byok,
        danger: false,
        credentials: &["workload_identity", "service_account_key"],
    },
    #[cfg(feature = "kmip")]
    Provider {
        name: "kmip",
        summary: "an HSM or key manager that speaks KMIP",
        mode: Mode::Hyok,
        danger: false,
        credentials: &["certificate"],
    },
];

/// How to reach one of the platform's own roots, as a table of the node's configuration; `provider`
/// names the row.
#[derive(Clone, Debug)]
pub enum RootSettings {
    /// A key in a file. Development only.
    Software(SoftwareSettings),
    /// An HSM.
    #[cfg(feature = "pkcs11")]
    Pkcs11(Pkcs11Settings),
    /// Any other.
    Service {
        /// Which key, where.
        config: RootConfig,
        /// File with its [`Credentials`] as JSON; workload identity without it.
        credentials_file: Option<PathBuf>,
    },
}

impl<'de> Deserialize<'de> for RootSettings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut table = Map::<String, Value>::deserialize(from)?;
        let named = table.get("provider").and_then(Value::as_str);
        let of = |table: Map<String, Value>| Value::Object(table);
        match named {
            Some("software") => {
                table.remove("provider");
                SoftwareSettings::deserialize(of(table)).map(Self::Software).map_err(D::Error::custom)
            }
            #[cfg(feature = "pkcs11")]
            Some("pkcs11") => {
                table.remove("provider");
                Pkcs11Settings::deserialize(of(table)).map(Self::Pkcs11).map_err(D::Error::custom)
            }
            _ => {
                let file = table.remove("credentials_file").map(PathBuf::deserialize).transpose();
                let credentials_file = file.map_err(D::Error::custom)?;
                let config = RootConfig::deserialize(of(table)).map_err(D::Error::custom)?;
                Ok(Self::Service { config, credentials_file })
            }
        }
    }
}

impl RootSettings {
    /// Name of the provider.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Software(_) => "software",
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(_) => "pkcs11",
            Self::Service { config, .. } => config.provider(),
        }
    }

    /// Opens the root: afterwards its key is found and its reference known.
    ///
    /// # Errors
    /// [`RootError`]; mostly [`RootError::Misconfigured`], which says who must do what.
    pub async fn open(&self, site: &Site) -> Result<Arc<dyn RootKeystore>, RootError> {
        Ok(match self {
            Self::Software(settings) => Arc::new(DangerSoftwareRoot::open(settings)?),
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(settings) => Arc::new(WorkerRoot::open(settings.clone(), site.worker()).await?),
            Self::Service { config, credentials_file } => {
                let credentials = match credentials_file {
                    Some(file) => read_credentials(config, file)?,
                    None => Credentials::default(),
                };
                open(config, &credentials, site).await?
            }
        })
    }
}

/// Opens the root that its owner described, within what the site allows: afterwards its key is found,
/// its reference known, and nothing is stored anywhere.
///
/// # Errors
/// [`RootError`]; mostly [`RootError::Misconfigured`], which says who must do what.
pub async fn open(
    config: &RootConfig,
    credentials: &Credentials,
    site: &Site,
) -> Result<Arc<dyn RootKeystore>, RootError> {
    open_inspected(None, config, credentials, site).await.map(|opened| opened.root)
}

/// Opens a root again whose reference is known: one that was open before, in whatever process. What it refuses
/// now, it has withdrawn.
///
/// # Errors
/// [`RootError`]: [`RootError::Withdrawn`] if its key is no longer granted, and
/// [`RootError::Misconfigured`] if another key answers.
pub async fn reopen(
    l1_ref: &str,
    config: &RootConfig,
    credentials: &Credentials,
    site: &Site,
) -> Result<Arc<dyn RootKeystore>, RootError> {
    let opened = open_inspected(Some(l1_ref), config, credentials, site).await?.root;
    if opened.l1_ref() != l1_ref {
        return Err(RootError::Misconfigured {
            root: l1_ref.to_owned(),
            who: Who::KeyOwner,
            missing: format!("its configuration leads to another key by now, {}", opened.l1_ref()),
            fix: "configure the other key as a root of its own and migrate to it".to_owned(),
        });
    }
    Ok(opened)
}

/// A root, and whom to ask what we may do there.
pub(crate) struct Opened {
    /// The root.
    pub root: Arc<dyn RootKeystore>,
    inspector: Option<Arc<dyn Inspector>>,
}

/// Tells what we are allowed to do at a root's home; where there are permissions at all.
pub(crate) trait Inspector: Send + Sync {
    /// A row per permission, asked anew.
    fn permissions(&self) -> BoxFuture<'_, Vec<Permission>>;
}

impl Opened {
    fn plain(root: impl RootKeystore + 'static) -> Self {
        Self { root: Arc::new(root), inspector: None }
    }

    fn service(root: impl RootKeystore + Inspector + 'static) -> Self {
        let root = Arc::new(root);
        let inspector: Arc<dyn Inspector> = root.clone();
        Self { root, inspector: Some(inspector) }
    }

    /// A row per permission; none where the store knows no permissions.
    pub async fn permissions(&self) -> Vec<Permission> {
        match &self.inspector {
            Some(inspector) => inspector.permissions().await,
            None => Vec::new(),
        }
    }
}

/// As [`reopen`] if the reference is `known`, else as [`open`]; for the connection test too. Boxed: whoever awaits it need not know the calls of seven providers.
pub(crate) fn open_inspected<'a>(
    known: Option<&'a str>,
    config: &'a RootConfig,
    credentials: &'a Credentials,
    site: &'a Site,
) -> BoxFuture<'a, Result<Opened, RootError>> {
    Box::pin(open_provider(known, config, credentials, site))
}

async fn open_provider(
    known: Option<&str>,
    config: &RootConfig,
    credentials: &Credentials,
    site: &Site,
) -> Result<Opened, RootError> {
    #[allow(unused_variables, reason = "depends on the features")]
    let phase = if known.is_some() { Phase::Serving } else { Phase::Opening };
    match config {
        RootConfig::Software(wanted) => {
            let file = site.danger_key_files.get(&wanted.key).ok_or_else(|| {
                not_offered(config, "key", &wanted.key, "danger_key_files", site.danger_key_files.keys())
            })?;
            let settings = SoftwareSettings { danger_key_file: file.clone() };
            match known {
                Some(l1_ref) => DangerSoftwareRoot::reopen(l1_ref, &settings),
                None => DangerSoftwareRoot::open(&settings),
            }
            .map(Opened::plain)
        }
        #[cfg(feature = "pkcs11")]
        RootConfig::Pkcs11(wanted) => {
            let hsm = site
                .hsm
                .get(&wanted.hsm)
                .ok_or_else(|| not_offered(config, "HSM", &wanted.hsm, "hsm", site.hsm.keys()))?;
            let Credentials::Pin { pin } = credentials else {
                return Err(other_credentials(config.provider(), credentials, "pin"));
            };
            let settings = Pkcs11Settings::of(wanted, hsm, PinSource::Held(pin.clone()));
            let opened = match known {
                Some(l1_ref) => WorkerRoot::reopen(l1_ref, settings, site.worker()).await,
                None => WorkerRoot::open(settings, site.worker()).await,
            };
            opened.map(Opened::plain)
        }
        #[cfg(feature = "transit")]
        RootConfig::Transit(wanted) => {
            TransitRoot::open(wanted, credentials, site, phase).await.map(Opened::service)
        }
        #[cfg(feature = "aws_kms")]
        RootConfig::AwsKms(wanted) => {
            AwsKmsRoot::open(wanted, credentials, site, phase).await.map(Opened::service)
        }
        #[cfg(feature = "azure_key_vault")]
        RootConfig::AzureKeyVault(wanted) => {
            AzureRoot::open(wanted, credentials, site, phase).await.map(Opened::service)
        }
        #[cfg(feature = "kmip")]
        RootConfig::Kmip(wanted) => {
            KmipRoot::open(wanted, credentials, site, phase).await.map(Opened::service)
        }
        #[cfg(feature = "gcp_kms")]
        RootConfig::GcpKms(wanted) => {
            GcpKmsRoot::open(wanted, credentials, site, phase).await.map(Opened::service)
        }
        #[allow(unreachable_patterns, reason = "depends on the features")]
        _ => Err(not_built(config)),
    }
}

/// Longest file with credentials, bytes.
const CREDENTIALS_BYTES_MAX: u64 = 64 * 1024;

fn read_credentials(config: &RootConfig, file: &std::path::Path) -> Result<Credentials, RootError> {
    let broken = |missing: String| RootError::Misconfigured {
        root: config.provider().to_owned(),
        who: Who::Operator,
        missing,
        fix: "write the credentials as JSON into it, readable by this user alone".to_owned(),
    };
    let named = file.display();
    let length =
        std::fs::metadata(file).map_err(|error| broken(format!("{named} cannot be read: {error}")))?;
    if length.len() > CREDENTIALS_BYTES_MAX {
        return Err(broken(format!("{named} is too long to hold credentials")));
    }
    let bytes = std::fs::read(file).map(Zeroizing::new);
    let bytes = bytes.map_err(|error| broken(format!("{named} cannot be read: {error}")))?;
    Credentials::from_json(&bytes).map_err(|error| broken(format!("{named}: {error}")))
}

/// A name that the node's operator did not offer.
fn not_offered<'a>(
    config: &RootConfig,
    what: &str,
    wanted: &str,
    table: &str,
    offered: impl Iterator<Item = &'a String>,
) -> RootError {
    let offered: Vec<_> = offered.map(String::as_str).collect();
    let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
    RootError::Misconfigured {
        root: config.provider().to_owned(),
        who: Who::Operator,
        missing: format!("no {what} is called `{wanted}` on this node; offered: {offered}"),
        fix: format!("name one of them, or add it to [roots.{table}] of every node's configuration"),
    }
}

/// Credentials of a kind that this root does not take.
pub(crate) fn other_credentials(provider: &str, given: &Credentials, wanted: &str) -> RootError {
    RootError::Misconfigured {
        root: provider.to_owned(),
        who: Who::KeyOwner,
        missing: format!("credentials of kind `{}` do not fit this root", given.kind()),
        fix: format!("give credentials of kind {wanted}"),
    }
}

fn not_built(config: &RootConfig) -> RootError {
    RootError::Misconfigured {
        root: config.provider().to_owned(),
        who: Who::Operator,
        missing: "this build has no such provider".to_owned(),
        fix: format!("run a release build, or build with the feature `{}`", config.provider()),
    }
}
