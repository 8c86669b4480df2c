//! `gcp_kms`: a symmetric key of Google Cloud KMS, over its REST interface.
//!
//! The payload is encrypted by KMS with the place as additional authenticated data, and every byte
//! string travels with its CRC32C, in both directions, as Google asks of its callers. A blob is
//!
//! ```text
//! "KRG1" ‖ what KMS answered
//! ```
//!
//! The key keeps its versions and the ciphertext names which made it: its owner may rotate it. The key
//! reference is the key's resource name, which is never used twice.

mod identity;

use crypto::L1Payload;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use self::identity::Identity;
use super::service::{Fault, SecretField, Told, base64_text, payload_of_text, payload_text, said};
use super::service_root::ServiceRoot;
use crate::config::GcpKmsConfig;
use crate::http::{Answer, Client, Request};
use crate::{Context, Credentials, Permission, Phase, RootError, Site, Statement, Withdrawal};

/// Name in configuration and in key references.
pub const NAME: &str = "gcp_kms";

/// First bytes of a blob.
const MAGIC: &[u8] = b"KRG1";

/// Longest ciphertext that is worth sending: of 64 bytes KMS makes some 170.
const CIPHERTEXT_BYTES_MAX: usize = 4_096;

/// Hosts that anybody may name.
const CLOUDS: [&str; 5] = [
    "cloudkms.googleapis.com",
    "cloudkms.*.rep.googleapis.com",
    "oauth2.googleapis.com",
    "sts.googleapis.com",
    "iamcredentials.googleapis.com",
];

const ENCRYPT: &str = "cloudkms.cryptoKeyVersions.useToEncrypt";
const DECRYPT: &str = "cloudkms.cryptoKeyVersions.useToDecrypt";
const READ: &str = "cloudkms.cryptoKeys.get";

/// What a policy must grant.
const GRANT: &str = "grant it to the service account on the key; the policy of the connection test does";

/// A root in Google Cloud KMS.
pub struct GcpKmsRoot {
    l1_ref: String,
    key_name: String,
    client: Client,
    identity: Identity,
}

impl GcpKmsRoot {
    /// Comes by a token, reads the key, and checks that it is fit for a root.
    ///
    /// # Errors
    /// [`RootError::Misconfigured`] for everything that somebody must set right first,
    /// [`RootError::Withdrawn`] if it was open before (`phase`) and is no longer granted,
    /// [`RootError::Unreachable`] if Google does not answer.
    pub async fn open(
        config: &GcpKmsConfig,
        credentials: &Credentials,
        site: &Site,
        phase: Phase,
    ) -> Result<Self, RootError> {
        let told = Told { root: NAME, phase };
        if !is_key_name(&config.key_name) {
            return Err(told.wrong(
                format!("`{}` is no name of a key", said(&config.key_name)),
                "give projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>",
            ));
        }
        let endpoint = config.endpoint.as_deref().unwrap_or("https://cloudkms.googleapis.com");
        let client = client(endpoint, site)?;
        let identity = Identity::new(config, credentials, site)?;
        let l1_ref = format!("{NAME}:{}", config.key_name);
        let root = Self { l1_ref, key_name: config.key_name.clone(), client, identity };
        let key = root.describe(phase).await?;
        if key.name != config.key_name {
            return Err(told.wrong("KMS describes another key than was asked for", "give the key's own name"));
        }
        if key.purpose != "ENCRYPT_DECRYPT" {
            let what = format!("the key's purpose is {}", said(&key.purpose));
            return Err(told.wrong(what, "make a symmetric key (--purpose encryption)"));
        }
        root.usable(&key, phase)?;
        Ok(root)
    }

    fn path(&self, verb: &str) -> String {
        format!("/v1/{}{verb}", self.key_name)
    }

    /// One call with a token; if Google no longer knows it, once more with a new one.
    async fn call(&self, request: impl Fn() -> Request, phase: Phase) -> Result<Answer, RootError> {
        let send = async |fresh: bool| -> Result<Answer, Fault> {
            let token = self.identity.token(fresh, self.told(phase)).await?;
            let request = request().header("authorization", format!("Bearer {}", token.expose()));
            Ok(self.client.send(request).await?)
        };
        let in_words = |fault: Fault| fault.into_root(&self.l1_ref, phase);
        let answer = send(false).await.map_err(in_words)?;
        let answer = if answer.status == 401 { send(true).await.map_err(in_words)? } else { answer };
        if answer.is_success() { Ok(answer) } else { Err(self.refusal(&answer, phase)) }
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, answer: &Answer, phase: Phase) -> Result<T, RootError> {
        answer.json().map_err(|fault| fault.into_root(&self.l1_ref, phase))
    }

