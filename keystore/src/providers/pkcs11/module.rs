//! What exists once per process: each loaded module, and the log-in at each of its tokens.
//!
//! `C_Initialize` may run once per module and process, and log-in belongs to the process and the
//! token, not to a session: closing the last session logs everybody out, after which private keys
//! are simply not found. So modules live in one table and are never unloaded, and an anchor session
//! per token stays open. A PIN that a token refused is remembered and never tried again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::fault::{Fault, Operation, during};

/// Longest PIN file in bytes; PINs have 4 to 64 characters, and a wrong file should be noticed.
const PIN_FILE_BYTES_MAX: usize = 256;

/// A PIN in memory that is wiped when dropped.
type Pin = Zeroizing<String>;

/// A loaded and initialised module.
pub struct Module {
    pkcs11: Pkcs11,
    path: PathBuf,
    logins: Mutex<BTreeMap<String, Login>>,
}

/// Our log-in at one token.
#[derive(Default)]
struct Login {
    /// Open for the life of the process, so that the log-in outlives every worker's session.
    anchor: Option<Session>,
    /// The PIN this token refused.
    refused: Option<Pin>,
}

/// One module's place in the table: its own lock, so that a library that hangs while loading keeps
/// no other from being loaded.
type Loading = Arc<Mutex<Option<Arc<Module>>>>;

static MODULES: Mutex<BTreeMap<PathBuf, Loading>> = Mutex::new(BTreeMap::new());

impl Module {
    /// The module at `path`, loaded at first use.
    pub fn load(path: &Path) -> Result<Arc<Self>, Fault> {
        let broken = |problem: &str| Fault::Module { path: path.to_owned(), problem: problem.to_owned() };
        if !path.is_absolute() {
            return Err(broken("has no absolute path"));
        }
        let real = path.canonicalize().map_err(|_| broken("does not exist"))?;
        let loading = Arc::clone(lock(&MODULES).entry(real.clone()).or_default());
        let mut loaded = lock(&loading);
        if let Some(module) = &*loaded {
            return Ok(Arc::clone(module));
        }
        let pkcs11 = Pkcs11::new(&real).map_err(|error| broken(&format!("cannot be loaded: {error}")))?;
        let module = Arc::new(Self { pkcs11, path: real, logins: Mutex::default() });
        module.initialize()?;
        Ok(Arc::clone(loaded.insert(module)))
    }

