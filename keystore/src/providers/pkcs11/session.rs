//! A token reached through a module loaded into this process.

use std::sync::{Arc, OnceLock};

use crypto::{L1Payload, L1PayloadError, random};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::TokenInfo;
use cryptoki::types::Ulong;
use zeroize::Zeroizing;

use super::fault::{Fault, Operation, during};
use super::login::{Turn, is_logged_in};
use super::module::{Access, LiveSession, Module, label_of, serial_of};
use super::token::{Blob, How, IV_BYTES, KeyFacts, TAG_BYTES, Token};
use super::{KeyId, Pkcs11Settings};
use crate::KeyAttributes;

/// Length of an AES-256 key in bytes.
const KEY_BYTES: u64 = 32;

/// Associated data of the self-check: a place no payload has.
const CHECK_AAD: &[u8] = b"keyraft/v1/aad/pkcs11-self-check";

/// Where the key lives, shared by all sessions of one root.
#[derive(Clone)]
pub struct Place {
    settings: Arc<Pkcs11Settings>,
    /// Serial number of the token met first. A label is not enough: another token may take it over.
    serial: Arc<OnceLock<String>>,
    /// The mechanism that worked first.
    how: Arc<OnceLock<How>>,
}

impl Place {
    /// The place that `settings` name.
    pub fn new(settings: &Pkcs11Settings) -> Self {
        Self { settings: Arc::new(settings.clone()), serial: Arc::default(), how: Arc::default() }
    }
}

/// One thread's session with the token, opened when first needed.
pub struct SessionToken {
    place: Place,
    live: Option<Live>,
}

/// An open, logged-in session and the key's handle in it.
struct Live {
    session: LiveSession,
    token: TokenInfo,
    key: ObjectHandle,
    /// What this token can do for us.
    how: How,
}

impl SessionToken {
    /// A token that is not connected yet.
    pub fn new(place: Place) -> Self {
        Self { place, live: None }
    }

    /// Runs `run` on a live session; if that proves lost, once more on a new one.
    fn with_live<R>(
        &mut self,
        run: impl Fn(&mut Live, &Pkcs11Settings) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        if let Some(live) = &mut self.live {
            match live.run(&run, &self.place.settings) {
                Err(fault) if fault.is_loss() => tracing::info!(?fault, "the session with the token is lost"),
                answer => return answer,
            }
        }
        // Closed before the new one is opened: some tokens have few sessions.
        self.live = None;
        let mut live = connect(&self.place)?;
        let answer = live.run(&run, &self.place.settings);
        // A session that failed when it was new is not kept for the next call.
        self.live = Some(live).filter(|_| !answer.as_ref().is_err_and(Fault::is_loss));
        answer
    }
}

impl Token for SessionToken {
    fn wrap(&mut self, aad: &[u8], payload: &L1Payload) -> Result<Blob, Fault> {
        self.with_live(|live, _| live.encrypt(aad, payload))
    }

    fn unwrap(&mut self, aad: &[u8], blob: &Blob) -> Result<L1Payload, Fault> {
        self.with_live(|live, _| match live.decrypt(aad, blob) {
            Err(fault) if fault.may_be_the_blob() => Err(live.blame(fault)),
            answer => answer,
        })
    }

    fn inspect(&mut self) -> Result<KeyFacts, Fault> {
        self.with_live(|live, settings| {
            live.key = find_key(&live.session, settings)?;
            let attributes = read_attributes(&live.session, live.key, settings)?;
            Ok(KeyFacts {
                serial: serial_of(&live.token).to_owned(),
                token: describe(&live.token),
                attributes,
            })
        })
    }
}

impl Live {
    /// Makes calls inside the module, in the epoch this session belongs to.
    fn run<R>(
        &mut self,
        run: &impl Fn(&mut Self, &Pkcs11Settings) -> Result<R, Fault>,
        settings: &Pkcs11Settings,
    ) -> Result<R, Fault> {
        let module = self.session.module();
        let epoch = module.enter();
        if self.session.is_of(*epoch) { run(self, settings) } else { Err(Fault::SessionEnded) }
    }