    /// What a refusal means (Google's error model: `status` is the canonical code).
    fn refusal(&self, answer: &Answer, phase: Phase) -> RootError {
        let told = self.told(phase);
        let error = answer.hint::<Refusal>().error;
        let said = said(&error.message);
        match error.status.as_str() {
            "PERMISSION_DENIED" => {
                let named = [ENCRYPT, DECRYPT, READ].into_iter().find(|name| error.message.contains(name));
                told.denied(named.unwrap_or(READ), &said, GRANT)
            }
            "UNAUTHENTICATED" => told.unknown_caller(
                &said,
                "renew the service account's key, and see that the node's clock is right",
            ),
            "NOT_FOUND" => told.absent("such key", "correct `key_name`"),
            "FAILED_PRECONDITION" => {
                let states = ["DESTROY_SCHEDULED", "DESTROYED", "DISABLED", "PENDING_IMPORT"];
                let state = states.into_iter().find(|state| error.message.contains(state));
                state.and_then(|state| ended(&told, state)).unwrap_or_else(|| told.silent(said))
            }
            "INVALID_ARGUMENT" if error.message.contains("Decryption failed") => {
                told.corrupt("it was altered, or made for another place or by another key")
            }
            "RESOURCE_EXHAUSTED" => told.throttled(answer.retry_after, said),
            status => {
                told.silent(format!("it answered {} {}: {said}", answer.status, super::service::said(status)))
            }
        }
    }
}

impl ServiceRoot for GcpKmsRoot {
    type Key = CryptoKey;

    fn told(&self, phase: Phase) -> Told<'_> {
        Told { root: &self.l1_ref, phase }
    }

    fn service(&self) -> String {
        "Google Cloud KMS".to_owned()
    }

    async fn statements(&self, key: &CryptoKey) -> Vec<Statement> {
        key.statements()
    }

    async fn describe(&self, phase: Phase) -> Result<CryptoKey, RootError> {
        let answer = self.call(|| Request::get(self.path("")), phase).await?;
        self.read(&answer, phase)
    }

    /// By the state of the primary version.
    fn usable(&self, key: &CryptoKey, phase: Phase) -> Result<(), RootError> {
        let told = self.told(phase);
        match key.primary.as_ref().map(|version| version.state.as_str()) {
            Some("ENABLED") => Ok(()),
            Some(state) => {
                Err(ended(&told, state)
                    .unwrap_or_else(|| told.silent(format!("its state is {}", said(state)))))
            }
            None => Err(told.wrong("the key has no primary version", "make a version and set it as primary")),
        }
    }

    async fn seal(&self, ctx: Context, payload: &L1Payload) -> Result<Vec<u8>, RootError> {
        let phase = Phase::Serving;
        let aad = ctx.aad(&self.l1_ref);
        let (aad_text, text) = (base64_text(&aad), payload_text(payload));
        let body = EncryptRequest {
            plaintext: &text,
            plaintext_crc32c: payload.with(|bytes| checksum(bytes)),
            additional_authenticated_data: &aad_text,
            additional_authenticated_data_crc32c: checksum(&aad),
        };
        let answer = self.call(|| Request::post_json(self.path(":encrypt"), &body), phase).await?;
        let answer: Encrypted = self.read(&answer, phase)?;
        let told = self.told(phase);
        let sealed = BASE64.decode(answer.ciphertext.as_bytes()).unwrap_or_default();
        if !(1..=CIPHERTEXT_BYTES_MAX).contains(&sealed.len()) {
            return Err(told.silent("it answered with no ciphertext"));
        }
        let seen = answer.verified_plaintext_crc32c && answer.verified_additional_authenticated_data_crc32c;
        if !seen || answer.ciphertext_crc32c != checksum(&sealed) {
            return Err(told.silent("what was sent or answered was altered on its way (CRC32C)"));
        }
        if !answer.name.starts_with(&format!("{}/cryptoKeyVersions/", self.key_name)) {
            return Err(told.silent("it encrypted under another key than was asked for"));
        }
        Ok([MAGIC, &sealed].concat())
    }

    async fn open_wrap(&self, ctx: Context, blob: &[u8]) -> Result<L1Payload, RootError> {
        let phase = Phase::Serving;
        let told = self.told(phase);
        let sealed =
            blob.strip_prefix(MAGIC).filter(|sealed| (1..=CIPHERTEXT_BYTES_MAX).contains(&sealed.len()));
        let sealed = sealed.ok_or_else(|| told.corrupt("it is no blob of this provider"))?;
        let aad = ctx.aad(&self.l1_ref);
        let (aad_text, text) = (base64_text(&aad), base64_text(sealed));
        let body = DecryptRequest {
            ciphertext: &text,
            ciphertext_crc32c: checksum(sealed),
            additional_authenticated_data: &aad_text,
            additional_authenticated_data_crc32c: checksum(&aad),
        };
        let answer = self.call(|| Request::post_json(self.path(":decrypt"), &body), phase).await?;
        let answer: Decrypted = self.read(&answer, phase)?;
        let payload = payload_of_text(&self.l1_ref, answer.plaintext.expose())?;
        if payload.with(|bytes| checksum(bytes)) != answer.plaintext_crc32c {
            return Err(told.silent("what was answered was altered on its way (CRC32C)"));
        }
        Ok(payload)
    }

    async fn permissions(&self) -> Vec<Permission> {
        let rows = [
            (ENCRYPT, "wraps keys"),
            (DECRYPT, "unwraps keys"),
            (READ, "tells a disabled key from a missing permission"),
        ];
        let body = serde_json::json!({ "permissions": rows.map(|(name, _)| name) });
        let asked = self.call(|| Request::post_json(self.path(":testIamPermissions"), &body), Phase::Serving);
        let held = asked.await.ok().map(|answer| answer.hint::<Held>().permissions);
        let row = |(name, purpose): (&str, &'static str)| {
            let granted = held.as_ref().map(|held| held.iter().any(|held| held == name));
            Permission::needed(name, granted, purpose)
        };
        rows.into_iter().map(row).collect()
    }
}

