//! A node hears nobody; everybody hears it. Its votes and heartbeats arrive, answers to them do not.

use super::{Fault, isolate};
use crate::cluster::NODES;

pub const FAULT: Fault = Fault {
    name: "deaf",
    cuts_off: false, // acknowledgements are lost too, but what was on its way may still be read
    strike: |cluster, node| {
        let others = (0..NODES).filter(|other| *other != node);
        cluster.network()?.cut(&others.map(|other| (other, node)).collect())
    },
    ..isolate::FAULT
};
