//! What the cryptographic operations share: which key, with which parameters, in which part of a message.
//!
//! The engine has judged who asks; here a key's state, dates and usage mask are judged before its bytes
//! are asked for, and its usage limit is paid before an answer leaves. The mathematics is `crypto`'s.

pub mod iv;
pub mod key;
pub mod params;
pub mod parts;
pub mod signature;
