//! The key service: who may, from which state, with which key, and the record of it.
//!
//! A request is one [`Turn`]: it captures the freshness lease, takes everything from one generation of the
//! replicated state, derives locally or proposes, makes its audit records durable, and checks the lease
//! once more before the answer leaves. This crate knows no KMIP message and no HTTP request; it never
//! decides from anything a request says about its sender.
#![forbid(unsafe_code)]

mod admin;
mod background;
mod barrier;
mod caller;
mod create;
mod described;
mod engine;
mod everywhere;
mod handover;
mod held;
mod hot;
mod jobs;
mod lifecycle;
mod members;
mod objects;
mod older;
mod opened;
mod parts;
mod pin_refused;
mod probes;
mod refused;
mod repeated;
mod root_admin;
mod root_credentials;
mod root_tests;
mod roots;
mod rotation;
mod seeds;
mod staged;
mod streams;
mod tickets;
mod told;
mod turn;
mod usage;
mod use_key;

pub use admin::{Administered, Administrator, NewTenant};
pub use background::run as run_background;
pub use barrier::{BarrierStatus, KeyringFile};
pub use caller::Caller;
pub use create::KeySpec;
pub use described::Described;
pub use engine::{Engine, Parts};
pub use handover::hand_over;
pub use held::Held;
pub use lifecycle::Change;
pub use members::NotBegun;
pub use objects::{DerivedKey, Found, length_bits, material_bytes};
pub use older::{InUse, OLDER_MAX, Older};
pub use parts::{Answerer, answer_parts};
pub use refused::Refused;
pub use root_admin::RootPolicy;
pub use roots::Roots;
pub use rotation::KeyRotation;
pub use streams::{STREAM_IDLE, Stream, Work};
pub use turn::Turn;
pub use use_key::Use;
