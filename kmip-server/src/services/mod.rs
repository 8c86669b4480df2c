//! What the cryptographic operations share: which key, with which parameters, in which part of a message.
//!
//! The engine has judged who asks; here a key's state, dates and usage mask are judged before its bytes
//! are asked for, and its usage limit is paid before an answer leaves. The mathematics is `crypto`'s.

pub mod iv;
pub mod key;
pub mod params;
pub mod parts;
pub mod signature;

use kmip::ResultReason;

use crate::failure::Failure;

/// Does work of a millisecond and more away from the threads that serve connections.
pub async fn apart<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Failure>
where
    T: Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    let ended = Failure::new(ResultReason::GeneralFailure, "the computation did not finish; try again");
    tokio::task::spawn_blocking(work).await.map_err(|_| ended)?.map_err(Into::into)
}
