//! The replicated store: openraft, RocksDB and tonic behind one handle.
//!
//! Ciphertext only: this crate sees sealed commands and sealed rows and never holds a key. Nothing above it
//! knows openraft.
//!
//! The way in is [`Store`]: [`identity`] or [`join`] says who a data directory is, [`Production`] (or a
//! simulated [`Env`]) what the node stands on, and [`Store::start`] makes it take part.

pub mod codec;
pub mod danger;
pub mod env;
pub mod handover;
mod host;
pub mod identity;
pub mod join;
pub mod journal;
pub mod lease;
pub mod machine;
pub mod offline;
pub mod parts;
pub mod peer;
pub mod production;
mod raft;
pub mod snapshot;
pub mod storage;
pub mod store;
mod token;
pub mod types;
mod wire;

pub use identity::Identity;
pub use machine::{CacheGuard, Exported, Gen};
pub use production::Production;
pub use store::{
    Addresses, ClusterStatus, Env, ExportError, HandedOver, Holds, MemberStatus, NodeStatus, ProposeError,
    Proposed, Role, Settings, StartError, StepDownError, Store, TokenError, Unavailable, Unsafe,
};
pub use token::JoinToken;
