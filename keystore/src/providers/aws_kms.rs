//! `aws_kms`: a symmetric key of AWS KMS, over its JSON API, signed by Signature Version 4.
//!
//! The payload is encrypted by KMS with the place as encryption context, which CloudTrail shows to the
//! key's owner for every call. A blob is
//!
//! ```text
//! "KRA1" ‖ what KMS answered, at most 6,144 bytes
//! ```
//!
//! KMS keeps the key's backing material, and the ciphertext names which made it: its owner may rotate
//! it. The key reference is the key's ARN; every call names it, so a ciphertext of another key that we
//! could also use is refused. An alias is no reference, since it may be moved.

mod identity;
mod sigv4;

use std::collections::BTreeMap;
use std::time::SystemTime;

use crypto::L1Payload;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use self::identity::Identity;
use self::sigv4::{Scope, Signer};
use super::service::{Fault, SecretField, Told, payload_of_text, payload_text, said};
use super::service_root::{ServiceRoot, tried};
use crate::config::AwsKmsConfig;
use crate::http::{Answer, Client, Method, Request, json_body};
use crate::{Context, Credentials, Permission, Phase, Purpose, RootError, Site, Statement, Withdrawal};

/// Name in configuration and in key references.
pub const NAME: &str = "aws_kms";

/// First bytes of a blob.
const MAGIC: &[u8] = b"KRA1";

/// Longest ciphertext that KMS takes (API reference, Decrypt).
const CIPHERTEXT_BYTES_MAX: usize = 6_144;

/// Hosts that anybody may name: the public and FIPS endpoints of every partition.
const CLOUDS: [&str; 8] = [
    "kms.*.amazonaws.com",
    "kms-fips.*.amazonaws.com",
    "kms.*.amazonaws.com.cn",
    "kms.*.amazonaws.eu",
    "sts.*.amazonaws.com",
    "sts-fips.*.amazonaws.com",
    "sts.*.amazonaws.com.cn",
    "sts.*.amazonaws.eu",
];

/// What a policy must grant.
const GRANT: &str = "grant it to the role; the policy of the connection test does";

/// A root in AWS KMS.
pub struct AwsKmsRoot {
    l1_ref: String,
    arn: Arn,
    client: Client,
    identity: Identity,
}

impl AwsKmsRoot {
    /// Takes on its role, reads the key, and checks that it is fit for a root.
    ///
    /// # Errors
    /// [`RootError::Misconfigured`] for everything that somebody must set right first,
    /// [`RootError::Withdrawn`] if it was open before (`phase`) and is no longer granted,
    /// [`RootError::Unreachable`] if KMS or STS do not answer.
    pub async fn open(
        config: &AwsKmsConfig,
        credentials: &Credentials,
        site: &Site,
        phase: Phase,
    ) -> Result<Self, RootError> {
        let told = Told { root: NAME, phase };
        let arn = Arn::parse(&config.key_arn).ok_or_else(|| {
            told.wrong(
                format!("`{}` is no ARN of a key", said(&config.key_arn)),
                "give arn:aws:kms:<region>:<account>:key/<id>; an alias may move and is no root",
            )
        })?;
        let client = client(config.endpoint.as_deref(), "kms", &arn, site)?;
        let identity = Identity::new(config, credentials, &arn, site)?;
        let root = Self { l1_ref: format!("{NAME}:{}", config.key_arn), arn, client, identity };
        let key = root.describe(phase).await?;
        if key.arn != config.key_arn {
            return Err(told.wrong("KMS describes another key than was asked for", "give the key's own ARN"));
        }
        if key.key_spec != "SYMMETRIC_DEFAULT" || key.key_usage != "ENCRYPT_DECRYPT" {
            let what = format!("the key is {} for {}", said(&key.key_spec), said(&key.key_usage));
            return Err(
                told.wrong(what, "make a symmetric key that encrypts and decrypts (SYMMETRIC_DEFAULT)")
            );
        }
        root.usable(&key, phase)?;
        Ok(root)
    }

