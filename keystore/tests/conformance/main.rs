//! The conformance suite, run by every provider, and what only one provider can get wrong.
#![allow(clippy::unwrap_used)] // a test fails where it stands

mod connection;
#[cfg(feature = "http")]
mod fake;
#[cfg(feature = "http")]
mod outages;
mod software;
mod suite;

#[cfg(feature = "aws_kms")]
mod aws_kms;
#[cfg(feature = "azure_key_vault")]
mod azure;
#[cfg(feature = "gcp_kms")]
mod gcp_kms;
#[cfg(feature = "kmip")]
mod kmip;
#[cfg(feature = "transit")]
mod transit;

#[cfg(feature = "pkcs11")]
mod nss;
#[cfg(feature = "pkcs11")]
mod pkcs11;
#[cfg(feature = "pkcs11")]
mod softhsm;
#[cfg(feature = "pkcs11")]
mod worker;
