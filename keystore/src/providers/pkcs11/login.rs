//! The log-in of this process at one token.
//!
//! It belongs to the process and the token, not to a session, and lives as long as one session does:
//! an anchor session stays open for it. A PIN that a token refused is remembered and never tried
//! again, because tokens lock after a few.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::TokenInfo;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::fault::{Fault, Operation, during};
use super::module::label_of;

/// Longest PIN file in bytes; PINs have 4 to 64 characters, and a wrong file should be noticed.
const PIN_FILE_BYTES_MAX: usize = 256;

/// A PIN in memory that is wiped when dropped.
type Pin = Zeroizing<String>;

/// How often a [`Turn`] is tried for, 10 ms apart: 3 s, in which twenty others log in.
const TURN_TRIES: u32 = 300;

/// Our log-in at one token.
#[derive(Default)]
pub struct Login {
    /// Open for the life of the process, so that the log-in outlives every worker's session.
    anchor: Option<Session>,
    /// The PIN this token refused.
    refused: Option<Pin>,
}

impl Login {
    /// Makes sure that this process is logged in; one attempt at most. `anchor` opens a session.
    pub fn ensure(
        &mut self,
        session: &Session,
        token: &TokenInfo,
        pin_file: &Path,
        anchor: impl Fn() -> Result<Session, Fault>,
    ) -> Result<(), Fault> {
        if !is_logged_in(session)? {
            self.log_in(session, token, pin_file)?;
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

    fn log_in(&mut self, session: &Session, token: &TokenInfo, pin_file: &Path) -> Result<(), Fault> {
        let pin = read_pin(pin_file)?;
        let refused =
            || Fault::PinRefused { token: label_of(token).to_owned(), pin_file: pin_file.to_owned() };
        if self.refused.as_ref() == Some(&pin) {
            return Err(refused());
        }
        if token.user_pin_final_try() {
            return Err(Fault::PinFinalTry { token: label_of(token).to_owned() });
        }
        match session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(code, _)) if is_about_the_pin(code) => {
                self.refused = Some(pin);
                Err(refused())
            }
            Err(error) => Err(during(Operation::Login)(error)),
        }
    }
}

/// Our turn to log in, among all processes of this machine that use the same PIN file: the file is
/// the lock. A software token writes its state at each log-in, and one that starts or logs in
/// meanwhile may see no token, or a wrong PIN.
pub struct Turn {
    _locked: Option<File>,
}

impl Turn {
    /// Waits for the turn, and goes without it if there is no such file or the wait is too long.
    pub fn wait(pin_file: &Path) -> Self {
        let Ok(file) = File::open(pin_file) else { return Self { _locked: None } };
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
