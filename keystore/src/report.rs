//! What a connection test found out, for people and for the job that waits for it.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::{RootError, Who, Withdrawal};

/// The outcome of a connection test. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether the root may be saved and used: a probe was wrapped and unwrapped, and nothing that is
    /// needed is missing.
    pub passed: bool,
    /// The provider.
    pub provider: &'static str,
    /// The immutable key reference, once the root told it.
    pub l1_ref: Option<String>,
    /// The key's state as far as the test saw it.
    pub state: KeyState,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// What we are allowed to do, one row per permission.
    pub permissions: Vec<Permission>,
    /// What the root states about its key.
    pub evidence: Vec<Evidence>,
    /// What an operator should know, one sentence each.
    pub warnings: Vec<String>,
    /// Why it failed, and what to do about it.
    pub problem: Option<Problem>,
    /// The least that must be granted, to be pasted.
    pub policy: Option<Snippet>,
    /// Commands that make the key and grant what is needed.
    pub script: Option<Snippet>,
    /// Duration of the whole test, milliseconds.
    pub took_ms: u64,
}

/// State of a root key, precise; people see [`KeyState::shown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It works.
    Enabled,
    /// Switched off by its owner.
    Disabled,
    /// We may not use it.
    Forbidden,
    /// No answer: says nothing about the key.
    Unreachable,
    /// It will be gone.
    PendingDeletion,
    /// It is gone.
    Deleted,
    /// Somebody must set something right before its state can be known.
    Unknown,
}

impl KeyState {
    /// The word for people, who are shown three: it works, its owner switched it off, or somebody has to look.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Enabled => "Active",
            Self::Disabled => "Inactive",
            Self::Forbidden | Self::Unreachable | Self::PendingDeletion | Self::Deleted | Self::Unknown => {
                "Error"
            }
        }
    }

    /// What an error tells of the key's state; `None` if it tells nothing, and the old one stands.
    #[must_use]
    pub fn told_by(error: &RootError) -> Option<Self> {
        match error {
            RootError::Unreachable { .. } => Some(Self::Unreachable),
            RootError::Withdrawn { withdrawal, .. } => Some(match withdrawal {
                Withdrawal::Denied | Withdrawal::PinRefused => Self::Forbidden,
                Withdrawal::Disabled => Self::Disabled,
                Withdrawal::PendingDeletion => Self::PendingDeletion,
                Withdrawal::Destroyed => Self::Deleted,
            }),
            RootError::Misconfigured { .. } => Some(Self::Unknown),
            RootError::Throttled { .. } | RootError::Corrupt { .. } | RootError::Memory(_) => None,
        }
    }
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What.
    pub name: &'static str,
    /// Whether it worked.
    pub passed: bool,
    /// Duration, milliseconds.
    pub took_ms: u64,
    /// What came of it.
    pub detail: String,
}

impl Step {
    pub(crate) fn new(name: &'static str, took: Duration, outcome: Result<String, String>) -> Self {
        let passed = outcome.is_ok();
        Self { name, passed, took_ms: millis(took), detail: outcome.unwrap_or_else(|problem| problem) }
    }
}

/// Milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// As the root's home calls it: `kms:Decrypt`, `cloudkms.cryptoKeyVersions.useToDecrypt`.
    pub name: String,
    /// Whether we have it; `None` where its home cannot be asked and nothing depended on it.
    pub granted: Option<bool>,
    /// Whether keyraft works without it.
    pub needed: bool,
    /// What it is for.
    pub purpose: &'static str,
}

impl Permission {
    /// One that keyraft does not work without.
    pub(crate) fn needed(name: impl Into<String>, granted: Option<bool>, purpose: &'static str) -> Self {
        Self { name: name.into(), granted, needed: true, purpose }
    }
}

/// One thing the root states about its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// As the root's home calls it: `CKA_SENSITIVE`, `Origin`.
    pub name: String,
    /// What it says.
    pub value: String,
    /// Whether that is as it should be; `None` where either is fine.
    pub good: Option<bool>,
}

impl Evidence {
    pub(crate) fn new(name: impl Into<String>, value: impl Into<String>, good: Option<bool>) -> Self {
        Self { name: name.into(), value: value.into(), good }
    }
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// One of `unreachable`, `denied`, `disabled`, `pending_deletion`, `destroyed`, `throttled`,
    /// `corrupt`, `misconfigured`, `no_memory`.
    pub code: &'static str,
    /// What happened.
    pub cause: String,
    /// Who must act.
    pub who: Who,
    /// What they should do.
    pub next_step: String,
    /// Whether trying again without doing anything may help.
    pub retry: bool,
}

impl Problem {
    /// An error in the words of a report.
    #[must_use]
    pub fn of(error: &RootError) -> Self {
        let (who, next_step, retry) = match error {
            RootError::Unreachable { .. } => (
                Who::Operator,
                "see that name, port, firewall and certificate authority are right; then test again"
                    .to_owned(),
                true,
            ),
            RootError::Withdrawn { withdrawal, .. } => (Who::KeyOwner, withdrawal.advice().to_owned(), false),
            RootError::Throttled { .. } => {
                (Who::KeyOwner, "wait, or have the limit raised; then test again".to_owned(), true)
            }
            RootError::Corrupt { .. } => (
                Who::Operator,
                "the root gave back something else than it was given: do not use it, and ask its maker"
                    .to_owned(),
                false,
            ),
            RootError::Misconfigured { who, fix, .. } => (*who, fix.clone(), false),
            RootError::Memory(_) => (Who::Operator, "give this node more locked memory".to_owned(), true),
        };
        Self { code: error.code(), cause: error.to_string(), who, next_step, retry }
    }
}

/// Text to be pasted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// What it is and where it goes.
    pub title: String,
    /// The text.
    pub text: String,
}

impl Report {
    /// The report as text of at most 80 columns where the values allow it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let verdict = if self.passed { "passed" } else { "FAILED" };
        writeln!(out, "{verdict}: {} in {} ms, key is {}", self.provider, self.took_ms, self.state.shown())?;
        if let Some(l1_ref) = &self.l1_ref {
            writeln!(out, "key: {l1_ref}")?;
        }
        for step in &self.steps {
            writeln!(
                out,
                "  {} {:<12} {:>5} ms  {}",
                mark(Some(step.passed)),
                step.name,
                step.took_ms,
                step.detail
            )?;
        }
        if !self.permissions.is_empty() {
            writeln!(out, "permissions:")?;
        }
        for row in &self.permissions {
            let optional = if row.needed { "" } else { " (optional)" };
            writeln!(out, "  {} {}{optional}: {}", mark(row.granted), row.name, row.purpose)?;
        }
        if !self.evidence.is_empty() {
            writeln!(out, "the key, as its home states it:")?;
        }
        for row in &self.evidence {
            writeln!(out, "  {} {} = {}", mark(row.good), row.name, row.value)?;
        }
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        if let Some(problem) = &self.problem {
            writeln!(out, "problem: {}", problem.cause)?;
            writeln!(out, "{} must act: {}", problem.who, problem.next_step)?;
        }
        if !self.passed {
            for snippet in self.policy.iter().chain(&self.script) {
                writeln!(out, "\n# {}\n{}", snippet.title, snippet.text.trim_end())?;
            }
        }
        Ok(())
    }
}

fn mark(good: Option<bool>) -> char {
    match good {
        Some(true) => '+',
        Some(false) => '!',
        None => '?',
    }
}
