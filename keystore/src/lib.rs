//! Roots of trust (L1): one small trait, one file per provider, one conformance suite.
//!
//! A root wraps and unwraps the 64-byte payload that holds a key of ours, and its own key never
//! leaves its home. This crate never stores a wrap, never decides who may ask, never retries beyond
//! one call, and never chooses which root serves a tenant: the floors above do.
//!
//! Invariants: a payload rests only in the secret arena, and passes wiped buffers; every wrap is
//! bound to its place ([`Context`]) and to the root's immutable key reference; an error says what
//! to do ([`RootError::action`]), because "no answer" and "the answer is no" differ by a whole grace
//! period.

mod advice;
pub mod config;
mod connection_test;
mod context;
mod error;
#[cfg(feature = "http")]
mod http;
pub mod providers;
mod registry;
mod report;
mod root;

pub use config::{Credentials, RootConfig, SecretText, Site};
pub use connection_test::test;
pub use context::{Context, Purpose};
pub use error::{Action, Phase, RootError, Who, Withdrawal};
pub use registry::{Mode, PROVIDERS, Provider, RootSettings, open, reopen};
pub use report::{Evidence, KeyState, Permission, Problem, Report, Snippet, Step};
pub use root::{BoxFuture, Custody, Health, KeyAttributes, RootKeystore, Statement, Wrapped};
