//! A cluster of real processes to break or to search: what the programs of this crate share.

pub mod cluster;
pub mod environment;
pub mod needles;