    /// One signed call; with a new session if KMS says that ours is over.
    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        action: &str,
        body: &impl Serialize,
        phase: Phase,
    ) -> Result<T, RootError> {
        let in_words = |fault: Fault| fault.into_root(&self.l1_ref, phase);
        let mut answer = self.send(action, body, phase, false).await.map_err(in_words)?;
        if Refusal::of(&answer).is("ExpiredTokenException") && self.identity.renews() {
            answer = self.send(action, body, phase, true).await.map_err(in_words)?;
        }
        if !answer.is_success() {
            return Err(self.refusal(action, &answer, phase));
        }
        answer.json().map_err(|fault| fault.into_root(&self.l1_ref, phase))
    }

    async fn send(
        &self,
        action: &str,
        body: &impl Serialize,
        phase: Phase,
        fresh: bool,
    ) -> Result<Answer, Fault> {
        let keys = self.identity.keys(fresh, self.told(phase)).await?;
        let body = json_body(body);
        let target = format!("TrentService.{action}");
        let host = self.client.endpoint().host_header();
        let scope = Scope { region: &self.arn.region, service: "kms" };
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("host", host.as_str()),
            ("x-amz-target", target.as_str()),
        ];
        let signed = Signer { keys: &keys, scope, now: SystemTime::now() }.sign("POST", "/", &headers, &body);
        let mut request = Request { method: Method::Post, path: "/".to_owned(), headers: Vec::new(), body };
        for (name, value) in headers.into_iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        for (name, value) in signed {
            request.headers.push((name, value));
        }
        Ok(self.client.send(request).await?)
    }

    /// The place as an encryption context: what its owner reads in CloudTrail. The last pair holds the
    /// whole place, so that no two places share a context.
    fn place(&self, ctx: Context) -> BTreeMap<&'static str, String> {
        let mut context = BTreeMap::from([
            ("keyraft:place", HEXLOWER.encode(&ctx.aad(&self.l1_ref))),
            ("keyraft:realm", HEXLOWER.encode(ctx.realm.as_bytes())),
        ]);
        match ctx.purpose {
            Purpose::TenantL2 { tenant, version } => {
                context.insert("keyraft:purpose", "tenant-l2".to_owned());
                context.insert("keyraft:tenant", HEXLOWER.encode(tenant.as_bytes()));
                context.insert("keyraft:version", version.0.to_string());
            }
            Purpose::BarrierKek => drop(context.insert("keyraft:purpose", "barrier-kek".to_owned())),
            Purpose::Probe => drop(context.insert("keyraft:purpose", "probe".to_owned())),
        }
        context
    }

    /// What a refusal means (API reference, common errors and those of each action).
    fn refusal(&self, action: &str, answer: &Answer, phase: Phase) -> RootError {
        let told = self.told(phase);
        let refusal = Refusal::of(answer);
        let said = said(&refusal.message);
        match refusal.code() {
            "AccessDeniedException" => told.denied(&format!("kms:{action}"), &said, GRANT),
            "DisabledException" => told.withdrawn(Withdrawal::Disabled, said),
            "KMSInvalidStateException" if refusal.message.contains("pending deletion") => {
                told.withdrawn(Withdrawal::PendingDeletion, said)
            }
            "KMSInvalidStateException" if refusal.message.contains("pending import") => {
                told.withdrawn(Withdrawal::Disabled, said)
            }
            "NotFoundException" => told.absent("such key in its account and region", "correct `key_arn`"),
            "InvalidCiphertextException" => {
                told.corrupt("it was altered, or made for another place or by another key")
            }
            "IncorrectKeyException" => told.corrupt("it was made by another key"),
            "ThrottlingException" | "LimitExceededException" | "RequestLimitExceeded" => {
                told.throttled(answer.retry_after, said)
            }
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "InvalidClientTokenId"
            | "MissingAuthenticationToken"
            | "ExpiredTokenException" => {
                told.unknown_caller(&said, "renew the access key, and see that the node's clock is right")
            }
            code => {
                told.silent(format!("it answered {} {}: {said}", answer.status, super::service::said(code)))
            }
        }
    }
}

impl ServiceRoot for AwsKmsRoot {
    type Key = KeyMetadata;

