//! `transit`: a key in the transit engine of OpenBao or Vault, over its HTTP API.
//!
//! The payload is encrypted by the engine with the place as associated data, so the key must be of a
//! type that authenticates (`aes256-gcm96` and its kin); its other types are refused. A blob is
//!
//! ```text
//! "KRT1" ‖ what the engine answered, `vault:v<n>:<base64>`
//! ```
//!
//! The engine keeps the versions of its key, and the blob names the one that made it: its owner may
//! rotate it as they like. The key reference is the server, namespace, mount and name.
//!
//! A deleted key and a missing permission look alike to a token that may only encrypt (a missing key
//! would be *created*), so a refusal is looked into by reading the key.

mod lasting;
mod login;

use crypto::L1Payload;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::login::Login;
use super::service::{Fault, SecretField, Told, base64_text, payload_of_text, payload_text, said};
use super::service_root::ServiceRoot;
use crate::config::TransitConfig;
use crate::http::{Answer, Client, Request};
use crate::{Context, Credentials, Permission, Phase, RootError, Site, Statement, Withdrawal};

/// Name in configuration and in key references.
pub const NAME: &str = "transit";

/// First bytes of a blob.
const MAGIC: &[u8] = b"KRT1";

/// Longest blob: a ciphertext of 64 bytes has about 150 characters.
const BLOB_BYTES_MAX: usize = 1_024;

/// Key types that authenticate associated data.
const TYPES: [&str; 4] = ["aes256-gcm96", "aes128-gcm96", "chacha20-poly1305", "xchacha20-poly1305"];

/// How the key is repaired when its type does not do.
const MAKE_KEY: &str = "make one of type aes256-gcm96; the script of the connection test does";

/// What a policy must grant.
const GRANT: &str = "grant it to the token; the policy of the connection test does";

/// A root in a transit engine.
pub struct TransitRoot {
    l1_ref: String,
    config: TransitConfig,
    client: Client,
    login: Login,
    /// The key derives a key per context, so every call must give one.
    derived: bool,
}

impl TransitRoot {
    /// Logs in, reads the key, and checks that it is fit for a root.
    ///
    /// # Errors
    /// [`RootError::Misconfigured`] for everything that somebody must set right first,
    /// [`RootError::Withdrawn`] if it was open before (`phase`) and is no longer granted,
    /// [`RootError::Unreachable`] if the server does not answer.
    pub async fn open(
        config: &TransitConfig,
        credentials: &Credentials,
        site: &Site,
        phase: Phase,
    ) -> Result<Self, RootError> {
        let told = Told { root: NAME, phase };
        for (what, text) in [("key", &config.key), ("mount", &config.mount)] {
            if !is_path(text) {
                return Err(
                    told.wrong(format!("`{text}` is no name of a {what}"), "correct the configuration")
                );
            }
        }
        let client = Client::of(&config.address, site, &[], config.ca_pem.as_deref())
            .map_err(|fault| fault.into_root(NAME, phase))?;
        let login = Login::new(config, credentials, site)?;
        let namespace = config.namespace.as_deref().map(|name| format!("{name}/")).unwrap_or_default();
        let l1_ref =
            format!("{NAME}:{}/{namespace}{}/{}", client.endpoint().authority(), config.mount, config.key);
        let mut root = Self { l1_ref, config: config.clone(), client, login, derived: false };
        let key = root.describe(phase).await?;
        root.derived = key.derived;
        if !TYPES.contains(&key.kind.as_str()) {
            return Err(told
                .wrong(format!("the key is of type {}, which binds no context", said(&key.kind)), MAKE_KEY));
        }
        Ok(root)
    }

    fn path(&self, verb: &str) -> String {
        format!("/v1/{}/{verb}/{}", self.config.mount, self.config.key)
    }

    /// One call with a token; if the server no longer knows it, once more with a new one.
    async fn call(&self, request: impl Fn() -> Request, phase: Phase) -> Result<Answer, RootError> {
        let send = async |fresh: bool| -> Result<Answer, Fault> {
            let token = self.login.token(&self.client, fresh, self.told(phase)).await?;
            Ok(self.client.send(self.login.dressed(request(), &token)).await?)
        };
        let in_words = |fault: Fault| fault.into_root(&self.l1_ref, phase);
        let answer = send(false).await.map_err(in_words)?;
        if answer.status == 403 && self.login.renews() {
            return send(true).await.map_err(in_words);
        }
        if answer.is_success() {
            self.login.tend(&self.client).await;
        }
        Ok(answer)
    }

    fn place(&self, ctx: Context) -> Zeroizing<String> {
        base64_text(&ctx.aad(&self.l1_ref))
    }

