//! One file per provider; the row that names each stands in `registry.rs`.

#[cfg(feature = "aws_kms")]
pub mod aws_kms;
#[cfg(feature = "azure_key_vault")]
pub mod azure_key_vault;
#[cfg(any(feature = "aws_kms", feature = "azure_key_vault", feature = "gcp_kms"))]
mod form;
#[cfg(feature = "gcp_kms")]
pub mod gcp_kms;
#[cfg(any(feature = "aws_kms", feature = "azure_key_vault", feature = "gcp_kms", feature = "transit"))]
mod held;
#[cfg(any(feature = "azure_key_vault", feature = "gcp_kms"))]
mod jwt;
#[cfg(feature = "kmip")]
pub mod kmip;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
#[cfg(feature = "http")]
mod service;
#[cfg(feature = "http")]
mod service_root;
pub mod software;
#[cfg(feature = "transit")]
pub mod transit;
#[cfg(feature = "http")]
mod workload;

use crypto::{L1Payload, L1PayloadError, random};
use zeroize::Zeroizing;

use crate::RootError;

/// Random bytes in the shape of a payload, for a probe.
fn probe_payload() -> Result<L1Payload, RootError> {
    let bytes = Zeroizing::new(random::bytes::<{ L1Payload::LEN }>());
    payload_from("a probe", &*bytes)
}

/// Takes what a root unwrapped into the arena.
fn payload_from(l1_ref: &str, bytes: &[u8]) -> Result<L1Payload, RootError> {
    L1Payload::from_bytes(bytes).map_err(|error| match error {
        L1PayloadError::Arena(full) => RootError::Memory(full),
        L1PayloadError::Length { .. }
        | L1PayloadError::WrongPlace
        | L1PayloadError::WrongKey
        | L1PayloadError::RefTooLong { .. } => {
            RootError::Corrupt { root: l1_ref.to_owned(), detail: "it holds no payload of 64 bytes".into() }
        }
    })
}

/// True if both hold the same bytes; takes the same time wherever they differ.
fn same(a: &L1Payload, b: &L1Payload) -> bool {
    a.with(|a| b.with(|b| a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0))
}
