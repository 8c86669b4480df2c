//! One HTTPS client for every root that is a service: small, so that its promises can be read.
//!
//! - A root's address is its owner's word and may be an attack on us: only [allowed](endpoint)
//!   endpoints are asked, the address that was judged is the address that is dialled ([`dial`]), and a
//!   redirect is an error, never followed.
//! - Every call has an end: connecting and shaking hands within [`CONNECT_TIMEOUT`], the whole within
//!   [`CALL_TIMEOUT`], answers of [`ANSWER_BYTES_MAX`] at most.
//! - Requests and answers may hold a payload: their bodies are wiped, and never logged.
//! - TLS 1.2 or 1.3, certificates always verified; there is no switch.

mod call;
mod dial;
mod endpoint;
mod fault;

use std::time::Duration;

pub use call::{Answer, Client, Method, Request, json_body};
#[cfg(feature = "kmip")]
pub use dial::addresses;
pub use endpoint::Endpoint;
pub use fault::HttpFault;

/// Longest wait for a connection, handshake included: a second packet lost is still within it.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for an answer, connecting included. A test of some five calls stays within its 30 s.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// Longest answer, bytes: key descriptions have a few kilobytes.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
