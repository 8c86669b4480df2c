//! What the cluster agrees on: ids, records, commands and the deterministic state.
//!
//! Ciphertext only: this crate has no type for a plaintext key, so none can slip into the log. It has
//! no async, no clock, no randomness and no I/O: time, ids and nonces arrive inside commands.
#![forbid(unsafe_code)]

pub mod barrier;
pub mod certificate;
pub mod command;
pub mod commands;
pub mod departure;
pub mod event;
pub mod id;
pub mod job;
pub mod lineage;
pub mod object;
pub mod refusal;
pub mod root;
pub mod row;
pub mod sealer;
pub mod service;
pub mod state;
pub mod tenant;
pub mod ticket;
pub mod time;
pub mod uid;
pub mod workflow;