    fn encrypt(&self, aad: &[u8], payload: &L1Payload) -> Result<Blob, Fault> {
        let sealed = |mechanism: &Mechanism<'_>| {
            payload.with(|bytes| {
                self.session.encrypt(mechanism, self.key, bytes).map_err(during(Operation::Encrypt))
            })
        };
        match self.how {
            How::Gcm => {
                let mut iv = random::bytes::<IV_BYTES>();
                let sealed = sealed(&gcm(&mut iv, aad)?)?;
                // The IV is read only now: a token may insist on its own and write it into our buffer.
                Ok(Blob::Gcm { iv, sealed: sealed.try_into().map_err(|_| Fault::WrongAnswer)? })
            }
            How::KeyWrap => {
                let sealed = sealed(&Mechanism::AesKeyWrap)?;
                Ok(Blob::KeyWrap { sealed: sealed.try_into().map_err(|_| Fault::WrongAnswer)? })
            }
        }
    }

    fn decrypt(&self, aad: &[u8], blob: &Blob) -> Result<L1Payload, Fault> {
        let opened = match blob {
            Blob::Gcm { iv, sealed } => {
                let mut iv = *iv;
                self.session.decrypt(&gcm(&mut iv, aad)?, self.key, sealed)
            }
            Blob::KeyWrap { sealed } => self.session.decrypt(&Mechanism::AesKeyWrap, self.key, sealed),
        };
        let bytes = opened.map_err(during(Operation::Decrypt))?;
        L1Payload::from_bytes(&Zeroizing::new(bytes)).map_err(not_a_payload)
    }

    /// Finds out why a blob was refused: if the key still works on fresh bytes, it is the blob.
    fn blame(&self, refused: Fault) -> Fault {
        match self.works() {
            Ok(()) => Fault::NotAuthentic,
            Err(worse) if worse.may_be_the_blob() => refused,
            Err(worse) => worse,
        }
    }

    /// Encrypts and decrypts fresh bytes.
    fn works(&self) -> Result<(), Fault> {
        let fresh = Zeroizing::new(random::bytes::<{ L1Payload::LEN }>());
        let payload = L1Payload::from_bytes(&*fresh).map_err(not_a_payload)?;
        let back = self.decrypt(CHECK_AAD, &self.encrypt(CHECK_AAD, &payload)?)?;
        if super::same(&payload, &back) { Ok(()) } else { Err(Fault::WrongAnswer) }
    }
}

fn not_a_payload(error: L1PayloadError) -> Fault {
    match error {
        L1PayloadError::Arena(full) => Fault::Memory(full),
        L1PayloadError::Length { .. }
        | L1PayloadError::WrongPlace
        | L1PayloadError::WrongKey
        | L1PayloadError::RefTooLong { .. } => Fault::WrongAnswer,
    }
}

fn gcm<'a>(iv: &'a mut [u8; IV_BYTES], aad: &'a [u8]) -> Result<Mechanism<'a>, Fault> {
    let params =
        GcmParams::new(iv, aad, Ulong::new(8 * TAG_BYTES as u64)).map_err(during(Operation::Connect))?;
    Ok(Mechanism::AesGcm(params))
}

/// Connects; if the module proves blind, once more after starting it anew.
fn connect(place: &Place) -> Result<Live, Fault> {
    let _turn = Turn::wait(place.settings.pin.lock_file(&place.settings.module));
    let module = Module::load(&place.settings.module, place.settings.parameters.as_deref())?;
    match connect_somehow(&module, place) {
        Err(fault) if fault.may_be_a_blind_module() && module.restart() => connect_somehow(&module, place),
        answer => answer,
    }
}

/// Connects with the first mechanism that the token has for us. Each is tried on real bytes, in a
/// session of its own, since lists of mechanisms promise too much and a refused one may leave its
/// session busy.
fn connect_somehow(module: &Arc<Module>, place: &Place) -> Result<Live, Fault> {
    if let Some(how) = place.how.get() {
        return connect_within(module, place, *how);
    }
    let mut first = None;
    for how in How::ALL {
        let live = connect_within(module, place, how)?;
        let epoch = module.enter();
        match live.works() {
            Ok(()) => {
                drop(epoch);
                place.how.get_or_init(|| how);
                return Ok(live);
            }
            Err(fault) if fault.is_about_the_mechanism() => {
                first.get_or_insert(fault);
            }
            // Not for the mechanism's sake: the caller finds out by its own call.
            Err(_) => {
                drop(epoch);
                return Ok(live);
            }
        }
    }
    Err(first.expect("there is a mechanism to try, and each failed"))
}

