//! Unique identifiers: self-describing, so that a data key costs no storage (DESIGN 3).
//!
//! An identifier is a 32-byte [`Header`] and an 8-byte tag, written as exactly 64 characters of
//! lower-case base32 without padding. This module reads and writes it; only `crypto` can make or
//! check the tag. Decoding is canonical: what is accepted re-encodes to the same text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{L2Version, ServiceHandle, TenantHandle};

/// What an identifier names; the high nibble of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// Ephemeral symmetric key, Pre-Active from creation.
    EphemeralPreActive = 1,
    /// Recorded derived key: a small record beside the identifier (names, dates, links, salt).
    Recorded = 2,
    /// Registered or otherwise exact material: the record holds it wrapped.
    Registered = 3,
    /// Ephemeral symmetric key, Active from creation.
    EphemeralActive = 4,
    /// Context key, from the service root by Derive Key with HKDF: same context, same key.
    Context = 5,
}

impl Kind {
    const fn from_nibble(nibble: u8) -> Option<Self> {
        Some(match nibble {
            1 => Self::EphemeralPreActive,
            2 => Self::Recorded,
            3 => Self::Registered,
            4 => Self::EphemeralActive,
            5 => Self::Context,
            _ => return None,
        })
    }

    /// Whether a key of this kind exists without a record.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::EphemeralPreActive | Self::EphemeralActive | Self::Context)
    }
}

/// The key derivation function an identifier was made with; the low nibble of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kdf {
    /// KDF 1: HKDF-Expand with SHA-256 (RFC 5869 2.3). The default.
    Hkdf = 1,
    /// KDF 2: counter mode with HMAC-SHA-256 (SP 800-108r1 4.1).
    Counter = 2,
}

/// The 32 bytes that say everything about a key but the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u8; Header::LEN]")]
pub struct Header([u8; Header::LEN]);

impl TryFrom<[u8; Header::LEN]> for Header {
    type Error = &'static str;

    fn try_from(bytes: [u8; Header::LEN]) -> Result<Self, Self::Error> {
        Self::parse(bytes).ok_or("no header of an identifier")
    }
}

/// The fields of a [`Header`], in their order on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// What the identifier names.
    pub kind: Kind,
    /// The derivation function of L3 and L4.
    pub kdf: Kdf,
    /// The owning tenant.
    pub tenant: TenantHandle,
    /// The owning service.
    pub service: ServiceHandle,
    /// The L2 version the key comes from.
    pub l2_version: L2Version,
    /// Creation time, seconds since the epoch; informational, never compared; 0 in kind 5.
    pub created_s: u32,
    /// KMIP Cryptographic Algorithm; 0 in kind 3.
    pub algorithm: u8,
    /// Material length in bytes; 0 in kind 3.
    pub length_bytes: u8,
    /// Cryptographic Usage Mask, low 24 bits; 0 in kind 3.
    pub usage_mask: u32,
    /// Twelve hedged random bytes; in kind 5 a PRF of the context.
    pub nonce: [u8; 12],
}

impl Header {
    /// Size in bytes.
    pub const LEN: usize = 32;

    /// Packs the fields.
    ///
    /// # Panics
    /// If `usage_mask` has more than 24 bits: the caller records such an object instead (kind 3).
    #[must_use]
    pub fn new(fields: &Fields) -> Self {
        assert!(fields.usage_mask < 1 << 24, "an identifier holds 24 bits of usage mask");
        let mut bytes = [0; Self::LEN];
        bytes[0] = (fields.kind as u8) << 4 | fields.kdf as u8;
        bytes[1..5].copy_from_slice(fields.tenant.as_bytes());
        bytes[5..9].copy_from_slice(fields.service.as_bytes());
        bytes[9..11].copy_from_slice(&fields.l2_version.0.to_be_bytes());
        bytes[11..15].copy_from_slice(&fields.created_s.to_be_bytes());
        bytes[15] = fields.algorithm;
        bytes[16] = fields.length_bytes;
        bytes[17..20].copy_from_slice(&fields.usage_mask.to_be_bytes()[1..]);
        bytes[20..32].copy_from_slice(&fields.nonce);
        Self(bytes)
    }

    /// Reads a header; `None` if the kind or KDF is unknown or a field breaks its kind's rule.
    #[must_use]
    pub fn parse(bytes: [u8; Self::LEN]) -> Option<Self> {
        let kind = Kind::from_nibble(bytes[0] >> 4)?;
        if !matches!(bytes[0] & 0x0f, 1 | 2) {
            return None;
        }
        let header = Self(bytes);
        let fields = header.fields();
        let lawful = match kind {
            Kind::Registered => (fields.algorithm, fields.length_bytes, fields.usage_mask) == (0, 0, 0),
            Kind::Context => fields.created_s == 0,
            Kind::EphemeralPreActive | Kind::EphemeralActive | Kind::Recorded => {
                fields.algorithm != 0 && fields.length_bytes != 0
            }
        };
        lawful.then_some(header)
    }

