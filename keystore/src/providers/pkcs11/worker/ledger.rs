//! What became of every PIN this process had tried, by whichever worker.
//!
//! Tokens lock after a few wrong PINs, and a worker that crashes forgets. So the node remembers:
//! a PIN that was refused is not tried again, and one whose attempt never ended, because its worker
//! died of it, is tried again only by a token that counts no failure.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::super::login::Attempt;
use crate::SecretText;

/// What is known of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be tried: never tried, or taken the last time.
    Good,
    /// The last attempt has no answer yet, and may never have one.
    Open,
    /// It was refused.
    Refused,
}

/// One PIN at one token.
struct Entry {
    module: PathBuf,
    token: String,
    pin: SecretText,
    standing: Standing,
}

/// Few: one per token and PIN that people typed since the node started.
static ENTRIES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// Most entries. Beyond it the oldest that was taken is forgotten; refused ones stay.
const ENTRIES_MAX: usize = 4_096;

/// Where a PIN belongs.
#[derive(Clone, Debug)]
pub struct Page {
    module: PathBuf,
    token: String,
    pin: SecretText,
}

impl Page {
    /// Of this PIN at this token; `token` is its label, and its serial number where one is set.
    pub fn new(module: &Path, token: String, pin: SecretText) -> Self {
        Self { module: module.to_owned(), token, pin }
    }

    /// What is known of it.
    pub fn standing(&self) -> Standing {
        let entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().find(|entry| self.is(entry)).map_or(Standing::Good, |entry| entry.standing)
    }

    /// Notes what its worker said.
    pub fn note(&self, attempt: Attempt) {
        let standing = match attempt {
            Attempt::Begins => Standing::Open,
            Attempt::Accepted => Standing::Good,
            Attempt::Refused => Standing::Refused,
        };
        let mut entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.iter_mut().find(|entry| self.is(entry)) {
            entry.standing = standing;
            return;
        }
        if entries.len() >= ENTRIES_MAX
            && let Some(oldest) = entries.iter().position(|entry| entry.standing == Standing::Good)
        {
            entries.remove(oldest);
        }
        let Self { module, token, pin } = self.clone();
        entries.push(Entry { module, token, pin, standing });
    }

    fn is(&self, entry: &Entry) -> bool {
        self.module == entry.module && self.token == entry.token && self.pin == entry.pin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_pin_stays_refused_at_its_token_alone() {
        let page = |token: &str, pin: &str| {
            Page::new(Path::new("/ledger-test.so"), token.to_owned(), SecretText::new(pin.to_owned()))
        };
        assert_eq!(page("a", "1").standing(), Standing::Good);
        page("a", "1").note(Attempt::Begins);
        assert_eq!(page("a", "1").standing(), Standing::Open);
        page("a", "1").note(Attempt::Refused);
        assert_eq!(page("a", "1").standing(), Standing::Refused);
        assert_eq!(page("a", "2").standing(), Standing::Good);
        assert_eq!(page("b", "1").standing(), Standing::Good);
        page("b", "1").note(Attempt::Begins);
        page("b", "1").note(Attempt::Accepted);
        assert_eq!(page("b", "1").standing(), Standing::Good);
    }
}