    /// What a refused encryption or decryption means, seen together with what reading the key says.
    async fn looked_into(&self, answer: Answer, verb: &str) -> RootError {
        let capability = format!("update on {}/{verb}/{}", self.config.mount, self.config.key);
        let refusal = self.refusal(&answer, &capability, Phase::Serving);
        let errors = answer.hint::<Errors>().joined();
        let about_the_blob = answer.status == 400 && verb == "decrypt";
        if !about_the_blob && answer.status != 403 && answer.status != 404 {
            return refusal;
        }
        if answer.status == 400 && errors.contains("disallowed by policy") {
            let detail = "the version that wrapped is below its min_decryption_version";
            return self.told(Phase::Serving).withdrawn(Withdrawal::Disabled, detail);
        }
        match self.describe(Phase::Serving).await {
            // The key is there: the blob is at fault, or the permission.
            Ok(_) if about_the_blob => self
                .told(Phase::Serving)
                .corrupt("it was altered, or made for another place or by another key"),
            Ok(_) => refusal,
            Err(worse) => worse,
        }
    }

    /// What an answer that is no success says by itself.
    fn refusal(&self, answer: &Answer, capability: &str, phase: Phase) -> RootError {
        let told = self.told(phase);
        let errors = answer.hint::<Errors>().joined();
        let said = said(&errors);
        match answer.status {
            400 if errors.contains("encryption key not found") => {
                told.absent("such key in its engine", MAKE_KEY)
            }
            403 => told.denied(capability, &said, GRANT),
            404 if errors.contains("no handler for route") => {
                told.absent("transit engine at this mount", "correct `mount`, or enable the engine")
            }
            404 => told.absent("such key in its engine", MAKE_KEY),
            429 => told.throttled(answer.retry_after, said),
            400 => told.silent(format!("it did not understand us: {said}")),
            503 => told.silent(format!("the server is sealed: {said}")),
            status => told.silent(format!("it answered {status}: {said}")),
        }
    }
}

impl ServiceRoot for TransitRoot {
    type Key = Key;

    fn told(&self, phase: Phase) -> Told<'_> {
        Told { root: &self.l1_ref, phase }
    }

    fn service(&self) -> String {
        format!("transit engine at {}", self.client.endpoint().authority())
    }

    /// A key of an engine cannot be disabled, only deleted.
    fn usable(&self, _: &Key, _: Phase) -> Result<(), RootError> {
        Ok(())
    }

    async fn statements(&self, key: &Key) -> Vec<Statement> {
        key.statements()
    }

    async fn describe(&self, phase: Phase) -> Result<Key, RootError> {
        let answer = self.call(|| Request::get(self.path("keys")), phase).await?;
        if !answer.is_success() {
            return Err(self.refusal(
                &answer,
                &format!("read on {}/keys/{}", self.config.mount, self.config.key),
                phase,
            ));
        }
        let read: Data<Key> = answer.json().map_err(|fault| fault.into_root(&self.l1_ref, phase))?;
        Ok(read.data)
    }

    async fn seal(&self, ctx: Context, payload: &L1Payload) -> Result<Vec<u8>, RootError> {
        let (aad, text) = (self.place(ctx), payload_text(payload));
        let body = EncryptRequest {
            plaintext: &text,
            associated_data: &aad,
            context: self.derived.then_some(&*aad),
        };
        let answer = self.call(|| Request::post_json(self.path("encrypt"), &body), Phase::Serving).await?;
        if !answer.is_success() {
            return Err(self.looked_into(answer, "encrypt").await);
        }
        let read: Data<Ciphertext> =
            answer.json().map_err(|fault| fault.into_root(&self.l1_ref, Phase::Serving))?;
        let ciphertext = read.data.ciphertext;
        if !is_ciphertext(&ciphertext) {
            return Err(self.told(Phase::Serving).silent("it answered with no ciphertext of its own"));
        }
        Ok([MAGIC, ciphertext.as_bytes()].concat())
    }

    async fn open_wrap(&self, ctx: Context, blob: &[u8]) -> Result<L1Payload, RootError> {
        let told = self.told(Phase::Serving);
        let ciphertext = blob
            .strip_prefix(MAGIC)
            .filter(|rest| rest.len() <= BLOB_BYTES_MAX)
            .and_then(|rest| str::from_utf8(rest).ok())
            .filter(|text| is_ciphertext(text))
            .ok_or_else(|| told.corrupt("it is no blob of this provider"))?;
        let aad = self.place(ctx);
        let body =
            DecryptRequest { ciphertext, associated_data: &aad, context: self.derived.then_some(&*aad) };
        let answer = self.call(|| Request::post_json(self.path("decrypt"), &body), Phase::Serving).await?;
        if !answer.is_success() {
            return Err(self.looked_into(answer, "decrypt").await);
        }
        let read: Data<Plaintext> =
            answer.json().map_err(|fault| fault.into_root(&self.l1_ref, Phase::Serving))?;
        payload_of_text(&self.l1_ref, read.data.plaintext.expose())
    }

    async fn permissions(&self) -> Vec<Permission> {
        let path = |verb: &str| format!("{}/{verb}/{}", self.config.mount, self.config.key);
        let rows = [
            ("encrypt", "update", "wraps keys"),
            ("decrypt", "update", "unwraps keys"),
            ("keys", "read", "tells a deleted key from a missing permission"),
        ];
        let paths: Vec<String> = rows.iter().map(|(verb, ..)| path(verb)).collect();
        let body = serde_json::json!({ "paths": paths });
        let asked =
            self.call(|| Request::post_json("/v1/sys/capabilities-self", &body), Phase::Serving).await.ok();
        let granted = asked.filter(Answer::is_success).map(|answer| answer.hint::<serde_json::Value>());
        let row = |(verb, capability, purpose): &(&str, &str, &'static str)| {
            let path = path(verb);
            let held = granted.as_ref().map(|granted| holds(&granted[&path], capability));
            Permission::needed(format!("{capability} on {path}"), held, purpose)
        };
        rows.iter().map(row).collect()
    }
}

