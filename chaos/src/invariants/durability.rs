//! I5: an acknowledged write survives; and what surely failed has no effect.
//!
//! Both halves of one promise: an answer means what it says, whatever happens to the nodes afterwards.
//! Since a "no" about one's own object is given only after a quorum was asked, a node that has not caught
//! up yet has no excuse either.

use kmip::State;

use super::{Promise, Verdict};
use crate::ledger::{Answer, Object, Read};

/// Puts I5 to the test when the object was acknowledged before the Get began, nobody had begun to destroy
/// it before the Get ended, and the Get was answered.
pub fn judge(object: &Object, read: &Read) -> Option<Verdict> {
    let acknowledged = object.made.acknowledged()?;
    let maybe_gone =
        object.destroyed.is_some_and(|destroyed| !destroyed.failed() && destroyed.begun <= read.ended);
    if read.begun <= acknowledged || maybe_gone {
        return None;
    }
    let held = match read.answer {
        Answer::Key(_) => Ok(()),
        Answer::Refused(reason) => {
            Err(format!("node {} answered {} about an acknowledged object", read.node, reason.name()))
        }
        Answer::Unavailable => return None,
    };
    Some(Verdict { promise: Promise::I5, held })
}

/// At the end, with every node healthy: is an object found by its name exactly if it should be?
pub fn judge_search(object: &Object, found: &[String]) -> Option<Verdict> {
    let gone = object.destroyed.is_some_and(|destroyed| destroyed.acknowledged().is_some());
    let maybe_gone = object.destroyed.is_some_and(|destroyed| !destroyed.failed());
    let held = match (object.made.acknowledged(), &object.identifier) {
        (Some(_), Some(identifier)) if !maybe_gone && found != std::slice::from_ref(identifier) => {
            Err(format!("an acknowledged name leads to {found:?}, not to its object"))
        }
        (Some(_), _) if gone && !found.is_empty() => {
            Err(format!("a destroyed name still leads to {found:?}"))
        }
        (None, _) if object.made.failed() && !found.is_empty() => {
            Err(format!("a write that failed made {found:?}"))
        }
        _ if found.len() > 1 => Err(format!("one name leads to {found:?}")),
        (None, _) if !object.made.failed() => return None, // unknown: either is right
        _ => Ok(()),
    };
    Some(Verdict { promise: Promise::I5, held })
}

/// At the end: is an object active exactly if it should be?
pub fn judge_state(object: &Object, state: State) -> Option<Verdict> {
    let activated = object.activated?;
    if object.destroyed.is_some() {
        return None;
    }
    let expected = match (activated.acknowledged(), activated.failed()) {
        (Some(_), _) => State::Active,
        (None, true) => State::PreActive,
        (None, false) => return None,
    };
    let held = if state == expected {
        Ok(())
    } else {
        Err(format!("the object is {}, but {} was acknowledged", state.name(), expected.name()))
    };
    Some(Verdict { promise: Promise::I5, held })
}

#[cfg(test)]
mod tests {
    use kmip::ResultReason;

    use super::super::fixture::{object, read, write};
    use super::*;
    use crate::ledger::{Fingerprint, Outcome};

    fn holds(verdict: Option<Verdict>) -> Option<bool> {
        verdict.map(|verdict| verdict.held.is_ok())
    }

    fn absent(begun: u64, ended: u64) -> Read {
        read(begun, ended, Answer::Refused(ResultReason::ItemNotFound))
    }

    #[test]
    fn an_acknowledged_object_is_there() {
        assert_eq!(holds(judge(&object(), &absent(21, 30))), Some(false));
        assert_eq!(holds(judge(&object(), &absent(20, 30))), None); // began before the acknowledgement
        assert_eq!(holds(judge(&object(), &read(21, 30, Answer::Key(Fingerprint(1))))), Some(true));
        assert_eq!(holds(judge(&object(), &read(21, 30, Answer::Unavailable))), None);
    }

    #[test]
    fn a_destruction_excuses_from_its_beginning_unless_it_failed() {
        let destroyed = |outcome| Object { destroyed: Some(write(100, 200, outcome)), ..object() };
        for outcome in [Outcome::Ok, Outcome::Unknown] {
            assert_eq!(holds(judge(&destroyed(outcome), &absent(50, 99))), Some(false));
            assert_eq!(holds(judge(&destroyed(outcome), &absent(50, 100))), None);
        }
        assert_eq!(holds(judge(&destroyed(Outcome::Failed), &absent(300, 400))), Some(false));
    }

    #[test]
    fn names_lead_to_what_was_acknowledged() {
        let (ours, other) = (["u".to_owned()], ["v".to_owned()]);
        let made = |outcome| Object { made: write(10, 20, outcome), identifier: None, ..object() };
        let destroyed = |outcome| Object { destroyed: Some(write(100, 200, outcome)), ..object() };
        let cases: [(Object, &[String], Option<bool>); 10] = [
            (object(), &ours, Some(true)),
            (object(), &other, Some(false)),
            (object(), &[], Some(false)),
            (made(Outcome::Failed), &[], Some(true)),
            (made(Outcome::Failed), &ours, Some(false)),
            (made(Outcome::Unknown), &ours, None),
            (made(Outcome::Unknown), &[ours[0].clone(), other[0].clone()], Some(false)),
            (destroyed(Outcome::Ok), &ours, Some(false)),
            (destroyed(Outcome::Ok), &[], Some(true)),
            (destroyed(Outcome::Failed), &[], Some(false)),
        ];
        for (index, (object, found, expected)) in cases.into_iter().enumerate() {
            assert_eq!(holds(judge_search(&object, found)), expected, "case {index}");
        }
    }

    #[test]
    fn states_are_what_was_acknowledged() {
        let activated = |outcome| Object { activated: Some(write(30, 40, outcome)), ..object() };
        assert_eq!(holds(judge_state(&activated(Outcome::Ok), State::Active)), Some(true));
        assert_eq!(holds(judge_state(&activated(Outcome::Ok), State::PreActive)), Some(false));
        assert_eq!(holds(judge_state(&activated(Outcome::Failed), State::Active)), Some(false));
        assert_eq!(holds(judge_state(&activated(Outcome::Unknown), State::Active)), None);
        assert_eq!(holds(judge_state(&object(), State::PreActive)), None);
    }
}
