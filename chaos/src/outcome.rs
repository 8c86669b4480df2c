//! How an operation ended, as far as its client knows. "Unknown" is never taken for "failed": its effect
//! may appear, now or later, and is then held to.

/// One of three ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Acknowledged.
    Ok,
    /// Surely without effect.
    Failed,
    /// Anything may have happened, or may still.
    Unknown,
}

impl Outcome {
    /// In the result.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}
