//! `kmip`: an AES-256 key of an HSM or key manager that speaks KMIP 1.4, through our own client.
//!
//! The payload is encrypted by the server with AES-GCM, the place as additional data, under an IV that
//! is ours. A blob is
//!
//! ```text
//! "KRK1" ‖ iv 12 ‖ ciphertext 64 ‖ tag 16        96 bytes
//! ```
//!
//! The key reference is the server's address and the key's Unique Identifier, which is never used
//! twice. Rotation makes another key there (Re-key), and so another root here.
//!
//! Servers disagree about reasons: a tag that does not fit is a Cryptographic Failure in one and a
//! General Failure in another. So a refused decryption is judged by the key's state, and by whether the
//! key still works on fresh bytes.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use client::{Client, Error, Fault as Met, Repeat, Settings, Timeouts};
use crypto::{L1Payload, random};
use kmip::{
    Attribute, AttributeKind, BlockCipherMode, CryptographicAlgorithm, CryptographicParameters,
    RequestPayload, ResultReason, State, UsageMask, ops,
};
use zeroize::Zeroizing;

use super::service::{Told, said};
use super::service_root::ServiceRoot;
use super::{payload_from, probe_payload};
use crate::config::KmipConfig;
use crate::http::{CALL_TIMEOUT, CONNECT_TIMEOUT, Endpoint, addresses};
use crate::registry::other_credentials;
use crate::{Context, Credentials, Permission, Phase, RootError, Site, Statement, Withdrawal};

/// Name in configuration and in key references.
pub const NAME: &str = "kmip";

/// Where KMIP servers listen (IANA).
const PORT: u16 = 5696;

/// First bytes of a blob.
const MAGIC: &[u8] = b"KRK1";

/// Bytes of a GCM IV and tag (SP 800-38D 5.2.1.1: 96 and 128 bits).
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// Calls in flight at once: an HSM does hundreds a second, over a few connections.
const CONNECTIONS_MAX: usize = 8;

/// How often a call is sent: once more if the line broke, since connections idle long between probes.
const TRIES: u32 = 2;

/// How the key is repaired when it does not do.
const MAKE_KEY: &str = "make an AES-256 key that may encrypt and decrypt, activate it, and set `key_uid`";

/// A root in a KMIP server.
pub struct KmipRoot {
    l1_ref: String,
    key_uid: String,
    server: Server,
}

/// The server, and the connections to its addresses as they were resolved last.
struct Server {
    endpoint: Endpoint,
    site: Site,
    settings: Settings,
    live: Mutex<(Vec<SocketAddr>, Client)>,
}

impl KmipRoot {
    /// Connects, reads the key's attributes, and checks that it is fit for a root.
    ///
    /// # Errors
    /// [`RootError::Misconfigured`] for everything that somebody must set right first,
    /// [`RootError::Withdrawn`] if it was open before (`phase`) and is no longer granted,
    /// [`RootError::Unreachable`] if the server does not answer.
    pub async fn open(
        config: &KmipConfig,
        credentials: &Credentials,
        site: &Site,
        phase: Phase,
    ) -> Result<Self, RootError> {
        let told = Told { root: NAME, phase };
        let Credentials::Certificate { certificate_pem, private_key_pem } = credentials else {
            return Err(other_credentials(NAME, credentials, "certificate"));
        };
        if !is_uid(&config.key_uid) {
            return Err(told.wrong(format!("`{}` is no Unique Identifier", said(&config.key_uid)), MAKE_KEY));
        }
        let in_words = |fault: crate::http::HttpFault| fault.into_root(NAME, phase);
        let endpoint = Endpoint::of_authority(&config.address, PORT, site, &[]).map_err(in_words)?;
        let authority = match (&config.ca_pem, &site.ca_bundle) {
            (Some(pem), _) => pem.clone().into_bytes(),
            (None, Some(bundle)) => std::fs::read(bundle)
                .map_err(|error| told.silent(format!("{} cannot be read: {error}", bundle.display())))?,
            (None, None) => {
                return Err(told.wrong("no authority is named for its certificate", "set `ca_pem`"));
            }
        };
        let key_pem = Zeroizing::new(private_key_pem.expose().as_bytes().to_vec());
        let name = config.server_name.clone().unwrap_or_else(|| endpoint.host().to_owned());
        let settings = Settings {
            server_name: Some(name),
            timeouts: Timeouts { connect: CONNECT_TIMEOUT, attempt: CALL_TIMEOUT, call: CALL_TIMEOUT },
            connections_max: CONNECTIONS_MAX,
            ..Settings::new(Vec::new(), authority, certificate_pem.clone().into_bytes(), key_pem)
        };
        let found = addresses(&endpoint, site).await.map_err(in_words)?;
        let client = connect(&settings, &found)
            .map_err(|error| told.wrong(error, "give certificate and key in PEM"))?;
        let l1_ref = format!("{NAME}:{}/{}", endpoint.authority(), config.key_uid);
        let server = Server { endpoint, site: site.clone(), settings, live: Mutex::new((found, client)) };
        let root = Self { l1_ref, key_uid: config.key_uid.clone(), server };
        let key = root.describe(phase).await?;
        if let Some(problem) = unfit(&key) {
            return Err(told.wrong(problem, MAKE_KEY));
        }
        root.usable(&key, phase)?;
        Ok(root)
    }

