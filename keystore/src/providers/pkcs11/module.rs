//! What exists once per process: each loaded module, and the log-in at each of its tokens.
//!
//! `C_Initialize` may run once per module and process, so modules live in one table and are never
//! unloaded.
//!
//! Some modules see tokens only when they start, or stay blind after a lost connection until they
//! are started anew ([`Module::restart`]). Nothing may call a module meanwhile (PKCS#11 3.1, 5.4.2),
//! and session numbers begin again: so every call is made [inside](Module::enter), and a session
//! belongs to one epoch, the time between two starts.

use std::collections::BTreeMap;
use std::ffi::{CString, c_void};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::Session;
use cryptoki::slot::{Slot, TokenInfo};

use super::fault::{Fault, Operation, during};
use super::login::Login;
use super::pin::PinSource;

/// Least time between two restarts of a module: a token that comes back is seen again within it, and
/// one that stays away costs its module little.
const RESTART_INTERVAL: Duration = Duration::from_secs(3);

/// Pause before a restart, for what kept a token from being seen to pass: another process writing it,
/// or a connection on its way back.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// How often a restart looks whether calls are in progress, 10 ms apart: 200 ms, far longer than a
/// call takes that does not fail itself.
const RESTART_TURNS: u32 = 20;

/// A loaded and initialised module.
pub struct Module {
    pkcs11: Pkcs11,
    path: PathBuf,
    /// What it is told at every start.
    parameters: Option<String>,
    logins: Mutex<BTreeMap<String, Login>>,
    epoch: RwLock<Epoch>,
    restarted: Mutex<Option<Instant>>,
}

/// Counts the starts of a module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch(u64);

/// One module's place in the table: its own lock, so that a library that hangs while loading keeps
/// no other from being loaded.
type Loading = Arc<Mutex<Option<Arc<Module>>>>;

static MODULES: Mutex<BTreeMap<PathBuf, Loading>> = Mutex::new(BTreeMap::new());

impl Module {
    /// The module at `path`, loaded at first use.
    pub fn load(path: &Path, parameters: Option<&str>) -> Result<Arc<Self>, Fault> {
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
        let module = Arc::new(Self {
            pkcs11,
            path: real,
            parameters: parameters.map(str::to_owned),
            logins: Mutex::default(),
            epoch: RwLock::default(),
            restarted: Mutex::default(),
        });
        module.initialize()?;
        Ok(Arc::clone(loaded.insert(module)))
    }

