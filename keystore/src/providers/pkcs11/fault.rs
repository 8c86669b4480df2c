//! What can go wrong with a token, and what it means.
//!
//! Modules disagree about codes: a bad GCM tag is `CKR_GENERAL_ERROR` in one and
//! `CKR_ENCRYPTED_DATA_INVALID` in another. So an answer is judged by what we were doing, and a
//! refused decryption by whether the same key still works on fresh bytes. What the same fault means
//! also depends on when: a key that was never there is a mistake, one that is gone is a withdrawal.

use std::path::PathBuf;

use crypto::ArenaError;
use cryptoki::error::{Error, RvError};

use super::NAME;
use crate::{Phase, RootError, Who, Withdrawal};

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Slots, sessions.
    Connect,
    /// Log-in with the PIN, the first time it is used.
    Login,
    /// Looking for the key and reading its attributes.
    Find,
    /// Encryption of a payload.
    Encrypt,
    /// Decryption of a blob.
    Decrypt,
    /// Making a key.
    Generate,
}

/// A call that did not give its result.
#[derive(Debug)]
pub enum Fault {
    /// The module cannot be loaded or started.
    Module { path: PathBuf, problem: String },
    /// No token bears the label (and serial number); those that are there.
    TokenAbsent { wanted: String, present: Vec<String> },
    /// Several tokens bear the label; their serial numbers.
    TokenAmbiguous { wanted: String, serials: Vec<String> },
    /// The PIN cannot be read.
    PinUnusable { source: String, problem: String },
    /// The token refused this PIN, now or before; it is not tried again.
    PinRefused { token: String, pin: String },
    /// An attempt with this PIN had no answer, and the token counts a wrong one since.
    PinInDoubt { token: String },
    /// One more wrong PIN would lock the token, so none is tried.
    PinFinalTry { token: String },
    /// No such key, although logged in.
    KeyAbsent { key: String },
    /// Several keys bear this label and id.
    KeyAmbiguous { key: String, count: usize },
    /// The key is not what a root needs.
    KeyUnfit { key: String, problem: &'static str },
    /// A key that should be made is there already.
    KeyExists { key: String },
    /// The session ended with its module or its log-in.
    SessionEnded,
    /// The module answered a call with an error.
    Call { operation: Operation, error: Error },
    /// The blob does not decrypt, while the key works.
    NotAuthentic,
    /// Not a blob of ours.
    NotABlob,
    /// The token encrypted to something of another length or that does not decrypt to what it was.
    WrongAnswer,
    /// No slot in the arena.
    Memory(ArenaError),
}

impl From<ArenaError> for Fault {
    fn from(error: ArenaError) -> Self {
        Self::Memory(error)
    }
}

/// Turns a module's error into a fault of the named operation.
pub fn during(operation: Operation) -> impl Fn(Error) -> Fault {
    move |error| Fault::Call { operation, error }
}

impl Fault {
    /// True if a new session may do better: handles are gone, or the module says nothing definite. An
    /// absent key is believed only of a new session.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::SessionEnded | Self::KeyAbsent { .. } => true,
            Self::Call { operation: Operation::Login | Operation::Generate, .. } => false,
            Self::Call { error: Error::Pkcs11(code, _), .. } => !is_definite(*code),
            _ => false,
        }
    }

    /// True if a decryption was refused and the blob may be the reason, should the key still work.
    pub fn may_be_the_blob(&self) -> bool {
        let Self::Call { operation: Operation::Decrypt, error: Error::Pkcs11(code, _) } = self else {
            return false;
        };
        !is_definite(*code) && !is_about_handles(*code)
    }

    /// True if another mechanism may do better: the token does not have this one, or not as we need it.
    pub fn is_about_the_mechanism(&self) -> bool {
        let Self::Call { error: Error::Pkcs11(code, _), .. } = self else { return false };
        matches!(
            code,
            RvError::MechanismInvalid
                | RvError::MechanismParamInvalid
                | RvError::FunctionNotSupported
                | RvError::BufferTooSmall
                | RvError::ArgumentsBad
        )
    }

    /// True if the module may see more once it is started anew.
    pub fn may_be_a_blind_module(&self) -> bool {
        matches!(self, Self::TokenAbsent { .. })
            || matches!(self, Self::Call { operation: Operation::Connect | Operation::Find, .. })
                && self.is_loss()
    }

    /// In the words of the boundary.
    pub fn into_root(self, root: &str, phase: Phase) -> RootError {
        let opening = phase == Phase::Opening;
        let ask = |who, missing, fix: &str| RootError::Misconfigured {
            root: root.to_owned(),
            who,
            missing,
            fix: fix.to_owned(),
        };
        let no_answer = |detail| RootError::Unreachable { root: root.to_owned(), detail };
        let withdrawn =
            |withdrawal, detail| RootError::Withdrawn { root: root.to_owned(), withdrawal, detail };
        let corrupt =
            |detail: &'static str| RootError::Corrupt { root: root.to_owned(), detail: detail.into() };
        match self {
            Self::Module { path, problem } => ask(
                Who::Operator,
                format!("the module {} {problem}", path.display()),
                "install the vendor's PKCS#11 library, and set `module` to its absolute path",
            ),
            Self::TokenAbsent { wanted, present } if opening => ask(
                Who::Operator,
                format!("no token is called {wanted}; present: {}", list(&present)),
                "set `token` to a label from `pkcs11-tool --module <module> --list-token-slots`",
            ),
            Self::TokenAbsent { wanted, .. } => no_answer(format!("token {wanted} is not present")),
            Self::TokenAmbiguous { wanted, serials } => ask(
                Who::Operator,
                format!("several tokens are called {wanted}"),
                &format!("set `token_serial` to one of {}", list(&serials)),
            ),
            Self::PinUnusable { source, problem } => ask(
                Who::Operator,
                format!("the PIN {source} {problem}"),
                "set the token's user PIN; a file of it is readable by this user alone",
            ),
            Self::PinRefused { token, pin } if opening => ask(
                Who::Operator,
                format!("token {token} refuses the PIN {pin}"),
                "correct it; this PIN is not tried again before a restart, since tokens lock",
            ),
            Self::PinRefused { token, .. } => {
                withdrawn(Withdrawal::PinRefused, format!("token {token} no longer accepts the PIN"))
            }
            Self::PinInDoubt { token } => ask(
                Who::Operator,
                format!("the last log-in at token {token} had no answer, and it counts a wrong PIN since"),
                "see that the PIN is right, log in once with the vendor's tool, then try again",
            ),
            Self::PinFinalTry { token } => ask(
                Who::KeyOwner,
                format!("token {token} locks at the next wrong PIN, so none is tried"),
                "log in once with the vendor's tool, or have the security officer reset the PIN",
            ),
            Self::KeyAbsent { key } if opening => ask(
                Who::KeyOwner,
                format!("the token holds no AES key with {key}"),
                "make one (`keyraft root create-key`, or `pkcs11-tool --login --keygen --key-type aes:32 \
                 --sensitive --label <label> --id <id>`), or set `key_label` and `key_id`",
            ),
            Self::KeyAbsent { key } => {
                withdrawn(Withdrawal::Destroyed, format!("the key with {key} is gone"))
            }
            Self::KeyAmbiguous { key, count } => ask(
                Who::KeyOwner,
                format!("{count} AES keys have {key}"),
                "give each key its own id, so that the right one cannot be mistaken",
            ),
            Self::KeyUnfit { key, problem } => ask(
                Who::KeyOwner,
                format!("the key with {key} {problem}"),
                "make an AES-256 key that is sensitive and not extractable, and may encrypt and decrypt",
            ),
            Self::KeyExists { key } => ask(
                Who::Operator,
                format!("the token holds a key with {key} already"),
                "use it, or name another label or id: a root key is never overwritten",
            ),
            Self::SessionEnded => no_answer("the session ended twice during one call".to_owned()),
            Self::Call { operation, error } => called(operation, &error, root, opening),
            Self::NotAuthentic => corrupt("it was altered, or made for another place or by another key"),
            Self::NotABlob => corrupt("it is no blob of this provider"),
            Self::WrongAnswer => no_answer("the token does not give back what was encrypted".to_owned()),
            Self::Memory(full) => RootError::Memory(full),
        }
    }
}