    async fn decrypt(
        &self,
        aad: &[u8],
        iv: &[u8],
        data: &[u8],
        tag: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let request = RequestPayload::Decrypt(ops::decrypt::Request {
            unique_identifier: Some(self.key_uid.as_str().into()),
            cryptographic_parameters: Some(gcm()),
            data: Some(data.into()),
            iv_counter_nonce: Some(iv.into()),
            additional_data: Some(aad.into()),
            tag: Some(tag.into()),
            ..Default::default()
        });
        let read = |answer: &kmip::message::ResponseItem<'_>| {
            let answer = answer.payload::<ops::decrypt::Response<'_>>().ok()?;
            answer.data.map(|data| Zeroizing::new(data.to_vec()))
        };
        self.server.call(&request, read).await
    }

    /// Finds out why a decryption was refused: if the key is active and works on fresh bytes, it is the
    /// blob.
    async fn blame(&self, refused: Error) -> RootError {
        let works = async {
            let key = self.describe(Phase::Serving).await?;
            self.usable(&key, Phase::Serving)?;
            let payload = probe_payload()?;
            let blob = self.seal(Context::PROBE, &payload).await?;
            let aad = Context::PROBE.aad(&self.l1_ref);
            let Some((iv, data, tag)) = parts(&blob) else {
                unreachable!("what was just made has its parts");
            };
            Ok::<_, RootError>(self.decrypt(&aad, iv, data, tag).await)
        };
        match works.await {
            Ok(Ok(_)) => self
                .told(Phase::Serving)
                .corrupt("it was altered, or made for another place or by another key"),
            // Fresh bytes are refused too.
            Ok(Err(_)) => self.refusal(refused, "Decrypt", Phase::Serving),
            Err(worse) => worse,
        }
    }

    /// A refusal, seen together with what the key's state says.
    async fn looked_into(&self, error: Error, operation: &str) -> RootError {
        self.server.refresh(&error).await;
        if !matches!(error, Error::Refused { .. }) && !is_declined(&error) {
            return self.refusal(error, operation, Phase::Serving);
        }
        match self.describe(Phase::Serving).await {
            Ok(key) => match self.usable(&key, Phase::Serving) {
                Ok(()) => self.refusal(error, operation, Phase::Serving),
                Err(ended) => ended,
            },
            Err(worse) => worse,
        }
    }

    /// What an error means by itself.
    fn refusal(&self, error: Error, operation: &str, phase: Phase) -> RootError {
        let told = self.told(phase);
        match error {
            Error::Refused { reason, message, .. } => {
                let said = said(&message);
                match reason {
                    ResultReason::ItemNotFound
                    | ResultReason::ObjectNotFound
                    | ResultReason::ObjectDestroyed => told.absent("such key that we may see", MAKE_KEY),
                    ResultReason::PermissionDenied | ResultReason::NotAuthorised => {
                        told.denied(operation, &said, "allow it to the certificate of the credentials")
                    }
                    ResultReason::AuthenticationNotSuccessful => {
                        told.unknown_caller(&said, "renew the certificate of the credentials")
                    }
                    ResultReason::WrongKeyLifecycleState => told.withdrawn(Withdrawal::Disabled, said),
                    ResultReason::ServerLimitExceeded | ResultReason::UsageLimitExceeded => {
                        told.throttled(None, said)
                    }
                    other => told.silent(format!("{operation} was refused: {said} ({})", other.name())),
                }
            }
            Error::Tls { cause, .. } => match (&cause, phase) {
                (client::TlsFault::OurCertificate(_), _) => {
                    told.unknown_caller(&cause.to_string(), "renew the certificate of the credentials")
                }
                (_, Phase::Opening) => {
                    told.wrong(cause.to_string(), "give the authority that signed its certificate (`ca_pem`)")
                }
                (_, Phase::Serving) => told.silent(cause.to_string()),
            },
            other => told.silent(other.to_string()),
        }
    }

    /// What the server states of the key's custody, where it knows these attributes (KMIP 1.4).
    async fn guarded(&self) -> Vec<Statement> {
        let kinds = [AttributeKind::Sensitive, AttributeKind::Extractable];
        let stated = self.server.client().attributes(&self.key_uid, &kinds).await.unwrap_or_default();
        let find = |read: fn(&Attribute) -> Option<bool>| stated.iter().find_map(read);
        let sensitive = find(|attribute| match attribute {
            Attribute::Sensitive(yes) => Some(*yes),
            _ => None,
        });
        let extractable = find(|attribute| match attribute {
            Attribute::Extractable(yes) => Some(*yes),
            _ => None,
        });
        let shown = |stated: Option<bool>| {
            stated.map_or_else(|| "not stated".to_owned(), |stated| stated.to_string())
        };
        vec![
            Statement::new("Sensitive", shown(sensitive)).warn(
                sensitive != Some(true),
                "the server does not promise to keep the key's value (Sensitive)",
            ),
            Statement::new("Extractable", shown(extractable)).warn(
                extractable != Some(false),
                "the server does not promise to keep the key inside (Extractable)",
            ),
        ]
    }
}

