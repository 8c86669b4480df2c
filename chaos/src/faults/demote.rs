//! A node loses its vote while everybody works, and gets it back: two changes of the membership. It serves
//! throughout, as every learner does.

use super::{Fault, Victim};
use crate::cluster::member;

pub const FAULT: Fault = Fault {
    name: "demote",
    victim: Victim::Any,
    lasts_ms: (1_000, 4_000),
    needs: |_| Ok(()),
    must_be_noticed: false,
    everyone: false,
    cuts_off: false,
    at_once: false,
    strike: |cluster, node| cluster.operator(&["demote", &member(node), "--accept-lower-tolerance"]),
    has_bitten: |cluster, node| cluster.votes(node).is_ok_and(|votes| !votes),
    // Waits until it votes: the next fault must find a cluster that survives it.
    heal: |cluster, node| cluster.operator(&["promote", &member(node)]),
};
