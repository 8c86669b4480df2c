//! Nobody hears a node; it hears everybody. Heartbeats reach it, its answers reach no one.

use super::{Fault, isolate};
use crate::cluster::NODES;

pub const FAULT: Fault = Fault {
    name: "mute",
    cuts_off: false, // a renewal that waits in a buffer may still be on its way
    strike: |cluster, node| {
        let others = (0..NODES).filter(|other| *other != node);
        cluster.network()?.cut(&others.map(|other| (node, other)).collect())
    },
    ..isolate::FAULT
};
