//! Freshness lease and revocation barrier.
mod answers;
mod applied;
pub mod barrier;
pub mod cell;
pub mod class;
pub mod clock;
mod grants;
pub mod holder;
mod members;
#[cfg(all(test, not(feature = "loom")))]
mod rules;
#[cfg(all(test, not(feature = "loom")))]
mod simulation;
