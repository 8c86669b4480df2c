//! The promises a run can see from outside, by their numbers.

use serde::Serialize;

/// A promise, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
    /// Every promise these tools can see. (I6, secrets in memory, is not visible from outside.)
    pub const ALL: [Self; 5] = [Self::I1, Self::I2, Self::I3, Self::I4, Self::I5];

    /// In the result.
    #[must_use]
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
