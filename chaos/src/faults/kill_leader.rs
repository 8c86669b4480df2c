//! kill -9 of the leader: writes pause for an election, derivations do not.

use super::{Fault, Victim, kill};

pub const FAULT: Fault = Fault { name: "kill-leader", victim: Victim::Leader, ..kill::FAULT };
