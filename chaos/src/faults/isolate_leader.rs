//! The leader is cut off from its peers and does not know it.

use super::{Fault, Victim, isolate};

pub const FAULT: Fault = Fault { name: "isolate-leader", victim: Victim::Leader, ..isolate::FAULT };
