//! What became of every PIN this process had tried, by whichever worker.
//!
//! Tokens lock after a few wrong PINs, and a worker that crashes forgets. So the node remembers:
//! a PIN that was refused is not tried again, and one whose attempt never ended, because its worker
//! died of it, is tried again only by a token that counts no failure.
//!
//! It is the token that counts. So an entry is of a token by its serial number, which the worker tells,
//! however a root names it; and roots that try one PIN at one token do so one after the other.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use super::super::login::Attempt;
use crate::SecretText;

/// What is known of a PIN, the worse the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    label: String,
    serial: String,
    pin: SecretText,
    standing: Standing,
}

/// Few: one per token and PIN that people typed since the node started.
static ENTRIES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// Most entries. Beyond it the oldest that was taken is forgotten; refused ones stay.
const ENTRIES_MAX: usize = 4_096;

/// Whose turn it is to open a root: one for each PIN at tokens of one label, for as long as anybody has it or waits for
/// it. No two share one, since a token that hangs may take its whole time, and others' roots must not.
static TURNS: Mutex<Vec<(Page, Weak<Turn>)>> = Mutex::new(Vec::new());

/// Had by one at a time.
type Turn = tokio::sync::Mutex<()>;

/// A PIN that is to be tried, and where, as far as that is known before.
#[derive(Clone, Debug)]
pub struct Page {
    module: PathBuf,
    label: String,
    serial: Option<String>,
    pin: SecretText,
}

impl Page {
    /// Of this PIN at the token with this label, and this serial number where one is named.
    pub fn new(module: &Path, label: &str, serial: Option<&str>, pin: SecretText) -> Self {
        // A library may have several names. One that is not there opens nothing under any.
        let module = module.canonicalize().unwrap_or_else(|_| module.to_owned());
        Self { module, label: label.to_owned(), serial: serial.map(str::to_owned), pin }
    }

    /// Waits until nobody else tries this PIN at a token of this label. Given back when dropped.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        self.place_in_turn().lock_owned().await
    }

    fn place_in_turn(&self) -> Arc<Turn> {
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|(_, turn)| turn.strong_count() > 0);
        let same =
            |page: &Page| self.module == page.module && self.label == page.label && self.pin == page.pin;
        let known = turns.iter().find(|(page, _)| same(page)).and_then(|(_, turn)| turn.upgrade());
        known.unwrap_or_else(|| {
            let turn = Arc::default();
            turns.push((self.clone(), Arc::downgrade(&turn)));
            turn
        })
    }

    /// What is known of it: the worst of what is known of the tokens that may be meant.
    pub fn standing(&self) -> Standing {
        let entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = entries.iter().filter(|entry| self.may_be(entry)).map(|entry| entry.standing);
        meant.max().unwrap_or(Standing::Good)
    }

    /// Notes what its worker said, at the token with this serial number.
    pub fn note(&self, attempt: Attempt, serial: &str) {
        let standing = match attempt {
            Attempt::Begins => Standing::Open,
            Attempt::Accepted => Standing::Good,
            Attempt::Refused => Standing::Refused,
        };
        let mut entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.iter_mut().find(|entry| self.is_at(entry) && entry.serial == serial);
        if let Some(entry) = known {
            entry.standing = standing;
            return;
        }
        if entries.len() >= ENTRIES_MAX
            && let Some(oldest) = entries.iter().position(|entry| entry.standing == Standing::Good)
        {
            entries.remove(oldest);
        }
        let Self { module, label, pin, .. } = self.clone();
        entries.push(Entry { module, label, serial: serial.to_owned(), pin, standing });
    }

    /// Whether an entry is of a token that this page may mean.
    fn may_be(&self, entry: &Entry) -> bool {
        self.is_at(entry) && self.serial.as_ref().is_none_or(|serial| *serial == entry.serial)
    }

    /// Whether an entry is of this PIN, at a token of this label.
    fn is_at(&self, entry: &Entry) -> bool {
        self.module == entry.module && self.label == entry.label && self.pin == entry.pin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_pin_stays_refused_at_its_token_alone() {
        let page = |label: &str, pin: &str| page("one", label, None, pin);
        assert_eq!(page("a", "1").standing(), Standing::Good);
        page("a", "1").note(Attempt::Begins, "7");
        assert_eq!(page("a", "1").standing(), Standing::Open);
        page("a", "1").note(Attempt::Refused, "7");
        assert_eq!(page("a", "1").standing(), Standing::Refused);
        assert_eq!(page("a", "2").standing(), Standing::Good);
        assert_eq!(page("b", "1").standing(), Standing::Good);
        page("b", "1").note(Attempt::Begins, "8");
        page("b", "1").note(Attempt::Accepted, "8");
        assert_eq!(page("b", "1").standing(), Standing::Good);
    }

    /// A page of a module of this test's own.
    fn page(test: &str, label: &str, serial: Option<&str>, pin: &str) -> Page {
        let module = format!("/ledger-test-{test}.so");
        Page::new(Path::new(&module), label, serial, SecretText::new(pin.to_owned()))
    }

    #[test]
    fn a_token_is_the_same_with_its_serial_number_and_without() {
        let page = |serial| page("spelling", "a", serial, "1");
        let both = || (page(None).standing(), page(Some("7")).standing());
        page(None).note(Attempt::Refused, "7");
        assert_eq!(both(), (Standing::Refused, Standing::Refused));
        assert_eq!(page(Some("8")).standing(), Standing::Good, "another token that bears the label");
        page(Some("8")).note(Attempt::Accepted, "8");
        assert_eq!(page(None).standing(), Standing::Refused, "nobody says which of the two is meant");
        page(Some("7")).note(Attempt::Accepted, "7");
        assert_eq!(both(), (Standing::Good, Standing::Good));
    }

    #[tokio::test]
    async fn a_pin_is_tried_at_a_token_by_one_after_the_other() {
        let page = |serial| page("turns", "a", serial, "1");
        let first = page(None).turn().await;
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, page(Some("7")).turn()).await.is_err(), "two try it at once");
        drop(first);
        drop(tokio::time::timeout(soon, page(Some("7")).turn()).await.expect("it is free"));
    }

    #[test]
    fn no_token_waits_for_another() {
        // More than there could be places for, were these shared.
        let page = |number: u32| page("others", &number.to_string(), None, "1");
        let held: Vec<_> = (0..1_000)
            .map(|number| page(number).place_in_turn().try_lock_owned().expect("nobody has this one's turn"))
            .collect();
        drop(held);
        drop(page(0).place_in_turn());
        let turns = TURNS.lock().expect("nobody panicked");
        let kept = turns
            .iter()
            .filter(|(page, turn)| page.module.ends_with("ledger-test-others.so") && turn.strong_count() > 0);
        assert_eq!(kept.count(), 0, "no turn outlives who has it");
    }
}
