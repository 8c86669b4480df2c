//! The leader and one other node do not reach each other, the third reaches both: one of two leaves leads
//! (openraft #2080, #2111). Somebody with a quorum must lead in the end, and stay.

use super::{Fault, Victim, isolate};
use crate::cluster::NODES;

pub const FAULT: Fault = Fault {
    name: "bridge",
    victim: Victim::Leader,
    must_be_noticed: false,
    everyone: true, // the other leaf does not reach its leader and loses its lease
    cuts_off: false,
    strike: |cluster, node| {
        let other = (node + 1) % NODES;
        cluster.network()?.cut(&[(node, other), (other, node)].into())
    },
    ..isolate::FAULT
};