impl ServiceRoot for KmipRoot {
    type Key = Vec<Attribute>;

    fn told(&self, phase: Phase) -> Told<'_> {
        Told { root: &self.l1_ref, phase }
    }

    fn service(&self) -> String {
        format!("KMIP server {}", self.server.endpoint.authority())
    }

    async fn statements(&self, _: &Vec<Attribute>) -> Vec<Statement> {
        let mut statements =
            vec![Statement::new("State", "Active"), Statement::new("Cryptographic Length", "256")];
        statements.extend(self.guarded().await);
        statements
    }

    async fn describe(&self, phase: Phase) -> Result<Vec<Attribute>, RootError> {
        let kinds = [
            AttributeKind::State,
            AttributeKind::CryptographicAlgorithm,
            AttributeKind::CryptographicLength,
            AttributeKind::CryptographicUsageMask,
        ];
        let asked = self.server.client().attributes(&self.key_uid, &kinds).await;
        match asked {
            Ok(attributes) => Ok(attributes),
            Err(error) => {
                self.server.refresh(&error).await;
                Err(self.refusal(error, "Get Attributes", phase))
            }
        }
    }

    fn usable(&self, key: &Vec<Attribute>, phase: Phase) -> Result<(), RootError> {
        let told = self.told(phase);
        let state = key.iter().find_map(|attribute| match attribute {
            Attribute::State(state) => Some(*state),
            _ => None,
        });
        match state {
            Some(State::Active) => Ok(()),
            Some(State::PreActive) => Err(told.wrong("the key was never activated", "activate it")),
            Some(State::Deactivated | State::Compromised) => {
                Err(told.withdrawn(Withdrawal::Disabled, "its state is no longer Active"))
            }
            Some(State::Destroyed | State::DestroyedCompromised) => {
                Err(told.withdrawn(Withdrawal::Destroyed, "it was destroyed"))
            }
            _ => Err(told.silent("it does not say which state the key is in")),
        }
    }

    async fn seal(&self, ctx: Context, payload: &L1Payload) -> Result<Vec<u8>, RootError> {
        let (iv, aad) = (random::bytes::<IV_BYTES>(), ctx.aad(&self.l1_ref));
        let plain = payload.with(|bytes| Zeroizing::new(bytes.to_vec()));
        let request = RequestPayload::Encrypt(ops::encrypt::Request {
            unique_identifier: Some(self.key_uid.as_str().into()),
            cryptographic_parameters: Some(gcm()),
            data: Some(plain.as_slice().into()),
            iv_counter_nonce: Some((&iv).into()),
            additional_data: Some(aad.as_slice().into()),
            ..Default::default()
        });
        let encrypted = self.server.call(&request, |answer| {
            let answer = answer.payload::<ops::encrypt::Response<'_>>().ok()?;
            let (data, tag) = (answer.data?, answer.tag?);
            Some([&*data, &*tag].concat())
        });
        let told = self.told(Phase::Serving);
        let sealed = match encrypted.await {
            Ok(sealed) => sealed,
            Err(error) => return Err(self.looked_into(error, "Encrypt").await),
        };
        if sealed.len() != L1Payload::LEN + TAG_BYTES {
            return Err(told.silent("it answered with no ciphertext and tag"));
        }
        Ok([MAGIC, &iv, &sealed].concat())
    }

    async fn open_wrap(&self, ctx: Context, blob: &[u8]) -> Result<L1Payload, RootError> {
        let told = self.told(Phase::Serving);
        let (iv, data, tag) = parts(blob).ok_or_else(|| told.corrupt("it is no blob of this provider"))?;
        match self.decrypt(&ctx.aad(&self.l1_ref), iv, data, tag).await {
            Ok(bytes) => payload_from(&self.l1_ref, &bytes),
            Err(error) if may_be_the_blob(&error) => Err(self.blame(error).await),
            Err(error) => Err(self.looked_into(error, "Decrypt").await),
        }
    }

    /// KMIP has no way to ask what one may do.
    async fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}

