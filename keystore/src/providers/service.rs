//! What the providers that are services have in common.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crypto::L1Payload;

use super::payload_from;
use crate::http::HttpFault;
use crate::{Phase, RootError};

/// Why a service did not do what it was asked.
#[derive(Clone, Debug)]
pub enum Fault {
    /// There is no answer, or none to use.
    Http(HttpFault),
    /// Its answer, in the words of the boundary.
    Root(RootError),
}

impl From<HttpFault> for Fault {
    fn from(fault: HttpFault) -> Self {
        Self::Http(fault)
    }
}

impl From<RootError> for Fault {
    fn from(error: RootError) -> Self {
        Self::Root(error)
    }
}

impl Fault {
    /// In the words of the boundary.
    pub fn into_root(self, root: &str, phase: Phase) -> RootError {
        match self {
            Self::Http(fault) => fault.into_root(root, phase),
            Self::Root(error) => error,
        }
    }
}

/// Text of an answer that is wiped.
pub struct SecretField(Zeroizing<String>);

impl SecretField {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for SecretField {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Zeroizing::new).map(Self)
    }
}

/// A payload in base64, in a buffer that never moves and is wiped.
pub fn payload_text(payload: &L1Payload) -> Zeroizing<String> {
    payload.with(|bytes| base64_text(bytes))
}

/// Bytes in base64, in a buffer that never moves and is wiped.
pub fn base64_text(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(BASE64.encode_len(bytes.len())));
    BASE64.encode_append(bytes, &mut text);
    text
}

/// The inverse of [`payload_text`], into the arena.
pub fn payload_of_text(root: &str, text: &str) -> Result<L1Payload, RootError> {
    let corrupt =
        || RootError::Corrupt { root: root.to_owned(), detail: "it holds no payload of 64 bytes".into() };
    let length = BASE64.decode_len(text.len()).map_err(|_| corrupt())?;
    let mut bytes = Zeroizing::new(vec![0; length]);
    let length = BASE64.decode_mut(text.as_bytes(), &mut bytes).map_err(|_| corrupt())?;
    payload_from(root, &bytes[..length])
}

/// What every service's mistakes look like, while it is being opened and later.
pub struct Told<'a> {
    /// The key reference, or the provider's name before it is known.
    pub root: &'a str,
    /// When.
    pub phase: Phase,
}

impl Told<'_> {
    /// No: the permission of this name is missing. A mistake while opening, a withdrawal later.
    pub fn denied(&self, permission: &str, said: &str, fix: &str) -> RootError {
        match self.phase {
            Phase::Opening => RootError::Misconfigured {
                root: self.root.to_owned(),
                who: crate::Who::KeyOwner,
                missing: format!("the permission {permission} is missing: {said}"),
                fix: fix.to_owned(),
            },
            Phase::Serving => self
                .withdrawn(crate::Withdrawal::Denied, format!("{permission} is no longer granted: {said}")),
        }
    }

    /// No: we are not who we were.
    pub fn unknown_caller(&self, said: &str, fix: &str) -> RootError {
        match self.phase {
            Phase::Opening => RootError::Misconfigured {
                root: self.root.to_owned(),
                who: crate::Who::KeyOwner,
                missing: format!("the credentials are not accepted: {said}"),
                fix: fix.to_owned(),
            },
            Phase::Serving => self.withdrawn(
                crate::Withdrawal::Denied,
                format!("the credentials are no longer accepted: {said}"),
            ),
        }
    }

    /// There is no such key. A mistake while opening, destroyed later.
    pub fn absent(&self, what: &str, fix: &str) -> RootError {
        match self.phase {
            Phase::Opening => self.wrong(format!("there is no {what}"), fix),
            Phase::Serving => {
                self.withdrawn(crate::Withdrawal::Destroyed, format!("there is no {what} any more"))
            }
        }
    }

    /// Its owner ended it.
    pub fn withdrawn(&self, withdrawal: crate::Withdrawal, detail: impl Into<String>) -> RootError {
        RootError::Withdrawn { root: self.root.to_owned(), withdrawal, detail: detail.into() }
    }

    /// Its owner must change something.
    pub fn wrong(&self, missing: impl Into<String>, fix: &str) -> RootError {
        RootError::Misconfigured {
            root: self.root.to_owned(),
            who: crate::Who::KeyOwner,
            missing: missing.into(),
            fix: fix.to_owned(),
        }
    }

    /// No answer that says anything about the key.
    pub fn silent(&self, detail: impl Into<String>) -> RootError {
        RootError::Unreachable { root: self.root.to_owned(), detail: detail.into() }
    }

    /// It has too much to do.
    pub fn throttled(
        &self,
        retry_after: Option<std::time::Duration>,
        detail: impl Into<String>,
    ) -> RootError {
        RootError::Throttled { root: self.root.to_owned(), retry_after, detail: detail.into() }
    }

    /// The wrap does not open.
    pub fn corrupt(&self, detail: &'static str) -> RootError {
        RootError::Corrupt { root: self.root.to_owned(), detail: detail.into() }
    }
}

/// What a service said, made fit for a message: one line, bounded, no control characters.
pub fn said(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(CHARS_MAX).collect();
    if clean.trim().is_empty() { "it gave no reason".to_owned() } else { clean.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_and_others_are_refused() {
        let payload = L1Payload::from_bytes(&[7; 64]).unwrap();
        let text = payload_text(&payload);
        payload_of_text("r", &text).unwrap().with(|bytes| assert_eq!(*bytes, [7; 64]));
        for bad in ["", "!", "AAAA", &text[..84], &BASE64.encode(&[0; 65])] {
            assert!(matches!(payload_of_text("r", bad), Err(RootError::Corrupt { .. })), "{bad}");
        }
    }

    #[test]
    fn what_a_service_says_fits_one_line() {
        assert_eq!(said("a\r\nb\u{1b}[31m"), "a  b [31m");
        assert_eq!(said(" \n"), "it gave no reason");
        assert_eq!(said(&"x".repeat(1_000)).len(), 200);
    }
}