/// Codes that say the same in every module and will be said again in a new session.
fn is_definite(code: RvError) -> bool {
    matches!(
        code,
        RvError::KeyFunctionNotPermitted
            | RvError::FunctionRejected
            | RvError::MechanismInvalid
            | RvError::MechanismParamInvalid
            | RvError::FunctionNotSupported
            | RvError::BufferTooSmall
            | RvError::SessionCount
            | RvError::HostMemory
            | RvError::DeviceMemory
    )
}

/// Codes about a session or object that is no longer there, or left in the middle of an operation.
fn is_about_handles(code: RvError) -> bool {
    matches!(
        code,
        RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::DeviceRemoved
            | RvError::TokenNotPresent
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::UserNotLoggedIn
            | RvError::CryptokiNotInitialized
            | RvError::OperationActive
            | RvError::OperationNotInitialized
    )
}

/// What a module's own error means, by operation first and by code only where all modules agree.
fn called(operation: Operation, error: &Error, root: &str, opening: bool) -> RootError {
    let root = root.to_owned();
    let detail = format!("{} failed: {error}", operation.verb());
    let Error::Pkcs11(code, _) = error else {
        return RootError::Unreachable { root, detail };
    };
    match code {
        RvError::KeyFunctionNotPermitted if opening => RootError::Misconfigured {
            root,
            who: Who::KeyOwner,
            missing: detail,
            fix: "set CKA_ENCRYPT and CKA_DECRYPT of the key".to_owned(),
        },
        RvError::KeyFunctionNotPermitted => {
            RootError::Withdrawn { root, withdrawal: Withdrawal::Disabled, detail }
        }
        RvError::UserNotLoggedIn | RvError::FunctionRejected if !opening => {
            RootError::Withdrawn { root, withdrawal: Withdrawal::Denied, detail }
        }
        RvError::MechanismInvalid
        | RvError::MechanismParamInvalid
        | RvError::FunctionNotSupported
        | RvError::BufferTooSmall => RootError::Misconfigured {
            root,
            who: Who::Operator,
            missing: detail,
            fix:
                "use a token that offers CKM_AES_GCM with a 96-bit IV and a 128-bit tag, or CKM_AES_KEY_WRAP"
                    .to_owned(),
        },
        RvError::SessionCount | RvError::HostMemory | RvError::DeviceMemory => RootError::Throttled {
            root,
            retry_after: None,
            detail: format!("{detail}; fewer `sessions` may help"),
        },
        _ => RootError::Unreachable { root, detail },
    }
}

impl Operation {
    fn verb(self) -> &'static str {
        match self {
            Self::Connect => "opening a session",
            Self::Login => "logging in",
            Self::Find => "looking for the key",
            Self::Encrypt => "encrypting",
            Self::Decrypt => "decrypting",
            Self::Generate => "making a key",
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The name under which errors speak before a key is known.
pub const BEFORE_OPEN: &str = NAME;
