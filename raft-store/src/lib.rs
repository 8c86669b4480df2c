//! The replicated store: openraft, RocksDB and tonic behind one handle.
//!
//! Ciphertext only: this crate sees sealed commands and sealed rows and never holds a key. Nothing above it
//! knows openraft.

pub mod codec;
pub mod machine;
pub mod snapshot;
pub mod storage;
pub mod types;
