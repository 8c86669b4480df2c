//! The barrier is rotated under load: no request fails, no node is left behind, and whoever dies in between goes
//! on where it was.

use client::KeyRequest;
use serde_json::Value;

use crate::load::Load;
use crate::support::{Cluster, NODES, text, until};

fn barrier(cluster: &Cluster) -> Value {
    let output = cluster.keyraft(&["operator", "barrier", "-o", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_barrier_is_rotated_under_load_and_waits_for_who_is_away() {
    let mut cluster = Cluster::start();
    let client = cluster.client(0, "tenant-a");
    let (key, bytes) = client.create_and_get(&KeyRequest::aes256().named("early")).await.expect("a key");
    let load = Load::start(&cluster, "tenant-a", &[0, 1, 2], &key, bytes.expose());
    let rotated = cluster.json(&["operator", "rotate-barrier"]);
    assert_eq!((&rotated["term"], &rotated["rotation"]), (&2.into(), &Value::Null), "{rotated}");
    assert!(load.stop().await.requests > 0, "the load ran");
    let (late, late_bytes) = client.create_and_get(&KeyRequest::aes256().named("late")).await.expect("a key");
    // What a backup holds is sealed under the new term, which its keyring has.
    let made = cluster.json(&["backup", "create"]);
    let location = made["location"].as_str().expect("a place").to_owned();
    let config = cluster.node(0).join("config.toml");
    let config = config.to_str().expect("UTF-8");
    let judged = cluster.keyraft(&["backup", "verify", &location, "--config", config]);
    assert!(judged.status.success(), "{}", text(&judged.stderr));

    // A follower is away: the next rotation waits for it, and outlives the leader that began it.
    let leader = cluster.leader();
    let away = (leader + 1) % NODES;
    cluster.kill(away);
    let begun = cluster.json(&["operator", "rotate-barrier", "--no-wait"]);
    assert_eq!((&begun["term"], &begun["rotation"]["term"]), (&2.into(), &3.into()), "{begun}");
    let again = cluster.keyraft(&["operator", "rotate-barrier"]);
    assert!(!again.status.success() && text(&again.stderr).contains("running"), "{}", text(&again.stderr));
    until("the nodes that live keep it", || {
        barrier(&cluster)["rotation"]["kept_by"].as_array().is_some_and(|nodes| nodes.len() == NODES - 1)
    });
    let waits = barrier(&cluster);
    assert_eq!(waits["rotation"]["waits_for"], Value::Array(vec![format!("node-{away}").into()]), "{waits}");
    assert_eq!(waits["term"], 2, "nothing is sealed with what somebody cannot open");
    cluster.kill(leader);
    cluster.run(away);
    cluster.run(leader);
    until("every node keeps the new term", || {
        let now = barrier(&cluster);
        now["term"] == 3 && now["rotation"].is_null()
    });
    // Everything that was ever sealed opens for processes that know nothing but what lies on their disks.
    for node in 0..NODES {
        cluster.caught_up(node);
    }
    (0..NODES).for_each(|node| cluster.kill(node));
    (0..NODES).for_each(|node| cluster.run(node));
    for node in 0..NODES {
        cluster.caught_up(node);
        let client = cluster.client(node, "tenant-a");
        assert_eq!(client.get(&key).await.expect("the early key").expose(), bytes.expose());
        assert_eq!(client.get(&late).await.expect("the late key").expose(), late_bytes.expose());
    }
    let told = cluster.json(&["events"]);
    let terms = |kind: &str| -> Vec<u64> {
        let events = told.as_array().expect("events").iter().filter(|event| event["event"] == kind);
        events.filter_map(|event| event["term"].as_u64()).collect()
    };
    assert_eq!((terms("barrier_rotation_started"), terms("barrier_rotated")), (vec![2, 3], vec![2, 3]));
}
