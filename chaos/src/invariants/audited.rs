//! I4: no response carries key bytes without a durable audit record.
//!
//! Clients count the keys they received; the logs of all nodes together, killed and restarted as they
//! were, must hold at least as many records of them. More is right: an answer may get lost behind its
//! record, never the other way round.

use super::{Promise, Verdict};
use crate::ledger::Object;

/// Puts I4 to the test for an object whose key reached a client.
pub fn judge(object: &Object, recorded: u64) -> Option<Verdict> {
    let received = object.received;
    if received == 0 {
        return None;
    }
    let held = if recorded >= received {
        Ok(())
    } else {
        Err(format!("its key was received {received} times, and {recorded} of them are recorded"))
    };
    Some(Verdict { promise: Promise::I4, held })
}

/// The chain of one node's log must verify.
pub fn judge_chain(node: usize, finding: Option<String>) -> Verdict {
    let held = match finding {
        None => Ok(()),
        Some(finding) => Err(format!("the audit log of node {node} does not verify: {finding}")),
    };
    Verdict { promise: Promise::I4, held }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::object;
    use super::*;

    #[test]
    fn every_key_received_is_recorded() {
        let held = |received, recorded| {
            judge(&Object { received, ..object() }, recorded).map(|verdict| verdict.held.is_ok())
        };
        assert_eq!(held(3, 2), Some(false));
        assert_eq!(held(3, 3), Some(true));
        assert_eq!(held(3, 9), Some(true));
        assert_eq!(held(0, 0), None);
        assert!(judge_chain(0, None).held.is_ok());
        assert!(judge_chain(0, Some("a gap".to_owned())).held.is_err());
    }
}
