//! `pkcs11`: an HSM, through its vendor's PKCS#11 module.
//!
//! The payload is encrypted inside the token by AES-256-GCM with the place as associated data
//! (PKCS#11 3.1, 6.13.3); the root key is non-extractable and never seen here. A blob is
//!
//! ```text
//! "KRP1" ‖ 01 (AES-GCM) ‖ iv 12 ‖ ciphertext 64 ‖ tag 16        97 bytes
//! ```
//!
//! The layers, outermost first: this file speaks [`RootKeystore`]; `pool` runs blocking calls on a
//! fixed set of threads, each owning one `token::Token`; `session` is the token reached through
//! a module loaded into this process; `module` and `login` hold what exists once per process;
//! `fault` decides what an answer means. All of it runs in a process of its own: a node reaches it
//! through [`worker`], so that a library that crashes, hangs or leaks costs that process alone.
//!
//! Never here: a PIN tried again after it was refused (tokens lock), a key chosen among several, a
//! call without an end.

mod create;
mod fault;
mod login;
mod module;
mod pin;
mod pool;
mod session;
mod token;
pub mod worker;

use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crypto::L1Payload;
use serde::Deserialize;

use self::pool::Pool;
use self::session::{Place, SessionToken};
use self::token::{Blob, KeyFacts, Token};
use super::{probe_payload, same};
use crate::config::{Hsm, Pkcs11Config};
use crate::{BoxFuture, Context, Custody, Health, Phase, RootError, RootKeystore, Wrapped};

pub use create::create_key;
pub use pin::PinSource;

pub use crate::config::{BadKeyId, KeyId};

/// Name in configuration and in key references.
pub const NAME: &str = "pkcs11";

/// How long opening may take: loading a module, finding the token and one log-in. Network HSMs need
/// seconds; a validation as a whole has 30 s.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of a [`Pkcs11Root`]. Slots are not named: their numbers change when tokens come and go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11Settings {
    /// Absolute path of the vendor's module, a shared library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// Serial number of the token, where several bear one label.
    #[serde(default)]
    pub token_serial: Option<String>,
    /// `CKA_LABEL` of the AES-256 key.
    pub key_label: String,
    /// `CKA_ID` of the key, in hexadecimal.
    pub key_id: KeyId,
    /// The user PIN: `pin_file` names a file; a line end after the PIN is ignored.
    #[serde(rename = "pin_file")]
    pub pin: PinSource,
    /// Parameters that the module wants at start, such as NSS's `configdir=…`.
    #[serde(default)]
    pub parameters: Option<String>,
    /// Sessions, and threads, to use at once. SoftHSM gains until four.
    #[serde(default = "default_sessions")]
    pub sessions: NonZeroU8,
    /// How long one call may take, in milliseconds. The default keeps a probe inside the 2 s that
    /// closing 32 s after a withdrawal leaves beside the 30 s between probes.
    #[serde(default = "default_call_timeout_ms")]
    pub call_timeout_ms: u32,
    /// Accepts a key that may leave its token. Development only.
    #[serde(default)]
    pub danger_accept_extractable: bool,
}

impl Pkcs11Settings {
    /// What an owner wants, through a module that the operator offers.
    #[must_use]
    pub fn of(wanted: &Pkcs11Config, hsm: &Hsm, pin: PinSource) -> Self {
        Self {
            module: hsm.module.clone(),
            token: wanted.token.clone(),
            token_serial: wanted.token_serial.clone(),
            key_label: wanted.key_label.clone(),
            key_id: wanted.key_id.clone(),
            pin,
            parameters: hsm.parameters.clone(),
            sessions: default_sessions(),
            call_timeout_ms: default_call_timeout_ms(),
            danger_accept_extractable: hsm.danger_accept_extractable,
        }
    }
}

fn default_sessions() -> NonZeroU8 {
    NonZeroU8::MIN.saturating_add(3)
}

fn default_call_timeout_ms() -> u32 {
    2_000
}

/// A root key in a PKCS#11 token.
pub struct Pkcs11Root {
    l1_ref: String,
    pool: Pool<SessionToken>,
    call_timeout: Duration,
}

