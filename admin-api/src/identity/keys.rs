//! The keys of an identity provider, as it published them last.
//!
//! They are asked for again when a token names one we do not know, but not more often than every half
//! minute: a stranger with made-up key names must not make this node knock at the provider's door.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, JwkSet};

/// Pause between two questions.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// Keys are read again after this, so that a withdrawn one stops counting.
const FRESH_FOR: Duration = Duration::from_secs(10 * 60);
/// Keys count no longer than this if the provider does not answer.
const USABLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys kept: providers publish a handful.
const KEYS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Keys {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    set: Option<(Arc<JwkSet>, Instant)>,
    asked: Option<Instant>,
}

impl Keys {
    /// Whether the provider should be asked now, for a token signed by this key. Saying yes counts as asking.
    pub fn should_ask(&self, kid: Option<&str>) -> bool {
        self.should_ask_at(kid, Instant::now())
    }

    fn should_ask_at(&self, kid: Option<&str>, now: Instant) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |since: Instant| now.saturating_duration_since(since);
        let wanted = inner.set.as_ref().is_none_or(|(set, read)| {
            age(*read) >= FRESH_FOR || kid.is_some_and(|kid| set.find(kid).is_none())
        });
        if !wanted || inner.asked.is_some_and(|asked| age(asked) < ASK_EVERY) {
            return false;
        }
        inner.asked = Some(now);
        true
    }

    /// The keys, unless they are too old to be believed.
    pub fn current(&self) -> Option<Arc<JwkSet>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (set, read) = inner.set.as_ref()?;
        (read.elapsed() < USABLE_FOR).then(|| Arc::clone(set))
    }

    /// What the provider publishes now.
    pub fn replace(&self, mut set: JwkSet) {
        set.keys.truncate(KEYS_MAX);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.set = Some((Arc::new(set), Instant::now()));
    }
}

/// The key a token names; a token without a name needs a set of one.
pub(super) fn find<'s>(set: &'s JwkSet, kid: Option<&str>) -> Option<&'s Jwk> {
    match (kid, set.keys.as_slice()) {
        (Some(kid), _) => set.find(kid),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_do_not_make_us_knock() {
        let (keys, now) = (Keys::default(), Instant::now());
        assert!(keys.should_ask_at(Some("a"), now), "nothing is known yet");
        assert!(!keys.should_ask_at(Some("b"), now + Duration::from_secs(1)));
        assert!(keys.should_ask_at(Some("b"), now + ASK_EVERY));
        keys.replace(JwkSet { keys: Vec::new() });
        let read = Instant::now();
        assert!(!keys.should_ask_at(None, read + ASK_EVERY), "keys are fresh");
        assert!(keys.should_ask_at(None, read + FRESH_FOR + ASK_EVERY));
    }
}
