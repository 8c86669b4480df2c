//! How we prove ourselves to a root's home.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::SecretText;

/// Longest credentials in bytes, as JSON: a certificate chain and its key with room to spare.
const BYTES_MAX: usize = 32 * 1024;

/// Credentials of one root, as a JSON object with `kind` and texts. Its owner writes them; the floors
/// above keep them wrapped ([`Credentials::expose_json`]) and never show them again.
///
/// Where a choice exists, take the first that does: workload identity (nothing to steal), a
/// certificate, a static secret.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Credentials {
    /// The node's own identity, as its operator set it up ([`Site`](super::Site)).
    #[default]
    WorkloadIdentity,
    /// `pkcs11`: the token's user PIN.
    Pin {
        /// 4 to 64 characters, mostly.
        pin: SecretText,
    },
    /// `aws_kms`: a static access key; with a role in the configuration, only to assume that.
    AccessKey {
        /// `AKIA…`, not secret.
        access_key_id: String,
        /// Its secret.
        secret_access_key: SecretText,
    },
    /// `transit`: a token.
    Token {
        /// `hvs.…` or `s.…`.
        token: SecretText,
    },
    /// `transit`: the secret id of an `AppRole`.
    SecretId {
        /// The secret id.
        secret_id: SecretText,
    },
    /// `azure_key_vault`: a client secret of the application.
    ClientSecret {
        /// The secret.
        client_secret: SecretText,
    },
    /// `azure_key_vault` and `kmip`: a certificate and its key.
    Certificate {
        /// Chain in PEM, the leaf first.
        certificate_pem: String,
        /// Private key, PKCS#8 in PEM.
        private_key_pem: SecretText,
    },
    /// `gcp_kms`: a service account's key file.
    ServiceAccountKey {
        /// The JSON file, as text.
        key_json: SecretText,
    },
}

impl Credentials {
    /// Reads what [`expose_json`](Self::expose_json) or a request's body holds.
    ///
    /// # Errors
    /// Says what is wrong, never with a value of it.
    pub fn from_json(json: &[u8]) -> Result<Self, BadCredentials> {
        if json.len() > BYTES_MAX {
            return Err(BadCredentials::TooLong);
        }
        // The parser's own message may quote a value.
        serde_json::from_slice(json).map_err(|_| BadCredentials::NotOurs)
    }

    /// The whole of it as JSON, to be sealed at once and dropped: the only way secrets leave here.
    #[must_use]
    pub fn expose_json(&self) -> Zeroizing<Vec<u8>> {
        let fields: BTreeMap<&str, &str> = self.fields().into_iter().collect();
        // Written into a buffer that never moves: texts grow sixfold at most when escaped.
        let room = fields.iter().map(|(name, value)| name.len() + 6 * value.len() + 8).sum::<usize>() + 2;
        let mut json = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *json, &fields).expect("a map of texts is JSON, and a vector takes it");
        json
    }

    /// The word for it; all that may be shown.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WorkloadIdentity => "workload_identity",
            Self::Pin { .. } => "pin",
            Self::AccessKey { .. } => "access_key",
            Self::Token { .. } => "token",
            Self::SecretId { .. } => "secret_id",
            Self::ClientSecret { .. } => "client_secret",
            Self::Certificate { .. } => "certificate",
            Self::ServiceAccountKey { .. } => "service_account_key",
        }
    }

    fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![("kind", self.kind())];
        match self {
            Self::WorkloadIdentity => {}
            Self::Pin { pin } => fields.push(("pin", pin.expose())),
            Self::AccessKey { access_key_id, secret_access_key } => fields.extend([
                ("access_key_id", access_key_id.as_str()),
                ("secret_access_key", secret_access_key.expose()),
            ]),
            Self::Token { token } => fields.push(("token", token.expose())),
            Self::SecretId { secret_id } => fields.push(("secret_id", secret_id.expose())),
            Self::ClientSecret { client_secret } => fields.push(("client_secret", client_secret.expose())),
            Self::Certificate { certificate_pem, private_key_pem } => fields.extend([
                ("certificate_pem", certificate_pem.as_str()),
                ("private_key_pem", private_key_pem.expose()),
            ]),
            Self::ServiceAccountKey { key_json } => fields.push(("key_json", key_json.expose())),
        }
        fields
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.kind())
    }
}

/// Credentials that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCredentials {
    /// Longer than any.
    #[error("credentials have at most {BYTES_MAX} bytes")]
    TooLong,
    /// No JSON, or not one of the kinds.
    #[error(
        "these are no credentials: a JSON object is wanted with `kind`, one of workload_identity, pin, \
         access_key, token, secret_id, client_secret, certificate, service_account_key, and the texts of \
         that kind alone"
    )]
    NotOurs,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> SecretText {
        SecretText::new(value.to_owned())
    }

    #[test]
    fn every_kind_comes_back_from_what_is_exposed() {
        let kinds = [
            Credentials::WorkloadIdentity,
            Credentials::Pin { pin: text("1\"2\n\u{1}") },
            Credentials::AccessKey { access_key_id: "AKIA".to_owned(), secret_access_key: text("s/+") },
            Credentials::Token { token: text("hvs.x") },
            Credentials::SecretId { secret_id: text("x") },
            Credentials::ClientSecret { client_secret: text("~") },
            Credentials::Certificate { certificate_pem: "-----".to_owned(), private_key_pem: text("--") },
            Credentials::ServiceAccountKey { key_json: text("{\"a\": \"b\\n\"}") },
        ];
        for credentials in kinds {
            let json = credentials.expose_json();
            assert_eq!(Credentials::from_json(&json), Ok(credentials.clone()));
            assert_eq!(format!("{credentials:?}"), format!("Credentials({})", credentials.kind()));
        }
    }

    #[test]
    fn a_refusal_quotes_nothing() {
        for bad in [
            r#"{"kind":"pin","pin":5}"#,
            r#"{"kind":"sesame","x":"s"}"#,
            r#"{"kind":"pin","pin":"s","y":1}"#,
            "s",
        ] {
            let error = Credentials::from_json(bad.as_bytes()).unwrap_err();
            assert_eq!(error, BadCredentials::NotOurs, "{bad}");
        }
        assert_eq!(Credentials::from_json(&vec![b' '; BYTES_MAX + 1]), Err(BadCredentials::TooLong));
    }
}
