//! Backups: made from a running cluster, checked anywhere, restored into a node that has no data.
//!
//! A backup is a folder: `snapshot`, the whole replicated state as nodes send it to each other, sealed by the
//! barrier keyring; `keyring`, that keyring sealed under a key that the platform's roots wrap; and
//! `manifest.json`, what they are, with checksums. No plaintext key is in it, and without a platform root
//! nothing in it opens. The manifest carries a keyed hash over itself: who cannot open a backup cannot make
//! one up.
//!
//! A backup is there whole or not at all: it is written beside, synced, and then named.

pub mod bucket;
pub mod fencing;
pub mod folder;
pub mod heir;
pub mod make;
pub mod manifest;
pub mod moment;
pub mod open;
pub mod recover;
pub mod restore;
pub mod target;

/// The replicated state.
pub const SNAPSHOT: &str = "snapshot";
/// The sealed barrier keyring.
pub const KEYRING: &str = "keyring";
/// What the other two are.
pub const MANIFEST: &str = "manifest.json";
