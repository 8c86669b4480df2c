//! The peer port: who may speak there, how calls travel, and how they are checked before anything acts.
//!
//! Three gates, each closed by default: the certificate (`tls`), the header of every call (`gate`), and
//! the membership. No message reaches openraft before all three said yes.

pub(crate) mod client;
pub(crate) mod gate;
pub(crate) mod server;
pub mod tcp;
pub mod tls;