/// Whether a list of capabilities holds this one.
fn holds(listed: &serde_json::Value, capability: &str) -> bool {
    let names = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    names.iter().any(|name| name == capability || name == "root") && !names.iter().any(|name| name == "deny")
}

/// A name that stays within its path.
fn is_path(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    text.len() <= 256
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
        && text.split('/').all(part)
}

/// `vault:v<n>:<base64>`, in its one encoding.
fn is_ciphertext(text: &str) -> bool {
    let Some((version, sealed)) = text.strip_prefix("vault:v").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let canonical = BASE64.decode(sealed.as_bytes()).is_ok_and(|bytes| !bytes.is_empty());
    version.parse::<u32>().is_ok_and(|number| number > 0 && number.to_string() == version) && canonical
}

#[derive(Serialize)]
struct EncryptRequest<'a> {
    plaintext: &'a str,
    associated_data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
}

#[derive(Serialize)]
struct DecryptRequest<'a> {
    ciphertext: &'a str,
    associated_data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Ciphertext {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Plaintext {
    plaintext: SecretField,
}

#[derive(Default, Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

impl Errors {
    fn joined(&self) -> String {
        self.errors.join("; ")
    }
}

/// What the engine states about a key.
#[derive(Deserialize)]
pub(crate) struct Key {
    #[serde(rename = "type")]
    kind: String,
    latest_version: u32,
    #[serde(default)]
    derived: bool,
    #[serde(default)]
    exportable: bool,
    #[serde(default)]
    allow_plaintext_backup: bool,
    #[serde(default)]
    deletion_allowed: bool,
    #[serde(default)]
    imported_key: bool,
}

impl Key {
    fn statements(&self) -> Vec<Statement> {
        let flag = |name: &str, value: bool| Statement::new(name, value.to_string());
        vec![
            Statement::new("type", said(&self.kind)),
            Statement::new("latest_version", self.latest_version.to_string()),
            flag("exportable", self.exportable)
                .warn(self.exportable, "the key may be exported from its engine (exportable)"),
            flag("allow_plaintext_backup", self.allow_plaintext_backup).warn(
                self.allow_plaintext_backup,
                "the key may leave its engine in a backup (allow_plaintext_backup)",
            ),
            flag("deletion_allowed", self.deletion_allowed),
            flag("imported_key", self.imported_key)
                .warn(self.imported_key, "the key was not born in its engine: copies may exist"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_path() {
        for good in ["transit", "team-a/transit", "k_1.2"] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["", "/x", "x/", "a//b", "..", "a/../sys", "a%2fb", "a?b", "a b", "a\r\nb"] {
            assert!(!is_path(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_ciphertext_has_one_encoding() {
        for good in ["vault:v1:AAAA", "vault:v12:AAA="] {
            assert!(is_ciphertext(good), "{good}");
        }
        for bad in
            ["vault:v1:", "vault:v0:AAAA", "vault:v01:AAAA", "vault:v1:AAB=", "vault:v+1:AAAA", "v1:AAAA"]
        {
            assert!(!is_ciphertext(bad), "{bad}");
        }
    }
}