/// Finds the token, opens a logged-in session and finds the key.
fn connect_within(module: &Arc<Module>, place: &Place, how: How) -> Result<Live, Fault> {
    let Place { settings, serial, .. } = place;
    let epoch = module.enter();
    let wanted = serial.get().or(settings.token_serial.as_ref()).map(String::as_str);
    let token = module.find_token(&settings.token, wanted)?;
    let session = module.session(*epoch, Access::Read, &token, &settings.pin)?;
    let key = find_key(&session, settings).or_else(|fault| {
        // Some modules find nothing in a token that has just vanished. That its key is gone is believed
        // only of a token that answered before and after the search.
        if matches!(fault, Fault::KeyAbsent { .. }) {
            module.find_token(&settings.token, Some(serial_of(&token.info)))?;
        }
        Err(fault)
    })?;
    read_attributes(&session, key, settings)?;
    serial.get_or_init(|| serial_of(&token.info).to_owned());
    Ok(Live { session, token: token.info, key, how })
}

/// The one AES key with this label and id.
fn find_key(session: &Session, settings: &Pkcs11Settings) -> Result<ObjectHandle, Fault> {
    let name = || key_name(&settings.key_label, &settings.key_id);
    let keys = session.find_objects(&key_template(settings)).map_err(during(Operation::Find))?;
    match keys.as_slice() {
        [key] => Ok(*key),
        [] if is_logged_in(session)? => Err(Fault::KeyAbsent { key: name() }),
        // A session without log-in finds no private objects, and that is no answer about the key.
        [] => Err(Fault::SessionEnded),
        several => Err(Fault::KeyAmbiguous { key: name(), count: several.len() }),
    }
}

/// What identifies the key: place, class, type, label and id.
pub fn key_template(settings: &Pkcs11Settings) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Label(settings.key_label.clone().into_bytes()),
        Attribute::Id(settings.key_id.as_bytes().to_vec()),
    ]
}

/// How errors name a key.
pub fn key_name(label: &str, id: &KeyId) -> String {
    format!("label `{label}` and id {id}")
}

/// Reads what the token states about the key, and refuses one that is not fit for a root.
fn read_attributes(
    session: &Session,
    key: ObjectHandle,
    settings: &Pkcs11Settings,
) -> Result<KeyAttributes, Fault> {
    let wanted = [
        AttributeType::ValueLen,
        AttributeType::Sensitive,
        AttributeType::Extractable,
        AttributeType::AlwaysSensitive,
        AttributeType::NeverExtractable,
        AttributeType::Local,
    ];
    let mut stated = KeyAttributes::default();
    let mut length = None;
    for attribute in session.get_attributes(key, &wanted).map_err(during(Operation::Find))? {
        match attribute {
            Attribute::ValueLen(bytes) => length = Some(*bytes),
            Attribute::Sensitive(yes) => stated.sensitive = Some(yes),
            Attribute::Extractable(yes) => stated.extractable = Some(yes),
            Attribute::AlwaysSensitive(yes) => stated.always_sensitive = Some(yes),
            Attribute::NeverExtractable(yes) => stated.never_extractable = Some(yes),
            Attribute::Local(yes) => stated.local = Some(yes),
            _ => {}
        }
    }
    let unfit = |problem| Fault::KeyUnfit { key: key_name(&settings.key_label, &settings.key_id), problem };
    if length.is_some_and(|bytes| bytes != KEY_BYTES) {
        return Err(unfit("is not an AES key of 256 bits"));
    }
    if !stated.stays_inside() && !settings.danger_accept_extractable {
        return Err(unfit("may leave its token (CKA_SENSITIVE must be true, CKA_EXTRACTABLE false)"));
    }
    Ok(stated)
}

fn describe(token: &TokenInfo) -> String {
    let [maker, model] = [token.manufacturer_id().trim(), token.model().trim()];
    format!("{maker} {model}, `{}`, serial {}", label_of(token), serial_of(token))
}
