//! Protocol versions: the ones we speak, and the raw pair a message carries.

use std::fmt;

use crate::field::structure_codec;

/// A version this crate reads and writes, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// KMIP 1.0.
    V1_0,
    /// KMIP 1.1.
    V1_1,
    /// KMIP 1.2.
    V1_2,
    /// KMIP 1.3.
    V1_3,
    /// KMIP 1.4.
    V1_4,
    /// KMIP 2.0.
    V2_0,
    /// KMIP 2.1.
    V2_1,
}

impl Version {
    /// Every supported version, newest first: the order Discover Versions answers in.
    pub const SUPPORTED: [Self; 7] =
        [Self::V2_1, Self::V2_0, Self::V1_4, Self::V1_3, Self::V1_2, Self::V1_1, Self::V1_0];

    /// Whether messages use `Attributes` structures (2.x) rather than Template-Attribute (1.x).
    #[must_use]
    pub const fn is_v2(self) -> bool {
        matches!(self, Self::V2_0 | Self::V2_1)
    }

    /// The pair written on the wire.
    #[must_use]
    pub const fn protocol(self) -> ProtocolVersion {
        let (major, minor) = match self {
            Self::V1_0 => (1, 0),
            Self::V1_1 => (1, 1),
            Self::V1_2 => (1, 2),
            Self::V1_3 => (1, 3),
            Self::V1_4 => (1, 4),
            Self::V2_0 => (2, 0),
            Self::V2_1 => (2, 1),
        };
        ProtocolVersion { major, minor }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.protocol().fmt(f)
    }
}

/// A version as a message states it; it may be one we do not speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion {
    /// Protocol Version Major.
    pub major: i32,
    /// Protocol Version Minor.
    pub minor: i32,
}

structure_codec! {
    ProtocolVersion {
        major: i32 = PROTOCOL_VERSION_MAJOR,
        minor: i32 = PROTOCOL_VERSION_MINOR,
    }
}

impl ProtocolVersion {
    /// The supported version it names.
    #[must_use]
    pub fn supported(self) -> Option<Version> {
        Version::SUPPORTED.into_iter().find(|version| version.protocol() == self)
    }

    /// The newest supported version not above it, else the oldest: what a refusal is written in,
    /// so that a client of an unknown version can still read it.
    #[must_use]
    pub fn nearest(self) -> Version {
        Version::SUPPORTED.into_iter().find(|version| version.protocol() <= self).unwrap_or(Version::V1_0)
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_versions_are_answered_in_the_nearest_below() {
        for (major, minor, expected) in [
            (0, 9, Version::V1_0),
            (1, 2, Version::V1_2),
            (1, 99, Version::V1_4),
            (2, 7, Version::V2_1),
            (3, 0, Version::V2_1),
            (-1, i32::MAX, Version::V1_0),
        ] {
            assert_eq!(ProtocolVersion { major, minor }.nearest(), expected, "{major}.{minor}");
        }
        assert_eq!(ProtocolVersion { major: 1, minor: 99 }.supported(), None);
    }
}