impl Server {
    fn client(&self) -> Client {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// One operation on one item. It is not repeated when the server says that it failed, only when the
    /// line broke: encryption and decryption leave nothing behind.
    async fn call<T>(
        &self,
        request: &RequestPayload<'_>,
        read: impl Fn(&kmip::message::ResponseItem<'_>) -> Option<T>,
    ) -> Result<T, Error> {
        let client = self.client();
        let mut tries = 1;
        loop {
            let answer = client.call(std::slice::from_ref(request), Repeat::Never, |answer| {
                let item = answer.items.first().ok_or(client::ProtocolFault::Mismatch)?;
                read(item).ok_or(client::ProtocolFault::OtherObject)
            });
            match answer.await {
                Err(Error::OutcomeUnknown { cause })
                    if tries < TRIES && matches!(*cause, Met::Broken { .. }) =>
                {
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// After a failure to connect the name is resolved and judged anew: servers move.
    async fn refresh(&self, error: &Error) {
        if !matches!(error, Error::Unavailable { .. }) {
            return;
        }
        let Ok(found) = addresses(&self.endpoint, &self.site).await else { return };
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.0 != found
            && let Ok(client) = connect(&self.settings, &found)
        {
            *live = (found, client);
        }
    }
}

/// A client of exactly these addresses.
fn connect(settings: &Settings, addresses: &[SocketAddr]) -> Result<Client, String> {
    let nodes = addresses.iter().map(SocketAddr::to_string).collect();
    let settings = Settings { nodes, ..settings.clone() };
    Client::new(&settings).map_err(|error| error.to_string())
}

fn gcm() -> CryptographicParameters {
    CryptographicParameters {
        block_cipher_mode: Some(BlockCipherMode::Gcm),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        tag_length: Some(TAG_BYTES as i32),
        ..Default::default()
    }
}

/// IV, ciphertext and tag of a blob.
fn parts(blob: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (iv, rest) = blob.strip_prefix(MAGIC)?.split_at_checked(IV_BYTES)?;
    let (data, tag) = rest.split_at_checked(L1Payload::LEN)?;
    (tag.len() == TAG_BYTES).then_some((iv, data, tag))
}

/// A server that only says that it failed.
fn is_declined(error: &Error) -> bool {
    matches!(error, Error::OutcomeUnknown { cause } if matches!(**cause, Met::Declined { .. }))
}

/// A refusal that a blob may be the reason for.
fn may_be_the_blob(error: &Error) -> bool {
    let reasons = [
        ResultReason::CryptographicFailure,
        ResultReason::InvalidField,
        ResultReason::InvalidMessage,
        ResultReason::IllegalOperation,
        ResultReason::BadCryptographicParameters,
    ];
    is_declined(error) || error.reason().is_some_and(|reason| reasons.contains(&reason))
}

/// What is wrong with a key, as far as its server says.
fn unfit(key: &[Attribute]) -> Option<&'static str> {
    key.iter().find_map(|attribute| match attribute {
        Attribute::CryptographicAlgorithm(algorithm) if *algorithm != CryptographicAlgorithm::Aes => {
            Some("the key is not an AES key")
        }
        Attribute::CryptographicLength(bits) if *bits != 256 => Some("the key does not have 256 bits"),
        Attribute::CryptographicUsageMask(mask)
            if mask.0 & (UsageMask::ENCRYPT.0 | UsageMask::DECRYPT.0)
                != UsageMask::ENCRYPT.0 | UsageMask::DECRYPT.0 =>
        {
            Some("the key may not encrypt and decrypt (Cryptographic Usage Mask)")
        }
        _ => None,
    })
}

fn is_uid(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
