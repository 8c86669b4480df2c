//! What happened to the nodes, and what the derivation probes saw meanwhile.

use std::time::Duration;

use serde::Serialize;

use crate::ledger::Time;

/// One fault that struck, from its beginning until the node served again.
#[derive(Clone, Debug, Serialize)]
pub struct Strike {
    /// Which fault.
    pub fault: &'static str,
    /// Whom it met.
    pub node: usize,
    /// Whether other nodes may have failed to serve as well.
    pub everyone: bool,
    /// Whether that node led then.
    pub was_leader: bool,
    /// When it struck.
    #[serde(serialize_with = "as_ms")]
    pub struck: Time,
    /// When it ended.
    #[serde(serialize_with = "as_ms")]
    pub healed: Time,
    /// When the node answered again.
    #[serde(serialize_with = "as_ms")]
    pub ready: Time,
    /// Whether the process was seen dead or stopped.
    pub bitten: bool,
    /// Whether clients of the node noticed.
    pub noticed: bool,
    /// From the strike until the node gave its last key, if it was cut off from its peers.
    #[serde(serialize_with = "optional_as_ms")]
    pub last_serve: Option<Duration>,
    /// From the strike to the next write that the other nodes acknowledged, if the leader was struck.
    #[serde(serialize_with = "optional_as_ms")]
    pub write_gap: Option<Duration>,
}

fn as_ms<S: serde::Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(time.as_millis())
}

fn optional_as_ms<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_millis()).serialize(serializer)
}

/// A derivation that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Miss {
    /// Whom it asked.
    pub node: usize,
    /// When it began.
    #[serde(serialize_with = "as_ms")]
    pub begun: Time,
    /// When it failed.
    #[serde(serialize_with = "as_ms")]
    pub ended: Time,
    /// Why.
    pub why: String,
}

/// What the probe of one node saw.
#[derive(Clone, Debug, Default)]
pub struct Probed {
    /// Derivations that came back.
    pub succeeded: u64,
    /// The longest of them.
    pub slowest: Duration,
    /// When the last of them began and ended.
    pub last_success: Option<(Time, Time)>,
    /// Those that did not.
    pub missed: Vec<Miss>,
}

/// The derivations that failed on a node nothing had happened to: there should be none.
pub fn lost_on_survivors<'m>(strikes: &[Strike], missed: &'m [Miss]) -> Vec<&'m Miss> {
    let excused = |miss: &&Miss| {
        strikes.iter().any(|strike| {
            (strike.everyone || strike.node == miss.node)
                && miss.ended >= strike.struck
                && miss.begun <= strike.ready
        })
    };
    missed.iter().filter(|miss| !excused(miss)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_struck_node_is_excused_and_only_until_it_is_back() {
        let ms = Duration::from_millis;
        let strike = Strike {
            fault: "kill",
            node: 1,
            everyone: false,
            was_leader: true,
            struck: ms(100),
            healed: ms(500),
            ready: ms(900),
            bitten: true,
            noticed: true,
            last_serve: None,
            write_gap: None,
        };
        let miss = |node, begun, ended| Miss { node, begun: ms(begun), ended: ms(ended), why: String::new() };
        let missed = [miss(1, 90, 110), miss(1, 890, 950), miss(1, 901, 950), miss(0, 200, 300)];
        let lost: Vec<(usize, Duration)> =
            lost_on_survivors(&[strike], &missed).iter().map(|miss| (miss.node, miss.begun)).collect();
        assert_eq!(lost, [(1, ms(901)), (0, ms(200))]);
    }
}
