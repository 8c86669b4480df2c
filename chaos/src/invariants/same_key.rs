//! I3: one identifier always yields the same key: on every node, after every restart.

use super::{Promise, Verdict};
use crate::ledger::{Answer, Object, Read};

/// Puts I3 to the test whenever a key comes back whose bytes were seen before.
pub fn judge(object: &Object, read: &Read) -> Option<Verdict> {
    let (known, Answer::Key(seen)) = (object.fingerprint?, &read.answer) else { return None };
    let held = if known == *seen { Ok(()) } else { Err(format!("node {} gave another key", read.node)) };
    Some(Verdict { promise: Promise::I3, held })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{object, read};
    use super::*;
    use crate::ledger::Fingerprint;

    #[test]
    fn another_key_is_a_violation() {
        let held = |object: &Object, key| {
            judge(object, &read(30, 40, Answer::Key(Fingerprint(key)))).map(|verdict| verdict.held.is_ok())
        };
        assert_eq!(held(&object(), 1), Some(true));
        assert_eq!(held(&object(), 2), Some(false));
        assert_eq!(held(&Object { fingerprint: None, ..object() }, 2), None);
        assert_eq!(judge(&object(), &read(30, 40, Answer::Unavailable)), None);
    }
}