    fn told(&self, phase: Phase) -> Told<'_> {
        Told { root: &self.l1_ref, phase }
    }

    fn service(&self) -> String {
        format!("AWS KMS in {}, account {}", self.arn.region, self.arn.account)
    }

    async fn statements(&self, key: &KeyMetadata) -> Vec<Statement> {
        key.statements()
    }

    async fn describe(&self, phase: Phase) -> Result<KeyMetadata, RootError> {
        let body = serde_json::json!({ "KeyId": self.arn.text });
        let described: Described = self.call("DescribeKey", &body, phase).await?;
        Ok(described.key_metadata)
    }

    fn usable(&self, key: &KeyMetadata, phase: Phase) -> Result<(), RootError> {
        let told = self.told(phase);
        match key.key_state.as_str() {
            "Enabled" | "Updating" => Ok(()),
            "Disabled" => Err(told.withdrawn(Withdrawal::Disabled, "its state is Disabled")),
            "PendingDeletion" | "PendingReplicaDeletion" => {
                Err(told.withdrawn(Withdrawal::PendingDeletion, format!("its state is {}", key.key_state)))
            }
            "PendingImport" => {
                Err(told.withdrawn(Withdrawal::Disabled, "its imported material is missing or has expired"))
            }
            // A custom or external key store that does not answer.
            other => Err(told.silent(format!("its state is {}", said(other)))),
        }
    }

    async fn seal(&self, ctx: Context, payload: &L1Payload) -> Result<Vec<u8>, RootError> {
        let text = payload_text(payload);
        let body = EncryptRequest { key_id: &self.arn.text, plaintext: &text, context: self.place(ctx) };
        let answer: Encrypted = self.call("Encrypt", &body, Phase::Serving).await?;
        let told = self.told(Phase::Serving);
        if answer.key_id != self.arn.text {
            return Err(told.silent("it encrypted under another key than was asked for"));
        }
        let sealed = BASE64.decode(answer.ciphertext_blob.as_bytes());
        let sealed = sealed.ok().filter(|sealed| (1..=CIPHERTEXT_BYTES_MAX).contains(&sealed.len()));
        let sealed = sealed.ok_or_else(|| told.silent("it answered with no ciphertext"))?;
        Ok([MAGIC, &sealed].concat())
    }

    async fn open_wrap(&self, ctx: Context, blob: &[u8]) -> Result<L1Payload, RootError> {
        let told = self.told(Phase::Serving);
        let sealed =
            blob.strip_prefix(MAGIC).filter(|sealed| (1..=CIPHERTEXT_BYTES_MAX).contains(&sealed.len()));
        let sealed = sealed.ok_or_else(|| told.corrupt("it is no blob of this provider"))?;
        let text = BASE64.encode(sealed);
        let body = DecryptRequest { key_id: &self.arn.text, ciphertext: &text, context: self.place(ctx) };
        let answer: Decrypted = self.call("Decrypt", &body, Phase::Serving).await?;
        if answer.key_id != self.arn.text {
            return Err(told.corrupt("it was made by another key"));
        }
        payload_of_text(&self.l1_ref, answer.plaintext.expose())
    }

    async fn permissions(&self) -> Vec<Permission> {
        tried(self, ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"]).await
    }
}

/// A client of the endpoint given, or of the public one of this service and region.
fn client(given: Option<&str>, service: &str, arn: &Arn, site: &Site) -> Result<Client, RootError> {
    let url = match given {
        Some(url) => url.to_owned(),
        None => format!("https://{service}.{}.{}", arn.region, arn.domain()),
    };
    Client::of(&url, site, &CLOUDS, None).map_err(|fault| fault.into_root(NAME, Phase::Opening))
}

/// `arn:<partition>:kms:<region>:<account>:key/<id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arn {
    text: String,
    partition: String,
    region: String,
    account: String,
}

impl Arn {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next();
        let (arn, partition, service) = (next()?, next()?, next()?);
        let (region, account, resource) = (next()?, next()?, next()?);
        let id = resource.strip_prefix("key/")?;
        let word = |text: &str, min: usize, max: usize| {
            (min..=max).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let known = arn == "arn" && partition.starts_with("aws") && service == "kms";
        let account_ok = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        (known && word(partition, 3, 16) && word(region, 5, 32) && account_ok && word(id, 1, 64)).then(|| {
            Self {
                text: text.to_owned(),
                partition: partition.to_owned(),
                region: region.to_owned(),
                account: account.to_owned(),
            }
        })
    }

