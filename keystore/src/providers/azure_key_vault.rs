//! `azure_key_vault`: an RSA key of Azure Key Vault or Managed HSM, over its REST interface.
//!
//! The payload is wrapped by RSA-OAEP with SHA-256 (vaults have no symmetric keys). OAEP here binds no
//! context, so the payload alone carries its place (DESIGN 3), and whoever unwraps must check it. A
//! blob is
//!
//! ```text
//! "KRZ1" ‖ version of the key, 32 characters ‖ what the vault answered, as long as the modulus
//! ```
//!
//! The version in use when wrapping is kept in the blob: the key's owner may rotate it. The key
//! reference is the key's address without version. The vault is not let tell us where to log in: a
//! token goes only to the host that was configured and allowed.

mod identity;

use crypto::L1Payload;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::identity::Identity;
use super::payload_from;
use super::service::{Fault, SecretField, Told, said};
use super::service_root::{ServiceRoot, tried};
use crate::config::AzureConfig;
use crate::http::{Answer, Client, Request};
use crate::{Context, Credentials, Permission, Phase, RootError, Site, Statement, Withdrawal};

/// Name in configuration and in key references.
pub const NAME: &str = "azure_key_vault";

/// First bytes of a blob.
const MAGIC: &[u8] = b"KRZ1";

/// Characters of a key's version.
const VERSION_CHARS: usize = 32;

/// Lengths of moduli that vaults have, bytes.
const MODULI: [usize; 3] = [256, 384, 512];

/// The interface we speak (released 2022; Managed HSM speaks it too).
const API: &str = "api-version=7.4";

/// The one algorithm: SHA-1 is no longer wanted, and a vault's keys are RSA.
const ALGORITHM: &str = "RSA-OAEP-256";

/// Hosts that anybody may name: vaults and managed HSMs of every cloud, and their directories.
const CLOUDS: [&str; 8] = [
    "*.vault.azure.net",
    "*.managedhsm.azure.net",
    "*.vault.azure.cn",
    "*.vault.usgovcloudapi.net",
    "*.managedhsm.usgovcloudapi.net",
    "login.microsoftonline.com",
    "login.chinacloudapi.cn",
    "login.microsoftonline.us",
];

const READ: &str = "Microsoft.KeyVault/vaults/keys/read";
const WRAP: &str = "Microsoft.KeyVault/vaults/keys/wrap/action";
const UNWRAP: &str = "Microsoft.KeyVault/vaults/keys/unwrap/action";

/// What a role must grant.
const GRANT: &str = "assign a role with it to the application; the policy of the connection test is one";

/// A root in Azure Key Vault.
pub struct AzureRoot {
    l1_ref: String,
    name: String,
    client: Client,
    identity: Identity,
}

impl AzureRoot {
    /// Comes by a token, reads the key, and checks that it is fit for a root.
    ///
    /// # Errors
    /// [`RootError::Misconfigured`] for everything that somebody must set right first,
    /// [`RootError::Withdrawn`] if it was open before (`phase`) and is no longer granted,
    /// [`RootError::Unreachable`] if Azure does not answer.
    pub async fn open(
        config: &AzureConfig,
        credentials: &Credentials,
        site: &Site,
        phase: Phase,
    ) -> Result<Self, RootError> {
        let told = Told { root: NAME, phase };
        let (vault, name) = split(&config.key_url).ok_or_else(|| {
            told.wrong(
                format!("`{}` is no address of a key", said(&config.key_url)),
                "give https://<vault>.vault.azure.net/keys/<name>, without a version",
            )
        })?;
        let client = client(vault, site)?;
        let identity = Identity::new(config, credentials, client.endpoint(), site)?;
        let l1_ref = format!("{NAME}:{}/keys/{name}", client.endpoint().authority());
        let root = Self { l1_ref, name: name.to_owned(), client, identity };
        let key = root.describe(phase).await?;
        key.fits(&told)?;
        root.usable(&key, phase)?;
        Ok(root)
    }

    /// One call with a token; if the vault does not know it, once more with a new one.
    async fn call(
        &self,
        request: impl Fn() -> Request,
        permission: &str,
        phase: Phase,
    ) -> Result<Answer, RootError> {
        let send = async |fresh: bool| -> Result<Answer, Fault> {
            let token = self.identity.token(fresh, self.told(phase)).await?;
            let request = request().header("authorization", format!("Bearer {}", token.expose()));
            Ok(self.client.send(request).await?)
        };
        let in_words = |fault: Fault| fault.into_root(&self.l1_ref, phase);
        let answer = send(false).await.map_err(in_words)?;
        let answer = if answer.status == 401 { send(true).await.map_err(in_words)? } else { answer };
        if answer.is_success() { Ok(answer) } else { Err(self.refusal(&answer, permission, phase)) }
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, answer: &Answer, phase: Phase) -> Result<T, RootError> {
        answer.json().map_err(|fault| fault.into_root(&self.l1_ref, phase))
    }