    /// `C_Initialize`; a module that is initialised already serves as it is.
    fn initialize(&self) -> Result<(), Fault> {
        match self.pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            Err(error) => Err(Fault::Module {
                path: self.path.clone(),
                problem: format!("does not start: {error}; look at the vendor's own configuration"),
            }),
        }
    }

    /// The one token with this label, and this serial number if one is given.
    pub fn find_token(&self, label: &str, serial: Option<&str>) -> Result<(Slot, TokenInfo), Fault> {
        let wanted = match serial {
            Some(serial) => format!("`{label}` with serial number {serial}"),
            None => format!("`{label}`"),
        };
        let (mut found, others): (Vec<_>, Vec<_>) = self.tokens()?.into_iter().partition(|(_, info)| {
            info.label().trim_end() == label && serial.is_none_or(|serial| serial_of(info) == serial)
        });
        match (found.pop(), found.is_empty()) {
            (Some(token), true) => Ok(token),
            (Some(last), false) => {
                let serials =
                    found.iter().chain([&last]).map(|(_, info)| serial_of(info).to_owned()).collect();
                Err(Fault::TokenAmbiguous { wanted, serials })
            }
            (None, _) => {
                let named =
                    |info: &TokenInfo| format!("`{}` (serial {})", info.label().trim_end(), serial_of(info));
                Err(Fault::TokenAbsent {
                    wanted,
                    present: others.iter().map(|(_, info)| named(info)).collect(),
                })
            }
        }
    }

    /// Tokens that are present and initialised. One that does not answer is as good as absent.
    fn tokens(&self) -> Result<Vec<(Slot, TokenInfo)>, Fault> {
        let slots = match self.pkcs11.get_slots_with_initialized_token() {
            // Somebody else in this process has finalised the module; the sessions are gone with it.
            Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => {
                self.initialize()?;
                self.pkcs11.get_slots_with_initialized_token()
            }
            answer => answer,
        };
        let slots = slots.map_err(during(Operation::Connect))?;
        Ok(slots
            .into_iter()
            .filter_map(|slot| Some((slot, self.pkcs11.get_token_info(slot).ok()?)))
            .collect())
    }

    /// A session of a logged-in user.
    pub fn session(&self, slot: Slot, token: &TokenInfo, pin_file: &Path) -> Result<Session, Fault> {
        let session = self.pkcs11.open_ro_session(slot).map_err(during(Operation::Connect))?;
        self.log_in(&session, slot, token, pin_file)?;
        Ok(session)
    }

    /// As [`Module::session`], one that may change the token.
    pub fn writing_session(&self, slot: Slot, token: &TokenInfo, pin_file: &Path) -> Result<Session, Fault> {
        let session = self.pkcs11.open_rw_session(slot).map_err(during(Operation::Connect))?;
        self.log_in(&session, slot, token, pin_file)?;
        Ok(session)
    }

    /// Logs in, unless this process is logged in already; one attempt at most.
    fn log_in(&self, session: &Session, slot: Slot, token: &TokenInfo, pin_file: &Path) -> Result<(), Fault> {
        // Held over the attempt: two threads must not try one wrong PIN each.
        let mut logins = lock(&self.logins);
        let login = logins.entry(serial_of(token).to_owned()).or_default();
        if is_logged_in(session)? {
            return login.keep(&self.pkcs11, slot);
        }
        let pin = read_pin(pin_file)?;
        let name = || token.label().trim_end().to_owned();
        if login.refused.as_ref() == Some(&pin) {
            return Err(Fault::PinRefused { token: name(), pin_file: pin_file.to_owned() });
        }
        if token.user_pin_final_try() {
            return Err(Fault::PinFinalTry { token: name() });
        }
        match session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => login.keep(&self.pkcs11, slot),
            Err(Error::Pkcs11(code, _)) if is_about_the_pin(code) => {
                login.refused = Some(pin);
                Err(Fault::PinRefused { token: name(), pin_file: pin_file.to_owned() })
            }
            Err(error) => Err(during(Operation::Login)(error)),
        }
    }
}

impl Login {
    /// Keeps the log-in alive: an anchor session that works.
    fn keep(&mut self, pkcs11: &Pkcs11, slot: Slot) -> Result<(), Fault> {
        let holds = self.anchor.as_ref().is_some_and(|anchor| anchor.get_session_info().is_ok());
        if !holds {
            self.anchor = Some(pkcs11.open_ro_session(slot).map_err(during(Operation::Connect))?);
        }
        Ok(())
    }
}

/// True if the session sees private objects.
pub fn is_logged_in(session: &Session) -> Result<bool, Fault> {
    let info = session.get_session_info().map_err(during(Operation::Connect))?;
    Ok(matches!(info.session_state(), SessionState::RoUser | SessionState::RwUser))
}

/// A token's serial number as it is written in key references.
pub fn serial_of(token: &TokenInfo) -> &str {
    token.serial_number().trim()
}

/// Codes that blame the PIN, so that trying it again would bring the token nearer to its lock.
fn is_about_the_pin(code: RvError) -> bool {
    matches!(
        code,
        RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
            | RvError::UserPinNotInitialized
    )
}

fn read_pin(file: &Path) -> Result<Pin, Fault> {
    let broken = |problem: String| Fault::PinFile { path: file.to_owned(), problem };
    let bytes = std::fs::read(file)
        .map(Zeroizing::new)
        .map_err(|error| broken(format!("cannot be read: {error}")))?;
    if bytes.len() > PIN_FILE_BYTES_MAX {
        return Err(broken(format!("has more than {PIN_FILE_BYTES_MAX} bytes")));
    }
    let text = str::from_utf8(&bytes).map_err(|_| broken("is not UTF-8".to_owned()))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(broken("is empty".to_owned())),
        pin => Ok(Zeroizing::new(pin.to_owned())),
    }
}

/// Nothing between two updates of what these locks guard can panic; a poisoned one is taken all the
/// same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
