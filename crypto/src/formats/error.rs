//! Why a key cannot be read or written in a form.

/// What a key is, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// An elliptic curve in Weierstrass form.
    Ec,
    /// Ed25519, X25519, Ed448, X448.
    Okp,
    /// DSA.
    Dsa,
    /// Diffie-Hellman.
    Dh,
}

impl KeyKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ec => "EC",
            Self::Okp => "Edwards or Montgomery",
            Self::Dsa => "DSA",
            Self::Dh => "Diffie-Hellman",
        }
    }
}

/// A key that cannot be read, or not be written in the form asked for. Never holds key bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes are not DER of this form.
    #[error("the key is not well-formed {form}")]
    Malformed {
        /// The form it should have.
        form: &'static str,
    },
    /// An algorithm that is not one of ours.
    #[error("the key is of an algorithm that is not converted here")]
    UnknownAlgorithm,
    /// A curve that is not named here, or given by explicit parameters.
    #[error("the key is on a curve that has no name here")]
    UnknownCurve,
    /// The form exists for other kinds of keys only.
    #[error("{} keys have no {form} form", kind.as_str())]
    NoSuchForm {
        /// What the key is.
        kind: KeyKind,
        /// The form asked for.
        form: &'static str,
    },
    /// Numbers the form needs were never given.
    #[error("the key lacks {what}, which the form needs")]
    Incomplete {
        /// Which.
        what: &'static str,
    },
}