    /// Unpacks the fields; inlined, so that whoever wants one pays for one.
    #[must_use]
    #[inline]
    pub fn fields(&self) -> Fields {
        let b = &self.0;
        let array4 = |at: usize| [b[at], b[at + 1], b[at + 2], b[at + 3]];
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&b[20..32]);
        Fields {
            kind: Kind::from_nibble(b[0] >> 4).expect("a Header has a known kind"),
            kdf: if b[0] & 0x0f == 1 { Kdf::Hkdf } else { Kdf::Counter },
            tenant: TenantHandle(array4(1)),
            service: ServiceHandle(array4(5)),
            l2_version: L2Version(u16::from_be_bytes([b[9], b[10]])),
            created_s: u32::from_be_bytes(array4(11)),
            algorithm: b[15],
            length_bytes: b[16],
            usage_mask: u32::from_be_bytes([0, b[17], b[18], b[19]]),
            nonce,
        }
    }

    /// The raw bytes, as they enter a derivation context.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields().fmt(f)
    }
}

/// A well-formed identifier: a header and its (unchecked) tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid {
    /// What the identifier says.
    pub header: Header,
    /// Eight bytes that only the cluster can make; `crypto` checks them.
    pub tag: [u8; 8],
}

impl Uid {
    /// Before every identifier in order; none itself, since no kind is 0.
    pub(crate) const LEAST: Self = Self { header: Header([0; Header::LEN]), tag: [0; 8] };

    /// Length of the text form in characters.
    pub const CHARS: usize = 64;

    /// Reads the text form. `None` for anything that is not exactly what [`Uid::encode`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::CHARS {
            return None;
        }
        let mut bytes = [0; 40];
        // 64 bytes of 5 bits each are 40 bytes, whatever they say.
        BASE32.decode_mut(text.as_bytes(), &mut bytes).ok()?;
        let (header, tag) = bytes.split_at(Header::LEN);
        Some(Self { header: Header::parse(header.try_into().ok()?)?, tag: tag.try_into().ok()? })
    }

    /// Writes the text form into a fixed buffer, without allocating.
    #[must_use]
    pub fn encode(&self) -> UidText {
        let mut bytes = [0; 40];
        bytes[..Header::LEN].copy_from_slice(self.header.as_bytes());
        bytes[Header::LEN..].copy_from_slice(&self.tag);
        let mut text = [0; Self::CHARS];
        BASE32.encode_mut(&bytes, &mut text);
        UidText(text)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode().as_str())
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

/// The text of an identifier, on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UidText([u8; Uid::CHARS]);

impl UidText {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base32 is ASCII")
    }
}

/// RFC 4648 base32, lower case, unpadded. 40 bytes are exactly 64 characters, so no bits trail.
static BASE32: std::sync::LazyLock<data_encoding::Encoding> = std::sync::LazyLock::new(|| {
    let mut spec = data_encoding::Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().expect("the alphabet has 32 distinct symbols")
});

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind 1 identifier among the known answers of the design.
    const KNOWN: &str = "ceabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkfx7vrsoov2uabn";

    fn known_fields() -> Fields {
        Fields {
            kind: Kind::EphemeralPreActive,
            kdf: Kdf::Hkdf,
            tenant: TenantHandle([0x00, 0x11, 0x22, 0x33]),
            service: ServiceHandle([0, 0, 0, 0x2a]),
            l2_version: L2Version(3),
            created_s: 0x65f0_a1b2,
            algorithm: 3,
            length_bytes: 32,
            usage_mask: 0x0c,
            nonce: [0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b],
        }
    }

    #[test]
    fn the_known_identifier_reads_and_writes() {
        let uid = Uid::parse(KNOWN).unwrap();
        assert_eq!(uid.header.fields(), known_fields());
        assert_eq!(uid.header, Header::new(&known_fields()));
        assert_eq!(uid.to_string(), KNOWN);
    }

    #[test]
    fn only_the_canonical_text_is_an_identifier() {
        assert!(Uid::parse(&KNOWN[..63]).is_none());
        assert!(Uid::parse(&format!("{KNOWN}a")).is_none());
        assert!(Uid::parse(&KNOWN.to_uppercase()).is_none());
        assert!(Uid::parse(&KNOWN.replace('c', "1")).is_none());
        assert!(Uid::parse(&KNOWN.replacen('c', "z", 1)).is_none(), "unknown kind");
        assert!(Uid::parse("").is_none());
    }

    #[test]
    fn every_field_comes_back() {
        for kind in (0..16).filter_map(Kind::from_nibble) {
            for kdf in [Kdf::Hkdf, Kdf::Counter] {
                let mut fields = Fields { kind, kdf, ..known_fields() };
                match kind {
                    Kind::Registered => {
                        (fields.algorithm, fields.length_bytes, fields.usage_mask) = (0, 0, 0)
                    }
                    Kind::Context => fields.created_s = 0,
                    _ => {}
                }
                let header = Header::new(&fields);
                assert_eq!(Header::parse(*header.as_bytes()).unwrap().fields(), fields);
            }
        }
    }
}
