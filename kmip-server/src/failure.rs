//! What an item is refused with: one match from what happened to a KMIP Result Reason in the version
//! of the request. Absent, foreign and hidden objects share one reason, so that none is told from another.

use std::borrow::Cow;

use engine::Refused;
use kmip::ttlv::DecodeError;
use kmip::{ResultReason, Version};
use model::refusal::Refusal;

use crate::presented::ticket_reason;

/// Why one item failed: the reason and text for the client, the truth for the audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Result Reason; written in the version of the request.
    pub reason: ResultReason,
    /// Result Message.
    pub message: Cow<'static, str>,
    /// A short code for the audit record.
    pub cause: &'static str,
    /// Whether the same request may succeed later or elsewhere.
    pub retryable: bool,
}

impl Failure {
    /// A failure the caller can mend.
    #[must_use]
    pub const fn new(reason: ResultReason, message: &'static str) -> Self {
        Self { reason, message: Cow::Borrowed(message), cause: "invalid_request", retryable: false }
    }

    /// A field whose value cannot be.
    #[must_use]
    pub const fn invalid_field(message: &'static str) -> Self {
        Self::new(ResultReason::InvalidField, message)
    }

    /// Something the specification has and this server refuses.
    #[must_use]
    pub const fn not_supported(message: &'static str) -> Self {
        Self::new(ResultReason::FeatureNotSupported, message)
    }

    /// The same, told a client of 1.x as Permission Denied: its tables of errors have no nearer word.
    #[must_use]
    pub fn denied_before_v2(self, version: Version) -> Self {
        if version.is_v2() { self } else { Self { reason: ResultReason::PermissionDenied, ..self } }
    }

    /// The answer was longer than the client allows.
    #[must_use]
    pub fn response_too_large() -> Self {
        let message = "response exceeds the maximum response size of the request";
        Self { cause: "response_too_large", ..Self::new(ResultReason::ResponseTooLarge, message) }
    }

    /// From what the engine said, in the reasons of a version.
    #[must_use]
    pub fn of(refused: &Refused, version: Version) -> Self {
        Self {
            reason: reason(refused, version),
            message: Cow::Owned(refused.to_string()),
            cause: refused.cause(),
            retryable: refused.is_retryable(),
        }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self {
            reason: error.reason(),
            message: Cow::Owned(error.to_string()),
            cause: "undecodable_payload",
            retryable: false,
        }
    }
}

fn reason(refused: &Refused, version: Version) -> ResultReason {
    let v2_1 = version >= Version::V2_1;
    match refused {
        Refused::NotFound { .. } if v2_1 => ResultReason::ObjectNotFound,
        Refused::NotFound { .. } => ResultReason::ItemNotFound,
        Refused::Destroyed if version.is_v2() => ResultReason::ObjectDestroyed,
        Refused::Destroyed => ResultReason::ItemNotFound,
        Refused::Archived => ResultReason::ObjectArchived,
        Refused::WrongState { .. } | Refused::OutsideDates { .. } if v2_1 => {
            ResultReason::WrongKeyLifecycleState
        }
        Refused::NoStream => ResultReason::InvalidCorrelationValue,
        Refused::WrongState { .. }
        | Refused::OutsideDates { .. }
        | Refused::Denied { .. }
        | Refused::Identity { .. } => ResultReason::PermissionDenied,
        Refused::Invalid { .. } => ResultReason::InvalidField,
        Refused::Refused(refusal) => refusal_reason(refusal, version),
        Refused::NotNow { .. }
        | Refused::OutcomeUnknown
        | Refused::BegunElsewhere { .. }
        | Refused::NotEverywhereYet { .. }
        | Refused::KeyUnavailable { .. }
        | Refused::RootUnfit { .. }
        | Refused::CredentialsUnfit { .. }
        | Refused::Unaudited
        | Refused::Internal { .. } => ResultReason::GeneralFailure,
    }
}

fn refusal_reason(refusal: &Refusal, version: Version) -> ResultReason {
    if let Some(reason) = ticket_reason(refusal, version) {
        return reason;
    }
    match refusal {
        Refusal::NameTaken { .. } if version.is_v2() => ResultReason::NonUniqueNameAttribute,
        Refusal::LimitReached { .. } if version.is_v2() => ResultReason::ServerLimitExceeded,
        Refusal::NameTaken { .. }
        | Refusal::LimitReached { .. }
        | Refusal::OutOfRange { .. }
        | Refusal::DeactivationDue => ResultReason::InvalidField,
        Refusal::UsageSpent { .. } => ResultReason::PermissionDenied,
        Refusal::Archived { .. } => ResultReason::ObjectArchived,
        Refusal::NotArchived => ResultReason::IllegalOperation,
        Refusal::ObjectExists => ResultReason::ObjectAlreadyExists,
        Refusal::AttributeUnknown => ResultReason::AttributeNotFound,
        Refusal::TenantSuspended { .. }
        | Refusal::TenantTerminated { .. }
        | Refusal::TenantUnlinked { .. }
        | Refusal::TenantReadOnly { .. }
        | Refusal::ServiceSuspended { .. }
        | Refusal::ServiceShredded { .. } => ResultReason::PermissionDenied,
        _ => ResultReason::GeneralFailure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_objects_have_one_reason_per_version() {
        let absent = Refused::NotFound { cause: "foreign_tenant" };
        let unknown = Refused::NotFound { cause: "bad_tag" };
        for version in Version::SUPPORTED {
            let (absent, unknown) = (Failure::of(&absent, version), Failure::of(&unknown, version));
            assert_eq!((absent.reason, &absent.message), (unknown.reason, &unknown.message));
            let expected = if version >= Version::V2_1 {
                ResultReason::ObjectNotFound
            } else {
                ResultReason::ItemNotFound
            };
            assert_eq!(absent.reason, expected);
        }
    }

    #[test]
    fn wrong_states_are_told_as_each_version_can() {
        let refused = Refused::WrongState { state: model::object::KeyState::Active };
        assert_eq!(Failure::of(&refused, Version::V1_0).reason, ResultReason::PermissionDenied);
        assert_eq!(Failure::of(&refused, Version::V2_0).reason, ResultReason::PermissionDenied);
        assert_eq!(Failure::of(&refused, Version::V2_1).reason, ResultReason::WrongKeyLifecycleState);
    }
}
