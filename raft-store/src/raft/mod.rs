//! openraft, kept to itself: how it reaches other nodes, what the rest of the crate may ask of it.
//!
//! Nothing outside this folder, `wire::raft` and the storage side names an openraft type.

pub(crate) mod config;
pub(crate) mod consensus;
pub(crate) mod network;
pub(crate) mod watched;
