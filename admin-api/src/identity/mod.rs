//! Who a bearer token speaks for: tokens of identity providers (OpenID Connect), judged here alone.
//!
//! A provider is pinned, like an authority of certificates: its settings say for which tenants it may speak
//! and whether it may name operators of the platform. What a token claims beyond that counts for nothing.

mod claims;
mod keys;
mod provider;
mod token;

pub use provider::{BadProvider, Pin, Provider, Settings};
pub(crate) use token::Identified;

use std::sync::Arc;

use self::token::Refused;

/// All identity providers of a node.
#[derive(Default)]
pub struct Providers {
    all: Vec<Arc<Provider>>,
}

impl Providers {
    /// The providers of these settings, each asked once.
    ///
    /// One that does not answer now is asked again when a token of it comes: keys are served meanwhile. One
    /// that answers with a certificate nobody trusts, or as somebody else, is a reason not to start.
    ///
    /// # Errors
    /// [`BadProvider`], which names the issuer.
    pub async fn open(settings: Vec<Settings>) -> Result<Self, BadProvider> {
        let mut all: Vec<Arc<Provider>> = Vec::new();
        for one in settings {
            let provider = Provider::new(one)?;
            if all.iter().any(|known| known.issuer() == provider.issuer()) {
                return Err(BadProvider::twice(provider.issuer()));
            }
            provider.greet().await?;
            all.push(Arc::new(provider));
        }
        Ok(Self { all })
    }

    /// Who a token speaks for.
    ///
    /// # Errors
    /// [`Refused`]: the token is worth nothing, or its provider cannot be asked now.
    pub(crate) async fn identify(&self, token: &str) -> Result<Identified, Refused> {
        let issuer = token::claimed_issuer(token)?;
        let provider = self.all.iter().find(|one| one.issuer() == issuer).ok_or(Refused::Issuer)?;
        provider.identify(token).await
    }
}

pub(crate) use token::Refused as TokenRefused;
