//! The only code that touches key bytes: secret memory, derive, wrap, unwrap, forget.
//!
//! Plaintext keys rest in the [`arena`] alone, memory the kernel neither dumps, swaps nor lets a
//! debugger read. A key is a type without `Clone`, `Debug` or `Serialize`, and its bytes are lent to
//! a closure, never handed out. Every derivation and every wrap is bound to its place (realm, tenant,
//! service, version, header) by one function, [`kdf::derive`], with a label of its own: mixing two
//! tenants' keys fails by mathematics.
//!
//! This crate never does I/O beyond asking the kernel for memory and randomness, has no clock and
//! no async. Names and formulas follow DESIGN 3.

pub mod allocator;
pub mod arena;
pub mod cache;
pub mod certify;
#[cfg(feature = "danger-known-keys")]
pub mod danger;
mod der_write;
pub mod digest;
pub mod formats;
pub mod handover;
pub mod hierarchy;
mod hpke;
pub mod iv;
pub mod kdf;
pub mod key_wrap;
pub mod keypair;
pub mod keyring;
pub mod l1_payload;
pub mod labels;
pub mod material;
pub mod nonce;
pub mod pkcs12;
pub mod process;
pub mod random;
pub mod secret;
pub mod services;
pub mod split;
pub mod stack;
mod sync;
#[cfg(all(test, not(feature = "loom")))]
mod tests;
pub mod uid;
pub mod wipe;
pub mod wrap;

pub use allocator::ZeroOnFree;
pub use arena::{ArenaError, ArenaMode, ArenaStatus, SecretArena, arena_status};
pub use cache::{FillRefused, FillTicket, HotL3, L3Cache, Purged, Scope};
pub use handover::{Inbox, Road, SealedL3};
pub use hierarchy::{DeriveError, L2, L2Commitment, L3, L3Place, Seed, SeedCommitment, service_root};
pub use hpke::HpkeError;
pub use iv::{GcmIvSource, IvExhausted};
pub use keyring::{Keyring, KeyringError};
pub use l1_payload::{Kek, L1Payload, L1PayloadError};
pub use material::MaterialRoot;
pub use nonce::NonceSource;
pub use secret::{Secret, SecretBytes};
pub use stack::{scrub_stack, with_scrubbed_stack};
pub use uid::{Commitments, UidKey, UidRoot};
pub use wrap::WrapError;