    /// What a refusal means (Key Vault REST, error codes and their inner errors).
    fn refusal(&self, answer: &Answer, permission: &str, phase: Phase) -> RootError {
        let told = self.told(phase);
        let error = answer.hint::<Refusal>().error;
        let said = said(&error.message);
        let inner = error.innererror.map(|inner| inner.code).unwrap_or_default();
        match (answer.status, inner.as_str()) {
            (401, _) => self.stranger(answer, &told, &said),
            (403, "KeyDisabled") => told.withdrawn(Withdrawal::Disabled, said),
            (403, "KeyExpired" | "KeyNotYetValid") => {
                told.withdrawn(Withdrawal::Disabled, format!("outside the dates of the key: {said}"))
            }
            (403, "KeyOperationForbidden") => {
                told.wrong(format!("the key may not do it: {said}"), "allow wrapKey and unwrapKey (key_ops)")
            }
            (403, "ForbiddenByFirewall" | "ForbiddenByConnection") => {
                told.silent(format!("the vault's firewall does not let this node in: {said}"))
            }
            (403, _) if error.message.contains("disabled key") => told.withdrawn(Withdrawal::Disabled, said),
            (403, _) => told.denied(permission, &said, GRANT),
            (404, _) => told.absent("such key in its vault", "correct `key_url`, or recover the key"),
            (400, _) if permission == UNWRAP => {
                told.corrupt("it was altered, or made for another place or by another key")
            }
            (429, _) => told.throttled(answer.retry_after, said),
            (status, _) => {
                told.silent(format!("it answered {status} {}: {said}", super::service::said(&error.code)))
            }
        }
    }

    /// A refused token; the challenge tells when the vault trusts another directory.
    fn stranger(&self, answer: &Answer, told: &Told<'_>, said: &str) -> RootError {
        let challenge = answer.challenge.as_deref().unwrap_or_default();
        let theirs = challenge.split("authorization=\"").nth(1).and_then(|rest| rest.split('"').next());
        let theirs = theirs.and_then(|url| url.trim_end_matches('/').rsplit('/').next()).unwrap_or_default();
        if !theirs.is_empty() && theirs != self.identity.directory() {
            let theirs = super::service::said(theirs);
            return told.wrong(
                format!("the vault trusts the directory {theirs}, and not {}", self.identity.directory()),
                "correct `directory_id`",
            );
        }
        told.unknown_caller(said, "renew the application's secret or certificate")
    }
}

/// The vault binds no context; the place is in the payload.
impl ServiceRoot for AzureRoot {
    type Key = KeyBundle;

    fn told(&self, phase: Phase) -> Told<'_> {
        Told { root: &self.l1_ref, phase }
    }

    fn service(&self) -> String {
        format!("Azure Key Vault {}", self.client.endpoint().host())
    }

    fn usable(&self, key: &KeyBundle, phase: Phase) -> Result<(), RootError> {
        if key.attributes.enabled {
            return Ok(());
        }
        Err(self.told(phase).withdrawn(Withdrawal::Disabled, "its current version is disabled"))
    }

    async fn statements(&self, key: &KeyBundle) -> Vec<Statement> {
        key.statements()
    }

    /// The key's current version.
    async fn describe(&self, phase: Phase) -> Result<KeyBundle, RootError> {
        let path = format!("/keys/{}?{API}", self.name);
        let answer = self.call(|| Request::get(path.as_str()), READ, phase).await?;
        self.read(&answer, phase)
    }

    async fn seal(&self, _: Context, payload: &L1Payload) -> Result<Vec<u8>, RootError> {
        let phase = Phase::Serving;
        let text = payload.with(|bytes| url_text(bytes));
        let body = KeyOperation { alg: ALGORITHM, value: &text };
        let key = self.describe(phase).await?;
        self.usable(&key, phase)?;
        let current = key.key.kid.rsplit('/').next().filter(|version| is_version(version));
        let current =
            current.ok_or_else(|| self.told(phase).silent("it does not say which version is current"))?;
        let path = format!("/keys/{}/{current}/wrapkey?{API}", self.name);
        let answer = self.call(|| Request::post_json(path.as_str(), &body), WRAP, phase).await?;
        let answer: Operated = self.read(&answer, phase)?;
        let told = self.told(phase);
        if answer.kid.rsplit('/').next() != Some(current) {
            return Err(told.silent("it wrapped with another version than was asked for"));
        }
        let sealed = BASE64URL_NOPAD.decode(answer.value.expose().as_bytes()).unwrap_or_default();
        if !MODULI.contains(&sealed.len()) {
            return Err(told.silent("it answered with no ciphertext"));
        }
        Ok([MAGIC, current.as_bytes(), &sealed].concat())
    }

    async fn open_wrap(&self, _: Context, blob: &[u8]) -> Result<L1Payload, RootError> {
        let phase = Phase::Serving;
        let told = self.told(phase);
        let (version, sealed) = parts(blob).ok_or_else(|| told.corrupt("it is no blob of this provider"))?;
        let text = BASE64URL_NOPAD.encode(sealed);
        let body = KeyOperation { alg: ALGORITHM, value: &text };
        let path = format!("/keys/{}/{version}/unwrapkey?{API}", self.name);
        let answer = match self.call(|| Request::post_json(path.as_str(), &body), UNWRAP, phase).await {
            // Versions cannot be deleted singly: if the key is there, the blob names one that never was.
            Err(RootError::Withdrawn { withdrawal: Withdrawal::Destroyed, .. }) => {
                self.describe(phase).await?;
                return Err(told.corrupt("it names a version that the key does not have"));
            }
            answer => answer?,
        };
        let answer: Operated = self.read(&answer, phase)?;
        let text = answer.value.expose().as_bytes();
        let length = BASE64URL_NOPAD.decode_len(text.len());
        let mut bytes = Zeroizing::new(vec![0; length.unwrap_or_default()]);
        let length = BASE64URL_NOPAD.decode_mut(text, &mut bytes).unwrap_or_default();
        payload_from(&self.l1_ref, &bytes[..length])
    }

    async fn permissions(&self) -> Vec<Permission> {
        tried(self, [READ, WRAP, UNWRAP]).await
    }
}

