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

use crate::ledger::{Object, Read};

/// A promise, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Isolation of tenants.
    I1,
    /// Withdrawals are final.
    I2,
    /// One identifier, one key.
    I3,
    /// Audit before answer.
    I4,
    /// Acknowledged writes survive.
    I5,
}

impl Promise {
    /// Every promise this tool can see.
    pub const ALL: [Self; 5] = [Self::I1, Self::I2, Self::I3, Self::I4, Self::I5];

    /// In the result.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I1 => "I1 isolation of tenants",
            Self::I2 => "I2 withdrawals are final",
            Self::I3 => "I3 one identifier, one key",
            Self::I4 => "I4 audit before answer",
            Self::I5 => "I5 acknowledged writes survive",
        }
    }
}

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
