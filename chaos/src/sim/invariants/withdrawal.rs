//! I2: no request that begins after a withdrawal was acknowledged is answered with the key, by any node.

use crate::promise::Promise;
use crate::sim::ledger::{Answer, Book, Verdict};

/// Puts I2 to the test when anything about the key or its service was withdrawn at all.
pub fn judge(book: &Book, answer: &Answer, service: (usize, usize)) -> Option<Verdict> {
    let destroyed = book.keys[answer.key].destroyed;
    let suspended = book.suspended.get(&service).copied();
    let late = |since: Option<u64>| since.is_some_and(|since| answer.begun > since);
    let held = match (late(destroyed), late(suspended)) {
        (true, _) => Err(format!("node {} gave key {} after its destruction", answer.node, answer.key)),
        (_, true) => Err(format!("node {} gave key {} of a suspended service", answer.node, answer.key)),
        (false, false) => Ok(()),
    };
    (destroyed.is_some() || suspended.is_some()).then_some(Verdict { promise: Promise::I2, held })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::ledger::KeyFacts;

    #[test]
    fn the_acknowledgement_is_the_line() {
        let keys = vec![KeyFacts { destroyed: Some(10), ..KeyFacts::default() }, KeyFacts::default()];
        let mut book = Book { keys, ..Book::default() };
        let held = |book: &Book, key, begun| {
            let answer = Answer {
                key,
                node: 0,
                foreign: false,
                begun,
                ended: std::time::Duration::ZERO,
                captured: std::time::Duration::ZERO,
                usable: std::time::Duration::ZERO,
                fingerprint: 0,
                record: 0,
            };
            judge(book, &answer, (0, 0)).map(|verdict| verdict.held.is_ok())
        };
        assert_eq!(held(&book, 0, 9), Some(true));
        assert_eq!(held(&book, 0, 11), Some(false));
        assert_eq!(held(&book, 1, 11), None);
        book.suspended.insert((0, 0), 20);
        assert_eq!(held(&book, 1, 19), Some(true));
        assert_eq!(held(&book, 1, 21), Some(false));
    }
}
