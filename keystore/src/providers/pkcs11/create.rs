//! Making a root key inside a token, for development and first set-up.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::types::Ulong;

use super::fault::{BEFORE_OPEN, Fault, Operation, during};
use super::login::Turn;
use super::module::{Access, Module, serial_of};
use super::session::{key_name, key_template};
use super::{OPEN_TIMEOUT, Pkcs11Settings, key_ref};
use crate::{Phase, RootError};

/// Generates the AES-256 key that `settings` name, inside the token: sensitive, not extractable, for
/// encryption and decryption alone. Returns its key reference.
///
/// # Errors
/// [`RootError::Misconfigured`] if a key with this label and id exists, or the settings are wrong.
pub async fn create_key(settings: &Pkcs11Settings) -> Result<String, RootError> {
    let settings = settings.clone();
    let made = tokio::task::spawn_blocking(move || generate(&settings));
    let lost =
        |detail: &str| RootError::Unreachable { root: BEFORE_OPEN.to_owned(), detail: detail.to_owned() };
    match tokio::time::timeout(OPEN_TIMEOUT, made).await {
        Ok(Ok(result)) => result.map_err(|fault| fault.into_root(BEFORE_OPEN, Phase::Opening)),
        Ok(Err(_)) => Err(lost("the call failed in its thread")),
        Err(_) => Err(lost("no answer while making a key")),
    }
}

fn generate(settings: &Pkcs11Settings) -> Result<String, Fault> {
    let _turn = Turn::wait(settings.pin.lock_file(&settings.module));
    let module = Module::load(&settings.module, settings.parameters.as_deref())?;
    let epoch = module.enter();
    let token = module.find_token(&settings.token, settings.token_serial.as_deref())?;
    let session = module.session(*epoch, Access::Write, &token, &settings.pin)?;
    let mut template = key_template(settings);
    if !session.find_objects(&template).map_err(during(Operation::Find))?.is_empty() {
        return Err(Fault::KeyExists { key: key_name(&settings.key_label, &settings.key_id) });
    }
    template.extend([
        Attribute::ValueLen(Ulong::new(32)),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Sign(false),
        Attribute::Verify(false),
        Attribute::Derive(false),
    ]);
    session.generate_key(&Mechanism::AesKeyGen, &template).map_err(during(Operation::Generate))?;
    Ok(key_ref(serial_of(&token.info), &settings.key_id))
}
