//! The key service: who may, from which state, with which key, and the record of it.
//!
//! A request is one [`Turn`]: it captures the freshness lease, takes everything from one generation of the
//! replicated state, derives locally or proposes, makes its audit records durable, and checks the lease
//! once more before the answer leaves. This crate knows no KMIP message and no HTTP request; it never
//! decides from anything a request says about its sender.
#![forbid(unsafe_code)]

mod admin;
mod caller;
mod create;
mod engine;
mod hot;
mod lifecycle;
mod objects;
mod refused;
mod roots;
mod staged;
mod streams;
mod tickets;
mod told;
mod turn;
mod usage;
mod use_key;

pub use admin::{Administered, Administrator, NewTenant};
pub use caller::Caller;
pub use create::KeySpec;
pub use engine::{Engine, Parts};
pub use hot::Guard;
pub use lifecycle::Change;
pub use objects::{DerivedKey, Found, length_bits, material_bytes};
pub use refused::Refused;
pub use roots::Roots;
pub use streams::{STREAM_IDLE, Stream, Work};
pub use turn::Turn;
pub use use_key::Use;
