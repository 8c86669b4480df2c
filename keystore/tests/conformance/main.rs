//! The conformance suite, run by every provider, and what only one provider can get wrong.
#![allow(clippy::unwrap_used)] // a test fails where it stands

mod software;
mod suite;

#[cfg(feature = "pkcs11")]
mod pkcs11;
#[cfg(feature = "pkcs11")]
mod softhsm;
#[cfg(feature = "pkcs11")]
mod worker;
