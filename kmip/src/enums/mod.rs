//! The specification's enumerations, as tables.
//!
//! Each is a plain Rust enum whose discriminant is the wire value. A number outside the table is
//! an [`UnknownEnumeration`](crate::ttlv::DecodeErrorKind::UnknownEnumeration) error, never a crash.

mod crypto;
mod objects;
mod pkcs11;
mod profiles;
mod protocol;
mod server;

pub use self::{crypto::*, objects::*, pkcs11::*, profiles::*, protocol::*, server::*};

use crate::Version;

/// Declares one enumeration; a row is `Variant = number "NameInXml" [since Version],`.
macro_rules! enumeration {
    (
        $(#[$meta:meta])*
        pub enum $name:ident $spec:literal {
            $($variant:ident = $value:literal $text:literal $(since $since:ident)?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        #[allow(missing_docs)] // the specification's own names
        pub enum $name {
            $($variant = $value,)*
        }

        impl $name {
            /// Every value, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value with this number on the wire.
            #[must_use]
            pub const fn from_value(value: u32) -> Option<Self> {
                match value {
                    $($value => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The number on the wire.
            #[must_use]
            pub const fn value(self) -> u32 {
                self as u32
            }

            /// The name as XML and JSON spell it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The value with this name, spelt as in XML and JSON.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The first version whose table lists this value; a value of an enumeration that
            /// came as a whole answers 1.0, its tag says the rest.
            #[must_use]
            pub const fn first_version(self) -> $crate::Version {
                match self {
                    $($(Self::$variant => $crate::Version::$since,)?)*
                    #[allow(unreachable_patterns)] // when every row names its version
                    _ => $crate::Version::V1_0,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl<'a> $crate::field::Decode<'a> for $name {
            fn decode(item: $crate::ttlv::Item<'a>) -> Result<Self, $crate::ttlv::DecodeError> {
                let value = item.enumeration()?;
                Self::from_value(value)
                    .ok_or_else(|| item.error($crate::ttlv::DecodeErrorKind::UnknownEnumeration(item.tag())))
            }
        }

        impl $crate::field::Encode for $name {
            fn encode(&self, w: &mut $crate::ttlv::Writer<'_>, tag: $crate::Tag) {
                w.enumeration(tag, self.value());
            }
        }

        #[cfg(test)]
        impl $crate::sample::Sample for $name {
            fn sample(s: &mut $crate::sample::Sampler) -> Self {
                s.pick(Self::ALL)
            }
        }
    };
}
pub(crate) use enumeration;

impl ResultReason {
    /// The reason to send to a client of this version: itself when that version lists it, else the
    /// nearest older one. Strict 1.x parsers fail on reasons they do not know.
    #[must_use]
    pub fn in_version(self, version: Version) -> Self {
        if self.first_version() <= version { self } else { self.before_v2() }
    }

    /// The 1.x reason that says most nearly the same.
    const fn before_v2(self) -> Self {
        match self {
            Self::ObjectNotFound | Self::ObjectDestroyed | Self::UnknownObjectGroup => Self::ItemNotFound,
            Self::AttributeNotFound | Self::AttributeInstanceNotFound => Self::ItemNotFound,
            Self::WrappingObjectNotFound | Self::WrappingObjectDestroyed => Self::ItemNotFound,
            Self::WrappingObjectArchived => Self::ObjectArchived,
            Self::InvalidTicket | Self::BadPassword => Self::AuthenticationNotSuccessful,
            Self::UsageLimitExceeded
            | Self::WrongKeyLifecycleState
            | Self::IncompatibleCryptographicUsageMask
            | Self::ReadOnlyAttribute
            | Self::AttributeReadOnly
            | Self::Sensitive
            | Self::NotExtractable
            | Self::NotAuthorised
            | Self::ConstraintViolation => Self::PermissionDenied,
            Self::NumericRange
            | Self::InvalidDataType
            | Self::MultiValuedAttribute
            | Self::AttributeSingleValued
            | Self::UnsupportedAttribute
            | Self::BadCryptographicParameters
            | Self::IllegalObjectType
            | Self::InvalidAttribute
            | Self::InvalidAttributeValue
            | Self::InvalidObjectType
            | Self::InvalidCsr
            | Self::NonUniqueNameAttribute
            | Self::UnknownEnumeration
            | Self::UnsupportedCryptographicParameters
            | Self::InvalidCorrelationValue
            | Self::InvalidAsynchronousCorrelationValue => Self::InvalidField,
            Self::MissingInitializationVector
            | Self::CodecError
            | Self::UnknownTag
            | Self::UnsupportedProtocolVersion => Self::InvalidMessage,
            Self::UnknownMessageExtension | Self::KeyWrapTypeNotSupported | Self::EncodingOptionError => {
                Self::FeatureNotSupported
            }
            Self::ObjectAlreadyExists => Self::IllegalOperation,
            Self::KeyValueNotPresent => Self::IllegalOperation,
            Self::AttestationRequired | Self::AttestationFailed => Self::AuthenticationNotSuccessful,
            _ => Self::GeneralFailure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_names_lead_back() {
        for algorithm in CryptographicAlgorithm::ALL {
            assert_eq!(CryptographicAlgorithm::from_value(algorithm.value()), Some(*algorithm));
            assert_eq!(CryptographicAlgorithm::from_name(algorithm.name()), Some(*algorithm));
        }
        assert_eq!(CryptographicAlgorithm::Aes.value(), 3);
        assert_eq!(ObjectType::from_value(0x0B), None);
    }

    #[test]
    fn every_reason_has_a_form_each_version_lists() {
        for reason in ResultReason::ALL {
            for version in Version::SUPPORTED {
                let sent = reason.in_version(version);
                assert!(sent.first_version() <= version, "{reason} in {version} became {sent}");
            }
        }
        assert_eq!(ResultReason::ObjectNotFound.in_version(Version::V1_2), ResultReason::ItemNotFound);
        assert_eq!(ResultReason::ObjectNotFound.in_version(Version::V2_1), ResultReason::ObjectNotFound);
    }
}
