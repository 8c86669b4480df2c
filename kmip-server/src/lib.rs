//! KMIP over mutual TLS: the identity of a caller from its certificate, one file per operation.
//!
//! A connection is served by [`serve`]; a message that came over HTTPS, in TTLV, XML or JSON, by
//! [`Service::serve_message`].
//!
//! This crate speaks KMIP and knows no key: it reads requests, asks the engine, and writes answers in the
//! version of each request. A key's bytes come into being inside the response buffer, and the buffer is
//! wiped after the socket took it.
#![forbid(unsafe_code)]

mod asynchronous;
mod attributes;
mod connection;
mod dispatch;
mod failure;
pub mod identity;
mod keys;
mod left;
pub mod limits;
pub mod listed;
mod message;
mod metrics;
mod objects;
mod ops;
mod passed;
mod presented;
mod quota;
mod server;
mod services;
pub mod tls;
mod undo;

pub use message::{CertificateExpired, Peer};
pub use metrics::Metrics;
pub use ops::{SERVED, announce_https};
pub use passed::answer_parts;
pub use quota::Quotas;
pub use server::{Service, serve};
