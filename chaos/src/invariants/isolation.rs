//! I1: no response carries another tenant's key, or confirms that it exists.

use kmip::ResultReason;

use super::{Promise, Verdict};
use crate::ledger::Answer;

/// What tenant-b was answered about an object of tenant-a. Every reason but the one for "there is no such
/// object" would tell that there is one.
pub fn judge(answer: &Answer) -> Option<Verdict> {
    let held = match answer {
        Answer::Key(_) => Err("a key was given to a stranger".to_owned()),
        Answer::Refused(ResultReason::ItemNotFound | ResultReason::ObjectNotFound) => Ok(()),
        Answer::Refused(reason) => Err(format!("a stranger was answered {}, which tells", reason.name())),
        Answer::Unavailable => return None,
    };
    Some(Verdict { promise: Promise::I1, held })
}

/// What tenant-b found by a name that only tenant-a gave.
pub fn judge_search(found: &[String]) -> Verdict {
    let held = if found.is_empty() { Ok(()) } else { Err(format!("a stranger found {found:?} by name")) };
    Verdict { promise: Promise::I1, held }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Fingerprint;

    #[test]
    fn only_absence_is_a_good_answer() {
        let held = |answer| judge(&answer).map(|verdict| verdict.held.is_ok());
        assert_eq!(held(Answer::Refused(ResultReason::ItemNotFound)), Some(true));
        assert_eq!(held(Answer::Refused(ResultReason::PermissionDenied)), Some(false));
        assert_eq!(held(Answer::Key(Fingerprint(1))), Some(false));
        assert_eq!(held(Answer::Unavailable), None);
        assert!(judge_search(&[]).held.is_ok());
        assert!(judge_search(&["u".to_owned()]).held.is_err());
    }
}