impl Pkcs11Root {
    /// Loads the module, logs in (once), finds the key and checks what the token says about it.
    ///
    /// # Errors
    /// [`RootError::Misconfigured`] for everything that somebody must set right first,
    /// [`RootError::Unreachable`] if the token does not answer within 10 s.
    pub async fn open(settings: &Pkcs11Settings) -> Result<Self, RootError> {
        Self::open_in(settings, Phase::Opening).await
    }

    /// As [`open`](Self::open); in a later phase the same fault may mean something else.
    async fn open_in(settings: &Pkcs11Settings, phase: Phase) -> Result<Self, RootError> {
        let place = Place::new(settings);
        let pool = Pool::start(NAME, settings.sessions, move || SessionToken::new(place.clone()))?;
        let facts = on_token(&pool, OPEN_TIMEOUT, NAME, phase, |token| token.inspect()).await?;
        let call_timeout = Duration::from_millis(settings.call_timeout_ms.into());
        Ok(Self { l1_ref: key_ref(&facts.serial, &settings.key_id), pool, call_timeout })
    }

    /// Runs one call on a token, in whatever thread is free.
    async fn call<R: Send + 'static>(
        &self,
        run: impl FnOnce(&mut SessionToken) -> Result<R, fault::Fault> + Send + 'static,
    ) -> Result<R, RootError> {
        on_token(&self.pool, self.call_timeout, &self.l1_ref, Phase::Serving, run).await
    }

    async fn seal(&self, ctx: Context, payload: L1Payload) -> Result<Wrapped, RootError> {
        let aad = ctx.aad(&self.l1_ref);
        let blob = self.call(move |token| token.wrap(&aad, &payload)).await?;
        Ok(Wrapped { l1_ref: self.l1_ref.clone(), blob: blob.encode() })
    }

    async fn open_wrap(&self, ctx: Context, wrapped: &Wrapped) -> Result<L1Payload, RootError> {
        let blob = Blob::decode(wrapped.blob_of(&self.l1_ref)?)
            .ok_or_else(|| fault::Fault::NotABlob.into_root(&self.l1_ref, Phase::Serving))?;
        let aad = ctx.aad(&self.l1_ref);
        self.call(move |token| token.unwrap(&aad, &blob)).await
    }

    /// One visit to one thread: the key is found anew, wraps, unwraps and is described.
    async fn check(&self) -> Result<Health, RootError> {
        let start = Instant::now();
        let payload = probe_payload()?;
        let aad = Context::PROBE.aad(&self.l1_ref);
        let facts = self.call(move |token| {
            let facts = token.inspect()?;
            let blob = token.wrap(&aad, &payload)?;
            let back = token.unwrap(&aad, &blob)?;
            if same(&payload, &back) { Ok(facts) } else { Err(fault::Fault::WrongAnswer) }
        });
        let KeyFacts { token, attributes, .. } = facts.await?;
        let custody = Custody::Token { token, attributes };
        Ok(Health { l1_ref: self.l1_ref.clone(), round_trip: start.elapsed(), custody })
    }
}

impl RootKeystore for Pkcs11Root {
    fn l1_ref(&self) -> &str {
        &self.l1_ref
    }

    fn wrap<'a>(&'a self, ctx: Context, payload: L1Payload) -> BoxFuture<'a, Result<Wrapped, RootError>> {
        Box::pin(self.seal(ctx, payload))
    }

    fn unwrap<'a>(
        &'a self,
        ctx: Context,
        wrapped: &'a Wrapped,
    ) -> BoxFuture<'a, Result<L1Payload, RootError>> {
        Box::pin(self.open_wrap(ctx, wrapped))
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, RootError>> {
        Box::pin(self.check())
    }
}

/// The reference of a key: its token's serial number and its id. A label may change, these do not,
/// and an object in a token has no versions: another key is another id.
fn key_ref(serial: &str, id: &KeyId) -> String {
    format!("{NAME}:{serial}:{id}")
}

async fn on_token<R: Send + 'static>(
    pool: &Pool<SessionToken>,
    timeout: Duration,
    root: &str,
    phase: Phase,
    run: impl FnOnce(&mut SessionToken) -> Result<R, fault::Fault> + Send + 'static,
) -> Result<R, RootError> {
    match pool.call(timeout, run).await {
        Ok(answer) => answer.map_err(|fault| fault.into_root(root, phase)),
        Err(stalled) => Err(stalled.into_root(root)),
    }
}
