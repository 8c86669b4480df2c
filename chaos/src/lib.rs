//! A cluster to break or to search: what the programs of this crate share, and the simulator.

pub mod bed;
pub mod cluster;
pub mod environment;
pub mod figures;
pub mod linearizable;
pub mod needles;
pub mod outcome;
pub mod promise;
pub mod random;
pub mod sim;