/// `https://<host>` and the key's name.
fn split(url: &str) -> Option<(&str, &str)> {
    let at = url.find("/keys/").filter(|at| url.get(..8) == Some("https://") && *at > 8)?;
    let (vault, name) = (&url[..at], &url[at + "/keys/".len()..]);
    let is_name =
        (1..=127).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_name.then_some((vault, name))
}

fn is_version(text: &str) -> bool {
    text.len() == VERSION_CHARS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Version and ciphertext of a blob.
fn parts(blob: &[u8]) -> Option<(&str, &[u8])> {
    let (version, sealed) = blob.strip_prefix(MAGIC)?.split_at_checked(VERSION_CHARS)?;
    let version = str::from_utf8(version).ok().filter(|version| is_version(version))?;
    MODULI.contains(&sealed.len()).then_some((version, sealed))
}

fn client(url: &str, site: &Site) -> Result<Client, RootError> {
    Client::of(url, site, &CLOUDS, None).map_err(|fault| fault.into_root(NAME, Phase::Opening))
}

/// Bytes in base64url, in a buffer that never moves and is wiped.
fn url_text(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(BASE64URL_NOPAD.encode_len(bytes.len())));
    BASE64URL_NOPAD.encode_append(bytes, &mut text);
    text
}

#[derive(Serialize)]
struct KeyOperation<'a> {
    alg: &'static str,
    value: &'a str,
}

#[derive(Deserialize)]
struct Operated {
    kid: String,
    value: SecretField,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: RefusalBody,
}

#[derive(Default, Deserialize)]
struct RefusalBody {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    innererror: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
pub(crate) struct KeyBundle {
    key: JsonWebKey,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct JsonWebKey {
    kid: String,
    kty: String,
    #[serde(default)]
    key_ops: Vec<String>,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    exportable: bool,
    #[serde(default)]
    exp: Option<u64>,
    #[serde(default, rename = "recoveryLevel")]
    recovery_level: String,
}

impl KeyBundle {
    fn fits(&self, told: &Told<'_>) -> Result<(), RootError> {
        if !matches!(self.key.kty.as_str(), "RSA" | "RSA-HSM") {
            return Err(
                told.wrong(format!("the key is of type {}", said(&self.key.kty)), "make one of type RSA-HSM")
            );
        }
        for operation in ["wrapKey", "unwrapKey"] {
            if !self.key.key_ops.iter().any(|allowed| allowed == operation) {
                return Err(told
                    .wrong(format!("the key may not {operation}"), "allow wrapKey and unwrapKey (key_ops)"));
            }
        }
        Ok(())
    }

    fn statements(&self) -> Vec<Statement> {
        let version = self.key.kid.rsplit('/').next().unwrap_or_default();
        let mut rows = vec![
            Statement::new("kty", said(&self.key.kty))
                .warn(self.key.kty == "RSA", "the key is not in an HSM (kty RSA, not RSA-HSM)"),
            Statement::new("version", said(version)),
            Statement::new("exportable", self.attributes.exportable.to_string())
                .warn(self.attributes.exportable, "the key may be exported from its vault"),
            Statement::new("recoveryLevel", said(&self.attributes.recovery_level)).warn(
                self.attributes.recovery_level.starts_with("Purgeable"),
                "a deleted key is gone at once: switch soft delete on",
            ),
        ];
        rows.extend(self.attributes.exp.map(|exp| {
            Statement::new("exp", exp.to_string())
                .warn(true, "the key has an expiry date: new keys cannot be wrapped after it")
        }));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_vault_and_a_key() {
        assert_eq!(split("https://a.vault.azure.net/keys/b-1"), Some(("https://a.vault.azure.net", "b-1")));
        for bad in [
            "",
            "http://a.vault.azure.net/keys/b",
            "https:///keys/b",
            "https://a.vault.azure.net/keys/",
            "https://a.vault.azure.net/keys/b/0123",
            "https://a.vault.azure.net/keys/b?x",
            "https://a.vault.azure.net/secrets/b",
        ] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
