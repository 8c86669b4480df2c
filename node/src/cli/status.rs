//! `keyraft status`: the nodes of the cluster, and an exit code a script can act on.

use std::process::ExitCode;

use serde_json::Value;

use super::api::ApiError;
use super::{Connection, Format, output};

/// No quorum, or no node could be asked: nothing can be written.
const NO_QUORUM: u8 = 2;
/// Serving, but a node is missing or not ready.
const DEGRADED: u8 = 3;

const COLUMNS: &[output::Column] = &[
    ("NODE", "/node_id"),
    ("ROLE", "/role"),
    ("READY", "/ready"),
    ("LEASE MS", "/lease_remaining_ms"),
    ("APPLIED", "/applied"),
    ("LAG", "/lag"),
    ("KMIP", "/kmip"),
    ("VERSION", "/version"),
];

/// Asks any node about all of them.
#[allow(clippy::print_stdout)] // the answer of a command
pub fn run(connection: &Connection) -> anyhow::Result<ExitCode> {
    let cluster = match connection.api()?.get("/v1/cluster") {
        Ok(cluster) => cluster,
        Err(error @ ApiError::Unreachable { .. }) => {
            eprintln!("keyraft: {error}");
            return Ok(ExitCode::from(NO_QUORUM));
        }
        Err(error) => return Err(error.into()),
    };
    match connection.output {
        Format::Table => {
            let text =
                |name: &str| cluster[name].as_str().map_or_else(|| cluster[name].to_string(), str::to_owned);
            println!("realm {}  region {}  term {}\n", text("realm"), text("region"), text("term"));
            output::print(Format::Table, &cluster["nodes"], COLUMNS);
            in_error(&cluster).iter().for_each(|root| println!("\n{root}"));
            if let Some(warning) = unnoticed(&cluster) {
                println!("\n{warning}");
            }
        }
        format => output::print(format, &cluster, &[]),
    }
    Ok(ExitCode::from(judge(&cluster)))
}

/// Says where a freeze by the hypervisor would go unnoticed: there a withdrawal's promise is conditional.
fn unnoticed(cluster: &Value) -> Option<String> {
    let blind = |node: &&Value| node["role"] != "unreachable" && node["pause_detection"] != "ptp_kvm";
    let nodes = cluster["nodes"].as_array()?.iter().filter(blind);
    let nodes: Vec<_> = nodes.map(|node| node["node_id"].to_string()).collect();
    (!nodes.is_empty()).then(|| {
        format!(
            "pause not detectable on {}: withdrawals hold there only while no\nhypervisor freezes the machine",
            nodes.join(", ")
        )
    })
}

/// Roots that do not work, and what that means for their tenants. The node says how long that is: this machine's clock
/// is not the cluster's.
fn in_error(cluster: &Value) -> Vec<String> {
    let roots = cluster["roots_in_error"].as_array().map(Vec::as_slice).unwrap_or_default();
    let say = |root: &Value| {
        let text = |name: &str| root[name].as_str().unwrap_or("?").to_owned();
        let whose = root["tenant"].as_str().unwrap_or("every tenant without one of its own");
        let left = root["serves_for_s"].as_u64().map(output::span);
        let left = left.map_or("closed".to_owned(), |left| format!("hot keys serve {left} more"));
        format!("root {} is {}: {left}\n  of {whose}, see keyraft root list", text("root"), text("key_state"))
    };
    roots.iter().map(say).collect()
}

fn judge(cluster: &Value) -> u8 {
    let nodes = cluster["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ready = nodes.iter().filter(|node| node["ready"] == true).count();
    if cluster["leader"].is_null() || ready == 0 {
        NO_QUORUM
    } else if ready < nodes.len() {
        DEGRADED
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_promise_that_is_conditional_is_said_to_be() {
        let node = |id, how| json!({ "node_id": id, "role": "follower", "pause_detection": how });
        let of = |nodes: &[Value]| unnoticed(&json!({ "nodes": nodes }));
        assert_eq!(of(&[node(1, "ptp_kvm")]), None);
        let told = of(&[node(1, "ptp_kvm"), node(4, "pause not detectable")]).expect("a warning");
        assert!(told.starts_with("pause not detectable on 4:"));
        assert!(told.lines().all(|line| line.len() <= 80), "{told}");
    }

    #[test]
    fn a_countdown_is_told_and_fits_a_terminal() {
        let cluster = json!({ "roots_in_error": [
            { "tenant": "acme", "root": "own", "key_state": "unreachable", "serves_until": 1, "serves_for_s": 3_725 },
            { "tenant": null, "root": "platform", "key_state": "pending deletion", "serves_for_s": null },
        ]});
        let told = in_error(&cluster);
        assert!(told[0].starts_with("root own is unreachable: hot keys serve 1 h 02 min more\n  of acme,"));
        assert!(told[1].starts_with("root platform is pending deletion: closed\n  of every tenant"));
        assert!(told.iter().flat_map(|text| text.lines()).all(|line| line.len() <= 80), "{told:?}");
    }

    #[test]
    fn the_exit_code_tells_health() {
        let node = |ready| json!({ "ready": ready });
        assert_eq!(judge(&json!({ "leader": 1, "nodes": [node(true), node(true)] })), 0);
        assert_eq!(judge(&json!({ "leader": 1, "nodes": [node(true), node(false)] })), DEGRADED);
        assert_eq!(judge(&json!({ "leader": null, "nodes": [node(true)] })), NO_QUORUM);
        assert_eq!(judge(&json!({ "leader": 1, "nodes": [node(false)] })), NO_QUORUM);
    }
}
