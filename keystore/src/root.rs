//! The joint between keyraft and a root of trust.
//!
//! Three verbs and a name. When a provider wants more, the provider adapts, not the trait.

use std::pin::Pin;
use std::time::Duration;

use crypto::L1Payload;
use serde::{Deserialize, Serialize};

use crate::{Context, RootError};

/// A boxed future, so that roots of different providers stand in one table.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A root of trust, opened: it wraps and unwraps payloads with one key that stays at its home.
///
/// Every call ends within the provider's time-out, and dropping a future abandons the call.
pub trait RootKeystore: Send + Sync {
    /// The immutable key reference `<provider>:<key id incl. version>`: asked of the root itself when
    /// it was opened, never taken from configuration alone.
    fn l1_ref(&self) -> &str;

    /// Wraps a payload for the place named by `ctx`. The payload is bound to this root's
    /// [`l1_ref`](Self::l1_ref) already (DESIGN 3), so it serves once and is consumed.
    fn wrap<'a>(&'a self, ctx: Context, payload: L1Payload) -> BoxFuture<'a, Result<Wrapped, RootError>>;

    /// Unwraps what [`wrap`](Self::wrap) made with this key for this place. The caller still checks
    /// the payload's binding and the key's public commitment: not every store authenticates `ctx`.
    fn unwrap<'a>(
        &'a self,
        ctx: Context,
        wrapped: &'a Wrapped,
    ) -> BoxFuture<'a, Result<L1Payload, RootError>>;

    /// Wraps and unwraps random bytes, and asks what the root tells about its key.
    fn probe(&self) -> BoxFuture<'_, Result<Health, RootError>>;
}

/// A wrapped payload, as it is replicated and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The key that wrapped it.
    pub l1_ref: String,
    /// What that root made of the payload; its format is the provider's own.
    pub blob: Vec<u8>,
}

impl Wrapped {
    /// Refuses a wrap made by another key, before any call to the root.
    pub(crate) fn blob_of(&self, l1_ref: &str) -> Result<&[u8], RootError> {
        if self.l1_ref == l1_ref {
            return Ok(&self.blob);
        }
        Err(RootError::Misconfigured {
            root: l1_ref.to_owned(),
            who: crate::Who::Operator,
            missing: format!("this was wrapped by another root, {}", self.l1_ref),
            fix: format!("configure {} again, or migrate the tenant to this root", self.l1_ref),
        })
    }
}

/// A root that answered a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The key that answered.
    pub l1_ref: String,
    /// Duration of one wrap and one unwrap, waiting included.
    pub round_trip: Duration,
    /// Where the key lives and what guards it there.
    pub custody: Custody,
}

impl Health {
    /// What an operator should know about the key, one sentence each; empty when all is well.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match &self.custody {
            Custody::DangerSoftwareFile => {
                vec![
                    "the root key lies readable in a file: never use this root outside development"
                        .to_owned(),
                ]
            }
            Custody::Token { attributes, .. } => {
                attributes.warnings().into_iter().map(str::to_owned).collect()
            }
            Custody::Service { statements, .. } => {
                statements.iter().filter_map(|statement| statement.warning.clone()).collect()
            }
        }
    }
}

/// Where a root key lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Custody {
    /// In a file, in the clear. Development only.
    DangerSoftwareFile,
    /// Inside a PKCS#11 token.
    Token {
        /// `manufacturer model, label, serial number`, as the token names itself.
        token: String,
        /// What the token states about the key.
        attributes: KeyAttributes,
    },
    /// In a service of somebody else's.
    Service {
        /// Which service, in words.
        service: String,
        /// What it states about the key.
        statements: Vec<Statement>,
    },
}

/// One thing that a service states about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// As the service calls it.
    pub name: String,
    /// What it says.
    pub value: String,
    /// What is wrong with that; `None` if nothing is.
    pub warning: Option<String>,
}

impl Statement {
    /// One that is fine as it is.
    pub(crate) fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into(), warning: None }
    }

    /// The same, with a warning if something is wrong.
    pub(crate) fn warn(mut self, wrong: bool, warning: &str) -> Self {
        self.warning = wrong.then(|| warning.to_owned());
        self
    }
}

/// What a token states about a key (PKCS#11 3.1, 4.10.2). `None`: it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttributes {
    /// `CKA_SENSITIVE`: the value cannot be read in the clear.
    pub sensitive: Option<bool>,
    /// `CKA_EXTRACTABLE`: the value can leave the token wrapped.
    pub extractable: Option<bool>,
    /// `CKA_ALWAYS_SENSITIVE`: it could never be read.
    pub always_sensitive: Option<bool>,
    /// `CKA_NEVER_EXTRACTABLE`: it could never leave.
    pub never_extractable: Option<bool>,
    /// `CKA_LOCAL`: born in this token.
    pub local: Option<bool>,
}

impl KeyAttributes {
    /// True if the token promises that the key cannot leave it from now on.
    #[must_use]
    pub fn stays_inside(&self) -> bool {
        self.sensitive == Some(true) && self.extractable == Some(false)
    }

    fn warnings(&self) -> Vec<&'static str> {
        let rows = [
            (self.stays_inside(), "the token does not promise to keep the key inside"),
            (
                self.always_sensitive == Some(true),
                "the key's value could once be read (CKA_ALWAYS_SENSITIVE)",
            ),
            (
                self.never_extractable == Some(true),
                "the key could once leave its token (CKA_NEVER_EXTRACTABLE)",
            ),
            (self.local == Some(true), "the key was not born in this token (CKA_LOCAL): copies may exist"),
        ];
        rows.into_iter().filter(|(good, _)| !good).map(|(_, warning)| warning).collect()
    }
}
