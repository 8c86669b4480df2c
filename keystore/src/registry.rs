//! One row per provider: its name, its settings, how it is opened.
//!
//! ```toml
//! [root]
//! provider = "pkcs11"
//! module = "/usr/lib/softhsm/libsofthsm2.so"
//! token = "keyraft"
//! key_label = "tenant-a"
//! key_id = "01"
//! pin_file = "/etc/keyraft/pin"
//! ```

use std::sync::Arc;

use serde::Deserialize;

#[cfg(feature = "pkcs11")]
use crate::providers::pkcs11::{self, Pkcs11Root, Pkcs11Settings};
use crate::providers::software::{self, DangerSoftwareRoot, SoftwareSettings};
use crate::{RootError, RootKeystore};

/// A provider, as lists and wizards show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Name in configuration and in key references.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Never to be used outside development.
    pub danger: bool,
}

/// The providers of this build.
pub const PROVIDERS: &[Provider] = &[
    Provider { name: software::NAME, summary: "a key in a file, for development", danger: true },
    #[cfg(feature = "pkcs11")]
    Provider { name: pkcs11::NAME, summary: "an HSM through its PKCS#11 module", danger: false },
];

/// How to reach one root, as a table of the node's configuration; `provider` names the row.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum RootSettings {
    /// A key in a file. Development only.
    Software(SoftwareSettings),
    /// An HSM.
    #[cfg(feature = "pkcs11")]
    Pkcs11(Pkcs11Settings),
}

impl RootSettings {
    /// Name of the provider.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Software(_) => software::NAME,
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(_) => pkcs11::NAME,
        }
    }

    /// Opens the root: afterwards its key is found and its reference known.
    ///
    /// # Errors
    /// [`RootError`]; mostly [`RootError::Misconfigured`], which says who must do what.
    pub async fn open(&self) -> Result<Arc<dyn RootKeystore>, RootError> {
        Ok(match self {
            Self::Software(settings) => Arc::new(DangerSoftwareRoot::open(settings)?),
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(settings) => Arc::new(Pkcs11Root::open(settings).await?),
        })
    }
}
