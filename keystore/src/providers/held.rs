//! What proves us to a service for a while: it is asked for once, not by every call.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;

use super::service::Fault;
use crate::SecretText;

/// How long before its end a proof is no longer used: longer than any call.
const MARGIN: Duration = Duration::from_secs(30);

/// The last proof, and until when it is used.
pub struct Held<T>(Mutex<Option<(T, Instant)>>);

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Held<T> {
    /// The last proof; a new one, which `ask` brings with how long it lasts, if there is none or if `fresh` says
    /// that the last is no longer accepted.
    pub async fn get(
        &self,
        fresh: bool,
        ask: impl Future<Output = Result<(T, Duration), Fault>>,
    ) -> Result<T, Fault> {
        // Held over the call: many callers need one proof.
        let mut held = self.0.lock().await;
        if let Some((proof, _)) = held.as_ref().filter(|(_, until)| !fresh && Instant::now() < *until) {
            return Ok(proof.clone());
        }
        let begun = Instant::now();
        let (proof, lasts) = ask.await?;
        *held = Some((proof.clone(), begun + lasts.saturating_sub(MARGIN)));
        Ok(proof)
    }
}

/// A token as OAuth 2.0 gives it (RFC 6749, section 5.1).
#[cfg(any(feature = "azure_key_vault", feature = "gcp_kms"))]
#[derive(Deserialize)]
pub struct Token {
    access_token: SecretText,
    expires_in: u64,
}

#[cfg(any(feature = "azure_key_vault", feature = "gcp_kms"))]
impl Token {
    /// The token, and how long it lasts.
    pub fn lasting(self) -> (SecretText, Duration) {
        (self.access_token, Duration::from_secs(self.expires_in))
    }
}