    /// The domain of the partition's public endpoints.
    fn domain(&self) -> &'static str {
        match self.partition.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            "aws-eusc" => "amazonaws.eu",
            _ => "amazonaws.com",
        }
    }
}

/// An error of KMS: `__type` may carry a namespace, and the message has either case.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default, rename = "__type")]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

impl Refusal {
    fn of(answer: &Answer) -> Self {
        if answer.is_success() { Self::default() } else { answer.hint() }
    }

    fn code(&self) -> &str {
        self.kind.rsplit('#').next().unwrap_or_default()
    }

    fn is(&self, code: &str) -> bool {
        self.code() == code
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptRequest<'a> {
    key_id: &'a str,
    plaintext: &'a str,
    #[serde(rename = "EncryptionContext")]
    context: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptRequest<'a> {
    key_id: &'a str,
    #[serde(rename = "CiphertextBlob")]
    ciphertext: &'a str,
    #[serde(rename = "EncryptionContext")]
    context: BTreeMap<&'static str, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    key_id: String,
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    key_id: String,
    plaintext: SecretField,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    key_metadata: KeyMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeyMetadata {
    arn: String,
    key_state: String,
    key_spec: String,
    key_usage: String,
    #[serde(default)]
    origin: String,
    #[serde(default)]
    key_manager: String,
    #[serde(default)]
    multi_region: Option<bool>,
    #[serde(default)]
    custom_key_store_id: Option<String>,
}

impl KeyMetadata {
    fn statements(&self) -> Vec<Statement> {
        let replicated = self.multi_region.unwrap_or_default();
        let mut rows = vec![
            Statement::new("KeyState", said(&self.key_state)),
            Statement::new("KeySpec", said(&self.key_spec)),
            Statement::new("Origin", said(&self.origin))
                .warn(self.origin == "EXTERNAL", "the key was imported (Origin EXTERNAL): copies may exist"),
            Statement::new("KeyManager", said(&self.key_manager)).warn(
                self.key_manager == "AWS",
                "the key is managed by AWS: its policy is not the customer's",
            ),
            Statement::new("MultiRegion", replicated.to_string())
                .warn(replicated, "the key has replicas in other regions: disable those too to end its use"),
        ];
        rows.extend(self.custom_key_store_id.iter().map(|id| Statement::new("CustomKeyStoreId", said(id))));
        rows
    }
}

/// A field of an XML answer of STS: the text of the first element of this name. Enough for flat values
/// of a known answer; anything that would need unescaping is refused.
fn xml_field<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let length = xml[start..].find(&format!("</{name}>"))?;
    Some(&xml[start..start + length]).filter(|text| !text.contains(['<', '&']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_arn_of_a_key_names_one() {
        let arn = Arn::parse("arn:aws:kms:eu-central-1:111122223333:key/mrk-1a").unwrap();
        assert_eq!((arn.region.as_str(), arn.domain()), ("eu-central-1", "amazonaws.com"));
        assert_eq!(
            Arn::parse("arn:aws-cn:kms:cn-north-1:111122223333:key/a").unwrap().domain(),
            "amazonaws.com.cn"
        );
        assert!(Arn::parse("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/a").is_some());
        for bad in [
            "arn:aws:kms:eu-central-1:111122223333:alias/a",
            "arn:aws:kms:eu.central:111122223333:key/a",
            "arn:aws:kms:eu-central-1@evil:111122223333:key/a",
            "arn:aws:kms:eu-central-1:1111:key/a",
            "arn:aws:s3:eu-central-1:111122223333:key/a",
            "arn:gcp:kms:eu-central-1:111122223333:key/a",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "",
        ] {
            assert_eq!(Arn::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn flat_xml_is_read_and_nothing_else() {
        let xml = "<A><B>text</B><B>other</B><C>a&amp;b</C><D><E/></D></A>";
        assert_eq!(xml_field(xml, "B"), Some("text"));
        assert_eq!(xml_field(xml, "C"), None);
        assert_eq!(xml_field(xml, "D"), None);
        assert_eq!(xml_field(xml, "F"), None);
    }
}
