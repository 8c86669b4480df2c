//! Certificates that are denied: named so that neither a new serial number nor a resumed session gets around it
//! (CONSISTENCY 6).
//!
//! A certificate is named by its issuer's key and its serial number, as revocation lists do, or by its own key,
//! which covers every certificate ever issued for it. Names are hashes and numbers, nothing of its subject.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use crate::id::LogIndex;
use crate::time::ClusterTime;

/// Certificates denied at once: each is a row that every node holds in memory. The lists of large authorities
/// name tens of thousands.
pub const DENIED_MAX: usize = 200_000;
/// Certificates one command denies or allows: an apply touches a bounded number of rows.
pub const DENIED_TOGETHER_MAX: usize = 500;
/// Longest reason in bytes: a sentence for people.
pub const DENIAL_REASON_BYTES_MAX: usize = 256;

/// A serial number (RFC 5280, 4.1.2.2), as a number in 32 bytes, big-endian: it has 20 at most, some have more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Serial([u8; 32]);

impl Serial {
    /// From the content bytes of its INTEGER, big-endian; `None` beyond 32 significant bytes.
    #[must_use]
    pub fn from_be_bytes(bytes: &[u8]) -> Option<Self> {
        let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        let mut serial = [0; 32];
        let at = serial.len().checked_sub(significant.len())?;
        serial[at..].copy_from_slice(significant);
        Some(Self(serial))
    }

    /// Lower-case hexadecimal, without leading zeros, in whole bytes.
    #[must_use]
    pub fn to_hex(self) -> String {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count().min(self.0.len() - 1);
        HEXLOWER.encode(&self.0[zeros..])
    }
}

/// Which certificates are meant. Hashes are SHA-256 of the DER of a SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CertificateId {
    /// The one that an issuer gave this number.
    Issued {
        /// Hash of the issuer's key.
        issuer: [u8; 32],
        /// The number.
        serial: Serial,
    },
    /// All that were ever issued for a key.
    Key {
        /// Hash of the certificate's own key.
        spki: [u8; 32],
    },
}

/// `key:<SHA-256>` or `issued:<SHA-256 of the issuer's key>:<serial number>`, in lower-case hexadecimal.
impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issued { issuer, serial } => {
                write!(f, "issued:{}:{}", HEXLOWER.encode(issuer), serial.to_hex())
            }
            Self::Key { spki } => write!(f, "key:{}", HEXLOWER.encode(spki)),
        }
    }
}

impl FromStr for CertificateId {
    type Err = BadCertificateName;

    fn from_str(text: &str) -> Result<Self, BadCertificateName> {
        let hash = |text: &str| -> Result<[u8; 32], BadCertificateName> {
            let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| BadCertificateName)?;
            bytes.try_into().map_err(|_| BadCertificateName)
        };
        if let Some(key) = text.strip_prefix("key:") {
            return Ok(Self::Key { spki: hash(key)? });
        }
        let issued = text.strip_prefix("issued:").and_then(|rest| rest.split_once(':'));
        let (issuer, serial) = issued.ok_or(BadCertificateName)?;
        let serial = HEXLOWER_PERMISSIVE.decode(serial.as_bytes()).map_err(|_| BadCertificateName)?;
        let serial = Serial::from_be_bytes(&serial).filter(|_| !serial.is_empty());
        Ok(Self::Issued { issuer: hash(issuer)?, serial: serial.ok_or(BadCertificateName)? })
    }
}

/// A text that names no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a certificate is named key:<SHA-256 of its key> or issued:<SHA-256 of its issuer's key>:<serial number>, \
     in hexadecimal"
)]
pub struct BadCertificateName;

/// A certificate's denial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Log index of the command that denied it.
    pub at: LogIndex,
    /// When that was, in cluster time.
    pub since: ClusterTime,
    /// For people.
    pub reason: String,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at a surprise")]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let serial = Serial::from_be_bytes(&[0x5e, 0x41]).unwrap();
        for id in [CertificateId::Key { spki: [0xab; 32] }, CertificateId::Issued { issuer: [1; 32], serial }]
        {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        let issuer = "01".repeat(32);
        assert!(format!("issued:{issuer}:5E41").parse::<CertificateId>().is_ok(), "as openssl prints it");
        for bad in
            ["", "key:", "key:ab", "issued:", &format!("issued:{issuer}"), &format!("issued:{issuer}:")]
        {
            assert_eq!(bad.parse::<CertificateId>(), Err(BadCertificateName), "{bad}");
        }
    }

    #[test]
    fn serial_numbers_are_numbers() {
        let of = |bytes: &[u8]| Serial::from_be_bytes(bytes).map(Serial::to_hex);
        assert_eq!(of(&[0, 0x8f, 1]), of(&[0x8f, 1]), "the sign byte of an INTEGER does not count");
        assert_eq!(of(&[0, 0x8f, 1]).as_deref(), Some("8f01"));
        assert_eq!(of(&[]).as_deref(), Some("00"));
        assert!(of(&[1; 32]).is_some());
        assert_eq!(of(&[1; 33]), None);
    }
}
