//! A KMIP client over mutual TLS: pooled connections, fail-over between nodes, batches.
//!
//! [`Client`] speaks to a cluster: give it every node, and a node that dies, hangs or answers "not now"
//! is passed over. [`KeyCache`] keeps keys for as long as the server leases them. [`Connection`] is one node and one line, for tools that measure.
//!
//! What this crate never does:
//! - repeat a write whose bytes may have left: the caller learns [`Error::OutcomeUnknown`] instead;
//! - wait without a bound: every call has a deadline, and every connection attempt a shorter one;
//! - keep key bytes, the cache apart: they come in a [`KeyBytes`], wiped on drop, and the buffer they arrived in is wiped
//!   before the call returns. (The TLS library has buffers of its own; a process that cares about those
//!   installs an allocator that wipes what it frees.)

mod cache;
mod client;
mod connection;
mod error;
mod message;
mod operations;
mod secret;
mod settings;
mod tls;

pub use self::cache::{KEYS_MAX, KeyCache, LEASE_MAX};
pub use self::client::{Client, Repeat};
pub use self::connection::{Connection, Connector};
pub use self::error::{Error, Fault, ProtocolFault, SettingsError};
pub use self::operations::{BATCH_MAX, KeyRequest, Material};
pub use self::secret::KeyBytes;
pub use self::settings::{Settings, Timeouts};
pub use self::tls::TlsFault;