/// A version's state that ends its use.
fn ended(told: &Told<'_>, state: &str) -> Option<RootError> {
    let withdrawal = match state {
        "DISABLED" | "PENDING_IMPORT" => Withdrawal::Disabled,
        "DESTROY_SCHEDULED" => Withdrawal::PendingDeletion,
        "DESTROYED" => Withdrawal::Destroyed,
        _ => return None,
    };
    Some(told.withdrawn(withdrawal, format!("the state of its version is {state}")))
}

/// CRC32C as Google writes it: a decimal number in a text.
fn checksum(bytes: &[u8]) -> String {
    crc32c::crc32c(bytes).to_string()
}

fn client(url: &str, site: &Site) -> Result<Client, RootError> {
    Client::of(url, site, &CLOUDS, None).map_err(|fault| fault.into_root(NAME, Phase::Opening))
}

/// `projects/<p>/locations/<l>/keyRings/<r>/cryptoKeys/<k>`, each a word.
fn is_key_name(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let word = |text: &str| {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
            && text != "."
            && text != ".."
    };
    match parts.as_slice() {
        ["projects", p, "locations", l, "keyRings", r, "cryptoKeys", k] => {
            [p, l, r, k].into_iter().all(|part| word(part)) && !k.contains(':')
        }
        _ => false,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EncryptRequest<'a> {
    plaintext: &'a str,
    plaintext_crc32c: String,
    additional_authenticated_data: &'a str,
    additional_authenticated_data_crc32c: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DecryptRequest<'a> {
    ciphertext: &'a str,
    ciphertext_crc32c: String,
    additional_authenticated_data: &'a str,
    additional_authenticated_data_crc32c: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encrypted {
    name: String,
    ciphertext: String,
    ciphertext_crc32c: String,
    #[serde(default)]
    verified_plaintext_crc32c: bool,
    #[serde(default)]
    verified_additional_authenticated_data_crc32c: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decrypted {
    plaintext: SecretField,
    plaintext_crc32c: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: RefusalBody,
}

#[derive(Default, Deserialize)]
struct RefusalBody {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
}

#[derive(Default, Deserialize)]
struct Held {
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct CryptoKey {
    name: String,
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    primary: Option<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    name: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    protection_level: String,
    #[serde(default)]
    import_job: Option<String>,
}

impl CryptoKey {
    fn statements(&self) -> Vec<Statement> {
        let Some(primary) = &self.primary else { return Vec::new() };
        let level = primary.protection_level.as_str();
        vec![
            Statement::new("primary", said(primary.name.rsplit('/').next().unwrap_or_default())),
            Statement::new("state", said(&primary.state)),
            Statement::new("protectionLevel", said(level))
                .warn(level == "SOFTWARE", "the key is not in an HSM (protectionLevel SOFTWARE)"),
            Statement::new("imported", primary.import_job.is_some().to_string())
                .warn(primary.import_job.is_some(), "the key was imported: copies may exist"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_keys() {
        assert!(is_key_name("projects/acme/locations/europe-west3/keyRings/r_1/cryptoKeys/k"));
        assert!(is_key_name("projects/example.com:acme/locations/global/keyRings/r/cryptoKeys/k"));
        for bad in [
            "",
            "projects/acme/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "projects/acme/locations/l/keyRings/r/cryptoKeys/",
            "projects/acme/locations/l/keyRings/r/cryptoKeys/k:destroy",
            "projects/acme/locations/../keyRings/r/cryptoKeys/k",
            "projects/acme/locations/l/keyRings/r/cryptoKeys/k?x",
            "folders/acme/locations/l/keyRings/r/cryptoKeys/k",
        ] {
            assert!(!is_key_name(bad), "{bad}");
        }
    }

    #[test]
    fn checksums_are_castagnoli_s() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283_u32.to_string());
    }
}
