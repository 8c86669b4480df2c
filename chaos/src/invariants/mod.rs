//! The promises of the cluster, one file each: pure functions from what is known and what was seen.
//!
//! | | |
//! |---|---|
//! | I1 | [`isolation`]: no tenant gets another's key, or learns that it exists |
//! | I2 | [`withdrawal`]: nothing begun after a destruction was acknowledged is answered with the key |
//! | I3 | [`same_key`]: one identifier, one key; on every node, after every restart |
//! | I4 | [`audited`]: every key that reached a client is in the audit log |
//! | I5 | [`durability`]: what was acknowledged is there; what surely failed is not |
//!
//! (I6, secrets in memory, is not visible from outside.)

pub mod audited;
pub mod durability;
pub mod isolation;
pub mod same_key;
pub mod withdrawal;

pub use chaos::promise::Promise;

use crate::ledger::{Object, Read};

/// One test of one promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub promise: Promise,
    /// Or how it was broken.
    pub held: Result<(), String>,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// How.
    pub what: String,
    /// What was known of the object then, if it is about one.
    pub object: Option<Object>,
}

/// Every promise that this Get put to the test.
pub fn judge_read(object: &Object, read: &Read) -> impl Iterator<Item = Verdict> + use<> {
    [withdrawal::judge(object, read), same_key::judge(object, read), durability::judge(object, read)]
        .into_iter()
        .flatten()
}

#[cfg(test)]
pub(crate) mod fixture {
    //! Histories for the tests, in milliseconds.

    use std::time::Duration;

    use crate::ledger::{Answer, Fingerprint, Object, Outcome, Read, Write};

    pub fn write(begun: u64, ended: u64, outcome: Outcome) -> Write {
        Write { begun: Duration::from_millis(begun), ended: Some((Duration::from_millis(ended), outcome)) }
    }

    /// Acknowledged at 20 ms, with key 1.
    pub fn object() -> Object {
        Object {
            name: Some("n".to_owned()),
            identifier: Some("u".to_owned()),
            made: write(10, 20, Outcome::Ok),
            fingerprint: Some(Fingerprint(1)),
            received: 0,
            activated: None,
            destroyed: None,
        }
    }

    pub fn read(begun: u64, ended: u64, answer: Answer) -> Read {
        Read { node: 0, begun: Duration::from_millis(begun), ended: Duration::from_millis(ended), answer }
    }
}
