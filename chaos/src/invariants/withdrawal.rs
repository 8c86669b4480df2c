//! I2: no request that starts after a withdrawal was acknowledged is answered with the key, by any node.

use super::{Promise, Verdict};
use crate::ledger::{Answer, Object, Read};

/// Puts I2 to the test when the Get began after the acknowledgement and was answered.
pub fn judge(object: &Object, read: &Read) -> Option<Verdict> {
    let acknowledged = object.destroyed?.acknowledged()?;
    if read.begun <= acknowledged {
        return None;
    }
    let held = match read.answer {
        Answer::Refused(_) => Ok(()),
        Answer::Key(_) => {
            let late_ms = (read.begun - acknowledged).as_millis();
            Err(format!(
                "node {} gave the key {late_ms} ms after its destruction was acknowledged",
                read.node
            ))
        }
        Answer::Unavailable => return None,
    };
    Some(Verdict { promise: Promise::I2, held })
}

#[cfg(test)]
mod tests {
    use kmip::ResultReason;

    use super::super::fixture::{object, read, write};
    use super::*;
    use crate::ledger::{Fingerprint, Outcome};

    fn check(outcome: Outcome, begun: u64, answer: Answer, expected: Option<bool>) {
        let destroyed = Some(write(100, 200, outcome));
        let verdict =
            judge(&crate::ledger::Object { destroyed, ..object() }, &read(begun, begun + 50, answer));
        assert_eq!(verdict.map(|verdict| verdict.held.is_ok()), expected);
    }

    #[test]
    fn the_acknowledgement_is_the_line() {
        let key = || Answer::Key(Fingerprint(1));
        check(Outcome::Ok, 201, key(), Some(false));
        check(Outcome::Ok, 200, key(), None); // began before: both answers are right
        check(Outcome::Unknown, 500, key(), None);
        check(Outcome::Failed, 500, key(), None);
        check(Outcome::Ok, 201, Answer::Refused(ResultReason::ItemNotFound), Some(true));
        check(Outcome::Ok, 201, Answer::Unavailable, None);
    }
}
