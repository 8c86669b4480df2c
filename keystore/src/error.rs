//! What a root may answer instead of a result, sorted by what to do about it.
//!
//! The one distinction that must never blur: *no answer* ([`RootError::Unreachable`], serving goes on
//! within the lease) and *the answer is no* ([`RootError::Withdrawn`], serving ends now). A network
//! failure never becomes a withdrawal.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crypto::ArenaError;
use serde::{Deserialize, Serialize};

/// Why a root did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// No answer, or one that says nothing about the key.
    #[error("root {root} does not answer: {detail}")]
    Unreachable {
        /// The key reference, or the provider's name while the key is not known yet.
        root: String,
        /// What was tried and what came back.
        detail: String,
    },
    /// The owner of the key ended our use of it.
    #[error("root {root} is {withdrawal}: {detail}")]
    Withdrawn {
        /// The key reference.
        root: String,
        /// In which way.
        withdrawal: Withdrawal,
        /// What the root said.
        detail: String,
    },
    /// The root, or our own bounded queue before it, has too much to do.
    #[error("root {root} is busy: {detail}")]
    Throttled {
        /// The key reference.
        root: String,
        /// When to ask again, if the root said so.
        retry_after: Option<Duration>,
        /// Which bound was met.
        detail: String,
    },
    /// The wrap is damaged, or was made for another place or by another key.
    #[error("root {root} works, but the wrap does not open: {detail}")]
    Corrupt {
        /// The key reference.
        root: String,
        /// Which check failed.
        detail: Cow<'static, str>,
    },
    /// It cannot work until somebody changes something.
    #[error("root {root} is misconfigured: {missing}; {who}: {fix}")]
    Misconfigured {
        /// The key reference, or the provider's name while the key is not known yet.
        root: String,
        /// Who must act.
        who: Who,
        /// The exact thing that is missing or wrong.
        missing: String,
        /// A command or setting that repairs it.
        fix: String,
    },
    /// This node has no secret memory left; says nothing about the root.
    #[error("this node has no room for a payload: {0}")]
    Memory(#[from] ArenaError),
}

impl RootError {
    /// [`code`](Self::code) of what somebody must set right first.
    pub const MISCONFIGURED: &'static str = "misconfigured";

    /// The error's kind as one word, for reports and interfaces.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Withdrawn { withdrawal, .. } => withdrawal.code(),
            Self::Throttled { .. } => "throttled",
            Self::Corrupt { .. } => "corrupt",
            Self::Misconfigured { .. } => Self::MISCONFIGURED,
            Self::Memory(_) => "no_memory",
        }
    }

    /// What to do now.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Unreachable { .. } | Self::Memory(_) => Action::RetryWithinLease,
            Self::Throttled { .. } => Action::RetryLater,
            Self::Withdrawn { .. } => Action::CloseNow,
            Self::Corrupt { .. } => Action::StopAndAlarm,
            Self::Misconfigured { .. } => Action::AskForRepair,
        }
    }
}

/// When a root is asked: what was a mistake while it was opened first is a withdrawal or an outage later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// While it is opened for the first time: the configuration may be wrong.
    Opening,
    /// Later, also when a process that has just started opens it again: it worked once.
    Serving,
}

/// What an error asks of the floor above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Try again with back-off; hot keys serve on until the L1 lease ends.
    RetryWithinLease,
    /// As before, but with patience: the root lives.
    RetryLater,
    /// Forget the tenant's keys on every node, at once.
    CloseNow,
    /// Do not retry: the stored bytes are wrong, and somebody must look.
    StopAndAlarm,
    /// Do not retry until somebody has acted; the error says who and how.
    AskForRepair,
}

/// How the owner ended our use of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withdrawal {
    /// We may no longer use it: credentials or permissions are gone.
    Denied,
    /// Its token no longer takes the PIN. Whoever tries it again brings the token nearer to its lock.
    PinRefused,
    /// The key exists and is switched off.
    Disabled,
    /// The key is going to be destroyed, and no longer serves.
    PendingDeletion,
    /// The key is gone.
    Destroyed,
}

impl Withdrawal {
    fn code(self) -> &'static str {
        match self {
            Self::Denied | Self::PinRefused => "denied",
            Self::Disabled => "disabled",
            Self::PendingDeletion => "pending_deletion",
            Self::Destroyed => "destroyed",
        }
    }

    /// What its owner does to give the key back.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Denied => "grant the permission that the cause names, or renew the credentials",
            Self::PinRefused => {
                "give it the token's PIN: by new credentials, or in the file that a node's `pin_file` names"
            }
            Self::Disabled => "enable the key",
            Self::PendingDeletion => "cancel the key's deletion and enable it",
            Self::Destroyed => "name another key: this one cannot come back",
        }
    }
}

impl fmt::Display for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PendingDeletion => "pending deletion",
            Self::Denied | Self::PinRefused | Self::Disabled | Self::Destroyed => self.code(),
        })
    }
}

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Whoever runs these nodes.
    Operator,
    /// Whoever owns the root key.
    KeyOwner,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "operator",
            Self::KeyOwner => "key owner",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_pin_is_set_right_wherever_it_stands() {
        let advice = Withdrawal::PinRefused.advice();
        assert!(advice.contains("new credentials"), "a tenant's own root: {advice}");
        assert!(advice.contains("`pin_file`"), "the platform's: {advice}");
    }
}
