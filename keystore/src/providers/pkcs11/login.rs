//! The log-in of this process at one token.
//!
//! It belongs to the process and the token, not to a session, and lives as long as one session does:
//! an anchor session stays open for it. A PIN that a token refused is remembered and never tried
//! again, because tokens lock after a few.

use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::TokenInfo;
use cryptoki::types::AuthPin;

use super::fault::{Fault, Operation, during};
use super::module::{label_of, serial_of};
use super::pin::PinSource;
use crate::SecretText;

/// What becomes of a PIN. A process that is watched tells its watcher, because it may not live to
/// remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It is tried now.
    Begins,
    /// The token took it.
    Accepted,
    /// The token refused it.
    Refused,
}

/// Is told of every attempt before it begins and after it ended, with the serial number of its token.
pub type Observer = Box<dyn Fn(Attempt, &str) + Send + Sync>;

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Sets the observer of this process, once.
pub fn observe(observer: Observer) {
    let _already = OBSERVER.set(observer);
}

fn tell(attempt: Attempt, token: &TokenInfo) {
    if let Some(observer) = OBSERVER.get() {
        observer(attempt, serial_of(token));
    }
}

/// How often a [`Turn`] is tried for, 10 ms apart: 3 s, in which twenty others log in.
const TURN_TRIES: u32 = 300;

/// Our log-in at one token.
#[derive(Default)]
pub struct Login {
    /// Open for the life of the process, so that the log-in outlives every worker's session.
    anchor: Option<Session>,
    /// The PIN this token refused.
    refused: Option<SecretText>,
}

impl Login {
    /// Makes sure that this process is logged in; one attempt at most. `anchor` opens a session.
    pub fn ensure(
        &mut self,
        session: &Session,
        token: &TokenInfo,
        pin: &PinSource,
        anchor: impl Fn() -> Result<Session, Fault>,
    ) -> Result<(), Fault> {
        if !is_logged_in(session)? {
            self.log_in(session, token, pin)?;
        }
        if !self.lives() {
            self.anchor = Some(anchor()?);
        }
        Ok(())
    }

    /// True if the token still knows the anchor.
    pub fn lives(&self) -> bool {
        self.anchor.as_ref().is_some_and(|anchor| anchor.get_session_info().is_ok())
    }

    /// The anchor is gone with its module; a refused PIN stays refused.
    pub fn forget(&mut self) {
        self.anchor = None;
    }

    fn log_in(&mut self, session: &Session, token: &TokenInfo, source: &PinSource) -> Result<(), Fault> {
        let pin = source.read()?;
        let refused = || Fault::PinRefused { token: label_of(token).to_owned(), pin: source.name() };
        if self.refused.as_ref() == Some(&pin) {
            return Err(refused());
        }
        if token.user_pin_final_try() {
            return Err(Fault::PinFinalTry { token: label_of(token).to_owned() });
        }
        if matches!(source, PinSource::Doubtful(_)) && (token.user_pin_count_low() || token.user_pin_locked())
        {
            return Err(Fault::PinInDoubt { token: label_of(token).to_owned() });
        }
        tell(Attempt::Begins, token);
        match session.login(UserType::User, Some(&AuthPin::new(pin.expose().into()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                tell(Attempt::Accepted, token);
                Ok(())
            }
            Err(Error::Pkcs11(code, _)) if is_about_the_pin(code) => {
                tell(Attempt::Refused, token);
                self.refused = Some(pin);
                Err(refused())
            }
            Err(error) => Err(during(Operation::Login)(error)),
        }
    }
}

/// Our turn to log in, among all processes of this machine that use the same file: the file is the
/// lock. A software token writes its state at each log-in, and one that starts or logs in
/// meanwhile may see no token, or a wrong PIN.
pub struct Turn {
    _locked: Option<File>,
}

impl Turn {
    /// Waits for the turn, and goes without it if there is no such file or the wait is too long.
    pub fn wait(file: &Path) -> Self {
        let Ok(file) = File::open(file) else { return Self { _locked: None } };
        let locked = (0..TURN_TRIES).any(|_| {
            let free = file.try_lock().is_ok();
            if !free {
                std::thread::sleep(Duration::from_millis(10));
            }
            free
        });
        Self { _locked: Some(file).filter(|_| locked) }
    }
}

/// True if the session sees private objects.
pub fn is_logged_in(session: &Session) -> Result<bool, Fault> {
    let info = session.get_session_info().map_err(during(Operation::Connect))?;
    Ok(matches!(info.session_state(), SessionState::RoUser | SessionState::RwUser))
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
