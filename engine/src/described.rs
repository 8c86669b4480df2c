//! A root as its owner describes it, and how that is kept: sealed as a whole, since credentials may be in it.

use keystore::{Credentials, RootConfig};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Which key, where, and what proves us there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// Which key, where. No secret.
    pub config: RootConfig,
    /// What proves us there. Never shown again.
    #[serde(default)]
    pub credentials: Credentials,
}

impl Described {
    /// The bytes to be sealed, in a buffer that never grows.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let config = serde_json::to_vec(&self.config).expect("a configuration of texts is JSON");
        let credentials = self.credentials.expose_json();
        let parts: [&[u8]; 5] = [b"{\"config\":", &config, b",\"credentials\":", &credentials, b"}"];
        let mut bytes = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes
    }

    /// Reads what [`Described::to_bytes`] wrote; the parser's own words might quote a secret.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_debug_shows_no_secret() {
        let config = r#"{"provider":"software","key":"customer"}"#;
        let described = Described {
            config: serde_json::from_str(config).unwrap(),
            credentials: Credentials::from_json(br#"{"kind":"pin","pin":"12\"34"}"#).unwrap(),
        };
        let back = Described::from_bytes(&described.to_bytes()).unwrap();
        assert_eq!((&back.config, &back.credentials), (&described.config, &described.credentials));
        assert!(!format!("{back:?}").contains("12"), "{back:?}");
    }
}
