//! Names and numbers by which the cluster knows its tenants, services and nodes.
//!
//! Every id is a newtype: mixing two of them does not compile. Handles are random, never re-used
//! (CONSISTENCY 6), so a handle found in an identifier always means what it meant when it was made.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares a fixed-size opaque id that prints as lower-case hexadecimal.
macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Size in bytes.
            pub const LEN: usize = $len;

            /// The raw bytes, as they enter a derivation context.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let bytes = data_encoding::HEXLOWER
                    .decode(text.as_bytes())
                    .map_err(|_| BadId { what: stringify!($name), bytes: $len })?;
                bytes.try_into().map(Self).map_err(|_| BadId { what: stringify!($name), bytes: $len })
            }
        }
    };
}

/// Declares a numeric id.
macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

byte_id!(
    /// Sixteen random bytes fixed at first bootstrap and kept across restore and recovery; they
    /// bind every derivation (DESIGN 3).
    Realm, 16
);
byte_id!(
    /// The lineage of one Raft group, sixteen random bytes; new after a restore or recovery, it
    /// guards transport and IVs (DESIGN 3).
    ClusterId, 16
);
byte_id!(
    /// A tenant's random 32-bit handle: it stands in every identifier of the tenant.
    TenantHandle, 4
);
byte_id!(
    /// A service's random 32-bit handle, unique within its tenant.
    ServiceHandle, 4
);
byte_id!(
    /// A root of trust of a tenant's own: random, unique within its tenant.
    RootHandle, 4
);
byte_id!(
    /// A job on a tenant: random, made by its proposer.
    JobId, 8
);
byte_id!(
    /// A workflow on a tenant: random, drawn by its proposer.
    WorkflowId, 16
);
byte_id!(
    /// Sixteen random bytes made by the proposer of a command; bound into the sealed log payload.
    CommandId, 16
);

number_id!(
    /// Counts the material of a tenant's L2 key: rotation makes a new version. The first is 1.
    L2Version, u16
);
number_id!(
    /// A member of the cluster: 1 for the bootstrap node, else the log index of its join entry.
    NodeId, u64
);
number_id!(
    /// One process start of one node, handed out by Raft, never twice.
    BootId, u64
);
number_id!(
    /// Position of an entry in the Raft log.
    LogIndex, u64
);

impl L2Version {
    /// The version before, while there is one (versions start at 1).
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// A text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: expected {bytes} bytes as lower-case hexadecimal")]
pub struct BadId {
    what: &'static str,
    bytes: usize,
}

/// Declares a validated DNS-label-like name.
macro_rules! label_name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Parses a name: 1 to 63 characters of `a-z`, `0-9` and `-`, beginning and ending with a
            /// letter or digit (a DNS label, RFC 1123 2.1, in its one folded form).
            ///
            /// # Errors
            /// Names the rule that the text breaks.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                check_label($what, text).map(|()| Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.to_string()
            }
        }
    };
}

label_name!(
    /// A tenant's name, unique in the cluster for ever.
    TenantName, "tenant name"
);
label_name!(
    /// A service's name, unique within its tenant.
    ServiceName, "service name"
);
label_name!(
    /// A root's name, unique within its tenant while the root is configured.
    RootName, "root name"
);

/// Longest name in characters: one DNS label (RFC 1035 2.3.4), because names travel in SAN entries.
const LABEL_CHARS_MAX: usize = 63;

fn check_label(what: &'static str, text: &str) -> Result<(), BadName> {
    let bad = |rule| Err(BadName { what, rule });
    if text.is_empty() || text.len() > LABEL_CHARS_MAX {
        return bad("it must have 1 to 63 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return bad("only a-z, 0-9 and '-' are allowed");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return bad("it must begin and end with a letter or digit");
    }
    Ok(())
}

/// A text that cannot be a tenant's or service's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad {what}: {rule}")]
pub struct BadName {
    what: &'static str,
    rule: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_folded_form() {
        for good in ["a", "tenant-a", "0", "x1-2-3", &"a".repeat(63)] {
            assert_eq!(TenantName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "a.b", "-a", "a-", "a b", "*", "é", "a\0", &"a".repeat(64)] {
            assert!(TenantName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn byte_ids_print_and_parse_as_hexadecimal() {
        let handle = TenantHandle([0, 0x11, 0x22, 0x33]);
        assert_eq!(handle.to_string(), "00112233");
        assert_eq!("00112233".parse(), Ok(handle));
        assert!("0011223".parse::<TenantHandle>().is_err());
        assert!("0011223G".parse::<TenantHandle>().is_err());
    }
}
