//! One struct per provider: which key, where.

use serde::{Deserialize, Serialize};

use super::KeyId;

/// A root as its owner describes it, as a JSON or TOML object whose `provider` names the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum RootConfig {
    /// A key in a file of the node. Development only.
    Software(SoftwareConfig),
    /// An HSM through a PKCS#11 module that the node's operator installed.
    Pkcs11(Pkcs11Config),
    /// AWS KMS.
    AwsKms(AwsKmsConfig),
    /// Azure Key Vault or Managed HSM.
    AzureKeyVault(AzureConfig),
    /// Google Cloud KMS.
    GcpKms(GcpKmsConfig),
    /// The transit engine of OpenBao or Vault.
    Transit(TransitConfig),
    /// An HSM or key manager that speaks KMIP.
    Kmip(KmipConfig),
}

impl RootConfig {
    /// Name of the provider, as in `provider` and in key references.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Software(_) => "software",
            Self::Pkcs11(_) => "pkcs11",
            Self::AwsKms(_) => "aws_kms",
            Self::AzureKeyVault(_) => "azure_key_vault",
            Self::GcpKms(_) => "gcp_kms",
            Self::Transit(_) => "transit",
            Self::Kmip(_) => "kmip",
        }
    }
}

/// Which file of the site holds the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftwareConfig {
    /// Name of an entry of the site's `danger_key_files`.
    pub key: String,
}

/// Which key in which token, reached through which of the site's modules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11Config {
    /// Name of an entry of the site's `hsm`; its module is the operator's choice.
    pub hsm: String,
    /// Label of the token.
    pub token: String,
    /// Serial number of the token, where several bear one label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_serial: Option<String>,
    /// `CKA_LABEL` of the AES-256 key.
    pub key_label: String,
    /// `CKA_ID` of the key, in hexadecimal.
    pub key_id: KeyId,
}

/// A key of AWS KMS. Its account and region are in its ARN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsKmsConfig {
    /// `arn:aws:kms:<region>:<account>:key/<id>`; an alias is refused, since it may move.
    pub key_arn: String,
    /// The role to assume for every call; without it the credentials themselves must be allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy demands. Made by us, one per tenant, so that nobody
    /// can have us assume another tenant's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// `https://…` of a VPC endpoint for KMS; the public one of the region without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The same for STS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sts_endpoint: Option<String>,
}

/// An RSA key of Azure Key Vault or Managed HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureConfig {
    /// `https://<vault>.vault.azure.net/keys/<name>`; the version in use when wrapping is kept in the wrap.
    pub key_url: String,
    /// The directory (tenant) of the application.
    pub directory_id: String,
    /// The application (client) id.
    pub client_id: String,
    /// Where tokens come from; `https://login.microsoftonline.com` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

/// A symmetric key of Google Cloud KMS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcpKmsConfig {
    /// `projects/<p>/locations/<l>/keyRings/<r>/cryptoKeys/<k>`.
    pub key_name: String,
    /// `//iam.googleapis.com/projects/…/providers/…`: the workload identity provider that trusts the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity_provider: Option<String>,
    /// The service account to act as after federation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// `https://…` of a private endpoint; `https://cloudkms.googleapis.com` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// A key of a transit engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitConfig {
    /// `https://host:port` of the server.
    pub address: String,
    /// Name of the key; its type must authenticate associated data (`aes256-gcm96` does).
    pub key: String,
    /// Where the engine is mounted.
    #[serde(default = "default_mount")]
    pub mount: String,
    /// Namespace of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// How to log in.
    #[serde(default)]
    pub auth: TransitAuth,
    /// Authority of the server's certificate, in PEM; the site's bundle without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

/// How to log in to a transit server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum TransitAuth {
    /// The credentials are a token.
    #[default]
    Token,
    /// The credentials are a secret id.
    AppRole {
        /// The role id.
        role_id: String,
        /// Where the method is mounted.
        #[serde(default = "default_approle")]
        mount: String,
    },
    /// The node's own signed identity (workload identity).
    Jwt {
        /// The role.
        role: String,
        /// Where the method is mounted.
        #[serde(default = "default_jwt")]
        mount: String,
    },
}

/// A symmetric key of a KMIP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KmipConfig {
    /// `host:port` of the server.
    pub address: String,
    /// Unique Identifier of an AES-256 key that may encrypt and decrypt.
    pub key_uid: String,
    /// Name in the server's certificate, where it is not the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Authority of the server's certificate, in PEM; the site's bundle without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

fn default_mount() -> String {
    "transit".to_owned()
}

fn default_approle() -> String {
    "approle".to_owned()
}

fn default_jwt() -> String {
    "jwt".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, provider: &str) {
        let config: RootConfig = serde_json::from_str(json).unwrap();
        assert_eq!(config.provider(), provider);
        assert_eq!(serde_json::to_string(&config).unwrap(), json, "it is written as it was read");
    }

    #[test]
    fn a_configuration_is_what_it_says_and_nothing_more() {
        check(r#"{"provider":"software","key":"dev"}"#, "software");
        check(r#"{"provider":"pkcs11","hsm":"main","token":"t","key_label":"k","key_id":"0a"}"#, "pkcs11");
        check(r#"{"provider":"aws_kms","key_arn":"arn:x","external_id":"e"}"#, "aws_kms");
        check(
            r#"{"provider":"transit","address":"https://b:8200","key":"k","mount":"transit","auth":{"method":"token"}}"#,
            "transit",
        );
        check(r#"{"provider":"kmip","address":"h:5696","key_uid":"1"}"#, "kmip");
    }

    #[test]
    fn no_path_and_no_secret_can_be_put_into_it() {
        let pkcs11 = r#""provider":"pkcs11","hsm":"main","token":"t","key_label":"k","key_id":"0a""#;
        let transit = r#""provider":"transit","address":"https://b","key":"k""#;
        for (config, more) in [
            (pkcs11, r#""module":"/tmp/evil.so""#),
            (pkcs11, r#""pin_file":"/etc/shadow""#),
            (pkcs11, r#""pin":"1234""#),
            (transit, r#""token":"hvs.x""#),
            (transit, r#""token_file":"/etc/shadow""#),
            (r#""provider":"software","key":"dev""#, r#""danger_key_file":"/etc/shadow""#),
        ] {
            let text = format!("{{{config},{more}}}");
            let error = serde_json::from_str::<RootConfig>(&text).unwrap_err().to_string();
            assert!(error.contains("unknown field"), "{text}: {error}");
            serde_json::from_str::<RootConfig>(&format!("{{{config}}}")).unwrap();
        }
    }
}