    /// `C_Initialize`; a module that is initialised already serves as it is.
    fn initialize(&self) -> Result<(), Fault> {
        match self.pkcs11.initialize(self.arguments()?) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            Err(error) => Err(Fault::Module {
                path: self.path.clone(),
                problem: format!("does not start: {error}; look at the vendor's own configuration"),
            }),
        }
    }

    /// With the parameters as the text that NSS and its kin read from `pReserved`.
    fn arguments(&self) -> Result<CInitializeArgs, Fault> {
        let flags = CInitializeFlags::OS_LOCKING_OK;
        let Some(parameters) = &self.parameters else { return Ok(CInitializeArgs::new(flags)) };
        let text = CString::new(parameters.as_str()).map_err(|_| Fault::Module {
            path: self.path.clone(),
            problem: "cannot be given parameters that hold a NUL".to_owned(),
        })?;
        // Leaked: the module may keep the pointer. A few bytes for each of its rare starts.
        let reserved = NonNull::new(text.into_raw().cast::<c_void>()).expect("a text has an address");
        // SAFETY: the pointer is to a NUL-terminated text that is never freed, which is what modules
        // that take parameters expect; the operator says which module does.
        #[allow(unsafe_code)]
        Ok(unsafe { CInitializeArgs::new_with_reserved(flags, reserved) })
    }

    /// Calls are made while the result is held; it names the epoch, and keeps restarts away.
    pub fn enter(&self) -> RwLockReadGuard<'_, Epoch> {
        self.epoch.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a pause, stops the module and starts it anew, if it is of no use to anybody: none of our
    /// log-ins lives, no call is in progress, and it was not done just now. Every session is gone
    /// afterwards. The caller is not inside.
    pub fn restart(&self) -> bool {
        if self.serves_somebody() || !self.may_restart(Instant::now()) {
            return false;
        }
        std::thread::sleep(RESTART_PAUSE);
        let Some(mut epoch) = (0..RESTART_TURNS).find_map(|_| self.alone()) else { return false };
        tracing::warn!(module = %self.path.display(), "restarting a module that lost its tokens");
        epoch.0 += 1;
        for login in lock(&self.logins).values_mut() {
            login.forget();
        }
        // An error means that it was stopped already, which is as good.
        let _stopped = self.pkcs11.clone().finalize();
        self.initialize().is_ok()
    }

    /// True if a token still knows us: then what is missing elsewhere is missing there, and one
    /// root's mistake must not cost the others their sessions.
    fn serves_somebody(&self) -> bool {
        let _inside = self.enter();
        lock(&self.logins).values().any(Login::lives)
    }

    /// Waits a turn for the calls in progress. A waiting writer would hold new calls up behind one that
    /// hangs, so this only tries.
    fn alone(&self) -> Option<RwLockWriteGuard<'_, Epoch>> {
        match self.epoch.try_write() {
            Ok(epoch) => Some(epoch),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(Duration::from_millis(10));
                None
            }
        }
    }

    fn may_restart(&self, now: Instant) -> bool {
        let mut last = lock(&self.restarted);
        let may = last.is_none_or(|last| now.duration_since(last) >= RESTART_INTERVAL);
        if may {
            *last = Some(now);
        }
        may
    }

    /// The one token with this label, and this serial number if one is given.
    pub fn find_token(&self, label: &str, serial: Option<&str>) -> Result<Found, Fault> {
        let wanted = match serial {
            Some(serial) => format!("`{label}` with serial number {serial}"),
            None => format!("`{label}`"),
        };
        let (mut found, mut present, mut silent) = (Vec::new(), Vec::new(), None);
        // Not `get_slots_with_initialized_token`: there, one token that fails hides all the others.
        for slot in self.pkcs11.get_slots_with_token().map_err(during(Operation::Connect))? {
            match self.pkcs11.get_token_info(slot) {
                Ok(info) if !info.token_initialized() => {}
                Ok(info) if is_token(&info, label, serial) => found.push(Found { slot, info }),
                Ok(info) => present.push(format!("`{}` (serial {})", label_of(&info), serial_of(&info))),
                Err(error) => silent = Some(error),
            }
        }
        if found.len() > 1 {
            let serials = found.iter().map(|token| serial_of(&token.info).to_owned()).collect();
            return Err(Fault::TokenAmbiguous { wanted, serials });
        }
        match (found.pop(), silent) {
            (Some(token), _) => Ok(token),
            // The token in the slot that does not answer may be the one.
            (None, Some(error)) => Err(during(Operation::Connect)(error)),
            (None, None) => Err(Fault::TokenAbsent { wanted, present }),
        }
    }

    /// A session of a logged-in user. The caller is inside.
    pub fn session(
        self: &Arc<Self>,
        epoch: Epoch,
        access: Access,
        token: &Found,
        pin: &PinSource,
    ) -> Result<LiveSession, Fault> {
        let opened = match access {
            Access::Read => self.pkcs11.open_ro_session_no_drop(token.slot),
            Access::Write => self.pkcs11.open_rw_session_no_drop(token.slot),
        };
        let session = Some(opened.map_err(during(Operation::Connect))?);
        let session = LiveSession { session, module: Arc::clone(self), epoch };
        // Held over the attempt: two threads must not try one wrong PIN each.
        let mut logins = lock(&self.logins);
        let login = logins.entry(serial_of(&token.info).to_owned()).or_default();
        login.ensure(&session, &token.info, pin, || self.anchor(token.slot))?;
        Ok(session)
    }

    fn anchor(&self, slot: Slot) -> Result<Session, Fault> {
        self.pkcs11.open_ro_session_no_drop(slot).map_err(during(Operation::Connect))
    }
}

/// A token and where it is.
pub struct Found {
    slot: Slot,
    /// What it says about itself.
    pub info: TokenInfo,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Use keys.
    Read,
    /// Make keys, too.
    Write,
}

/// A session with a logged-in user; closed when dropped, unless it ended with its epoch: then its
/// number may be another session's.
pub struct LiveSession {
    session: Option<Session>,
    module: Arc<Module>,
    epoch: Epoch,
}

impl LiveSession {
    /// Its module.
    pub fn module(&self) -> Arc<Module> {
        Arc::clone(&self.module)
    }

    /// True if it was opened in this epoch.
    pub fn is_of(&self, epoch: Epoch) -> bool {
        self.epoch == epoch
    }
}

impl Deref for LiveSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("it is taken out by drop alone")
    }
}

impl Drop for LiveSession {
    fn drop(&mut self) {
        let epoch = self.module.enter();
        if let Some(session) = self.session.take().filter(|_| self.epoch == *epoch) {
            // One that is gone already needs no closing.
            let _closed = session.close();
        }
    }
}

fn is_token(info: &TokenInfo, label: &str, serial: Option<&str>) -> bool {
    label_of(info) == label && serial.is_none_or(|serial| serial_of(info) == serial)
}

/// A token's label without its padding.
pub fn label_of(token: &TokenInfo) -> &str {
    token.label().trim_end()
}

/// A token's serial number as it is written in key references.
pub fn serial_of(token: &TokenInfo) -> &str {
    token.serial_number().trim()
}

/// Nothing between two updates of what these locks guard can panic; a poisoned one is taken all the
/// same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
