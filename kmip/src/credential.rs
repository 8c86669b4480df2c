//! Credentials in a request header (1.x section 2.1.2, 2.x section 6.2).
//!
//! They arrive beside the TLS client certificate and never widen what it allows. Secrets in them
//! are not printed.

use std::fmt;

use crate::field::{Decode, Encode, RawStructure, structure};
use crate::ttlv::{DecodeError, Item, Writer};
use crate::{AttestationType, Bytes, CredentialType, HashingAlgorithm, Tag, Text, TicketType};

/// Credential.
#[derive(Clone, PartialEq)]
#[allow(missing_docs)] // the specification's own names
pub enum Credential<'a> {
    UsernameAndPassword(UsernameAndPassword<'a>),
    Device(Device<'a>),
    Attestation(Attestation<'a>),
    OneTimePassword(OneTimePassword<'a>),
    HashedPassword(HashedPassword<'a>),
    Ticket(Ticket<'a>),
}

impl Credential<'_> {
    /// Credential Type.
    #[must_use]
    pub const fn kind(&self) -> CredentialType {
        match self {
            Self::UsernameAndPassword(_) => CredentialType::UsernameAndPassword,
            Self::Device(_) => CredentialType::Device,
            Self::Attestation(_) => CredentialType::Attestation,
            Self::OneTimePassword(_) => CredentialType::OneTimePassword,
            Self::HashedPassword(_) => CredentialType::HashedPassword,
            Self::Ticket(_) => CredentialType::Ticket,
        }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.kind())
    }
}

impl<'a> Decode<'a> for Credential<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        let parts = CredentialParts::decode(item)?;
        let value = parts.value.0;
        Ok(match parts.kind {
            CredentialType::UsernameAndPassword => Self::UsernameAndPassword(Decode::decode(value)?),
            CredentialType::Device => Self::Device(Decode::decode(value)?),
            CredentialType::Attestation => Self::Attestation(Decode::decode(value)?),
            CredentialType::OneTimePassword => Self::OneTimePassword(Decode::decode(value)?),
            CredentialType::HashedPassword => Self::HashedPassword(Decode::decode(value)?),
            CredentialType::Ticket => {
                let holder = TicketValue::decode(value)?;
                Self::Ticket(holder.ticket)
            }
        })
    }
}

impl Encode for Credential<'_> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.structure(tag, |w| {
            w.enumeration(Tag::CREDENTIAL_TYPE, self.kind().value());
            match self {
                Self::UsernameAndPassword(value) => value.encode(w, Tag::CREDENTIAL_VALUE),
                Self::Device(value) => value.encode(w, Tag::CREDENTIAL_VALUE),
                Self::Attestation(value) => value.encode(w, Tag::CREDENTIAL_VALUE),
                Self::OneTimePassword(value) => value.encode(w, Tag::CREDENTIAL_VALUE),
                Self::HashedPassword(value) => value.encode(w, Tag::CREDENTIAL_VALUE),
                Self::Ticket(value) => w.structure(Tag::CREDENTIAL_VALUE, |w| value.encode(w, Tag::TICKET)),
            }
        });
    }
}

/// A text that is not printed: a password.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText<'a>(Text<'a>);

impl std::ops::Deref for SecretText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for SecretText<'a> {
    fn from(text: &'a str) -> Self {
        Self(Text::Borrowed(text))
    }
}

impl fmt::Debug for SecretText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'a> Decode<'a> for SecretText<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        item.text().map(Self::from)
    }
}

impl Encode for SecretText<'_> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.text(tag, &self.0);
    }
}

#[cfg(test)]
impl crate::sample::Sample for SecretText<'_> {
    fn sample(s: &mut crate::sample::Sampler) -> Self {
        Self(crate::sample::Sample::sample(s))
    }
}

structure! {
    struct CredentialParts<'a> {
        kind: CredentialType = CREDENTIAL_TYPE,
        value: RawStructure<'a> = CREDENTIAL_VALUE,
    }
}

structure! {
    struct TicketValue<'a> {
        ticket: Ticket<'a> = TICKET,
    }
}

structure! {
    /// Username and Password.
    pub struct UsernameAndPassword<'a> {
        /// Username.
        username: Text<'a> = USERNAME,
        /// Password.
        password: Option<SecretText<'a>> = PASSWORD,
    }
}

structure! {
    /// Device (1.1).
    pub struct Device<'a> {
        /// Device Serial Number.
        serial_number: Option<Text<'a>> = DEVICE_SERIAL_NUMBER,
        /// Password.
        password: Option<SecretText<'a>> = PASSWORD,
        /// Device Identifier.
        device_identifier: Option<Text<'a>> = DEVICE_IDENTIFIER,
        /// Network Identifier.
        network_identifier: Option<Text<'a>> = NETWORK_IDENTIFIER,
        /// Machine Identifier.
        machine_identifier: Option<Text<'a>> = MACHINE_IDENTIFIER,
        /// Media Identifier.
        media_identifier: Option<Text<'a>> = MEDIA_IDENTIFIER,
    }
}

structure! {
    /// Nonce (1.2): the server's challenge, sent back.
    pub struct Nonce<'a> {
        /// Nonce ID.
        id: Bytes<'a> = NONCE_ID,
        /// Nonce Value.
        value: Bytes<'a> = NONCE_VALUE,
    }
}

structure! {
    /// Attestation (1.2).
    pub struct Attestation<'a> {
        /// Nonce.
        nonce: Nonce<'a> = NONCE,
        /// Attestation Type.
        kind: AttestationType = ATTESTATION_TYPE,
        /// Attestation Measurement.
        measurement: Option<Bytes<'a>> = ATTESTATION_MEASUREMENT,
        /// Attestation Assertion.
        assertion: Option<Bytes<'a>> = ATTESTATION_ASSERTION,
    }
}

structure! {
    /// One Time Password (2.0).
    pub struct OneTimePassword<'a> {
        /// Username.
        username: Text<'a> = USERNAME,
        /// Password.
        password: Option<SecretText<'a>> = PASSWORD,
        /// One Time Password.
        one_time_password: SecretText<'a> = ONE_TIME_PASSWORD,
    }
}

structure! {
    /// Hashed Password (2.0).
    pub struct HashedPassword<'a> {
        /// Username.
        username: Text<'a> = USERNAME,
        /// Time Stamp.
        time_stamp: crate::DateTime = TIME_STAMP,
        /// Hashing Algorithm; SHA-256 when absent.
        hashing_algorithm: Option<HashingAlgorithm> = HASHING_ALGORITHM,
        /// Hashed Password.
        hashed_password: Bytes<'a> = HASHED_PASSWORD,
    }
}

structure! {
    /// Ticket (2.0).
    pub struct Ticket<'a> {
        /// Ticket Type.
        kind: TicketType = TICKET_TYPE,
        /// Ticket Value.
        value: Bytes<'a> = TICKET_VALUE,
    }
}
