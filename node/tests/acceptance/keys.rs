//! What the cluster promises about keys: one identifier, one key, on every node; nobody else's; never
//! "not found" after an acknowledged write, never the key after an acknowledged withdrawal.

use client::{Client, Error, KeyRequest};
use kmip::{Attribute, Name, ResultReason, RevocationReasonCode, Version};

use crate::support::{Cluster, NODES, rounds, text};

#[tokio::test(flavor = "multi_thread")]
async fn every_node_gives_one_tenant_its_key_and_the_other_nothing() {
    let cluster = Cluster::start();
    let clients = cluster.clients("tenant-a");
    let (ephemeral, bytes) = clients[0].create_and_get(&KeyRequest::aes256()).await.expect("a key");
    let named = KeyRequest::aes256().named("shared name");
    let (recorded, more) = clients[0].create_and_get(&named).await.expect("a recorded key");
    assert_eq!((ephemeral.len(), bytes.len()), (64, 32));
    for client in &clients {
        assert!(client.get(&ephemeral).await.expect("the key").expose() == bytes.expose());
        assert!(client.get(&recorded).await.expect("the key").expose() == more.expose());
    }
    for (version, reason) in
        [(Version::V1_4, ResultReason::ItemNotFound), (Version::V2_1, ResultReason::ObjectNotFound)]
    {
        for node in 0..NODES {
            let mut settings = cluster.settings(&[node], "tenant-b", "mongodb");
            settings.version = version;
            let stranger = Client::new(&settings).expect("settings");
            let absent = refusal(stranger.get(&"a".repeat(64)).await);
            assert_eq!(absent.0, reason);
            for foreign in [&ephemeral, &recorded] {
                assert_eq!(refusal(stranger.get(foreign).await), absent, "foreign as absent");
                let revoked = stranger.revoke(foreign, RevocationReasonCode::KeyCompromise).await;
                assert_eq!(refusal(revoked), absent);
                assert_eq!(refusal(stranger.destroy(foreign).await), absent);
            }
            let same_name = vec![Attribute::Name(Name::from("shared name"))];
            assert!(stranger.locate(same_name).await.expect("a search").is_empty());
        }
    }
    let theirs = cluster.client(1, "tenant-b").create_and_get(&named).await.expect("names are per tenant");
    assert!(theirs.1.expose() != more.expose());
    assert!(clients[2].get(&recorded).await.expect("untouched").expose() == more.expose());
}

fn must<T>(what: &str, answer: Result<T, Error>) -> T {
    answer.unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn refusal<T>(answer: Result<T, Error>) -> (ResultReason, String) {
    match answer {
        Ok(_) => panic!("answered"),
        Err(Error::Refused { reason, message, .. }) => (reason, message),
        Err(other) => panic!("no refusal: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_hold_on_every_node_at_once() {
    let cluster = Cluster::start();
    let clients = cluster.clients("tenant-a");
    for round in 0..rounds() {
        let name = format!("round {round}");
        let (here, there) = (&clients[round % NODES], &clients[(round + 1 + round / NODES % 2) % NODES]);
        let key = KeyRequest::aes256().named(&name);
        let (identifier, bytes) = must(&name, here.create_and_get(&key).await);
        assert!(must(&name, there.get(&identifier).await).expose() == bytes.expose());
        let found = there.locate(vec![Attribute::Name(Name::from(name.as_str()))]).await;
        assert_eq!(must(&name, found), [identifier.as_str()]);
        must(&name, there.activate(&identifier).await);

        let reason = RevocationReasonCode::CessationOfOperation;
        must(&name, there.revoke(&identifier, reason).await);
        must(&name, there.destroy(&identifier).await);
        for (node, client) in clients.iter().enumerate() {
            let refused = refusal(client.get(&identifier).await);
            assert_eq!(refused.0, ResultReason::ItemNotFound, "{name}, node {node}: {}", refused.1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn destroyed_ephemeral_keys_are_gone_on_every_node_at_once() {
    let cluster = Cluster::start();
    let clients = cluster.clients("tenant-a");
    for round in 0..rounds() {
        let (identifier, _) = clients[0].create_and_get(&KeyRequest::aes256()).await.expect("a key");
        clients[round % NODES].destroy(&identifier).await.expect("a Pre-Active key may be destroyed");
        for (node, client) in clients.iter().enumerate() {
            let refused = refusal(client.get(&identifier).await);
            assert_eq!(refused.0, ResultReason::ItemNotFound, "round {round}, node {node}: {}", refused.1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_makes_a_version_and_keeps_what_the_old_one_made() {
    let cluster = Cluster::start();
    let clients = cluster.clients("tenant-a");
    let shown = cluster.json(&["tenant", "get", "tenant-a"]);
    assert_eq!(shown["primary"], "L2-tenant-a-primary");
    let (old, bytes) = clients[0].create_and_get(&KeyRequest::aes256()).await.expect("a key");
    cluster.json(&["tenant", "rotate", "tenant-a"]);
    let versions = cluster.json(&["tenant", "versions", "tenant-a"]);
    let names: Vec<_> = versions.as_array().expect("a list").iter().map(|version| &version["name"]).collect();
    assert_eq!(names, ["L2-tenant-a-primary", "L2-tenant-a-primary-v1"], "newest first");
    let shown = cluster.json(&["tenant", "get", "tenant-a"]);
    assert_eq!((&shown["primary"], &shown["l2_version"]), (&"L2-tenant-a-primary".into(), &2.into()));
    for client in &clients {
        assert!(client.get(&old).await.expect("old identifiers answer").expose() == bytes.expose());
        let (new, fresh) = client.create_and_get(&KeyRequest::aes256()).await.expect("a key");
        assert!(fresh.expose() != bytes.expose());
        for other in &clients {
            assert!(other.get(&new).await.expect("the same everywhere").expose() == fresh.expose());
        }
    }
}

/// Refused everywhere from the acknowledgement on, by connections that
/// were open before as well as by new ones.
#[tokio::test(flavor = "multi_thread")]
async fn k08_k23_stopping_a_service_or_a_tenant_holds_everywhere_when_it_is_acknowledged() {
    let cluster = Cluster::start();
    let open = cluster.clients("tenant-a");
    let (identifier, bytes) = open[0].create_and_get(&KeyRequest::aes256()).await.expect("a key");
    for client in &open {
        client.get(&identifier).await.expect("the key is hot on every node");
    }
    let redis = Client::new(&cluster.settings(&[1], "tenant-a", "redis")).expect("settings");
    let (other, _) = redis.create_and_get(&KeyRequest::aes256()).await.expect("another service's key");
    let neighbour = cluster.client(2, "tenant-b");
    let (theirs, _) = neighbour.create_and_get(&KeyRequest::aes256()).await.expect("another tenant's key");

    let service = ["tenant-a", "mongodb"];
    let tenant = ["tenant-a"];
    for (noun, target) in [("service", &service[..]), ("tenant", &tenant[..])] {
        cluster.json(&[&[noun, "suspend"], target].concat());
        for client in open.iter().chain(&cluster.clients("tenant-a")) {
            assert_eq!(refusal(client.get(&identifier).await).0, ResultReason::PermissionDenied);
            assert_eq!(refusal(client.create(&KeyRequest::aes256()).await).0, ResultReason::PermissionDenied);
        }
        assert_eq!(redis.get(&other).await.is_ok(), noun == "service", "the other service");
        neighbour.get(&theirs).await.expect("the other tenant notices nothing");
        cluster.json(&[&[noun, "resume"], target].concat());
        for client in &open {
            let again = must("after the resumption", client.get(&identifier).await);
            assert!(again.expose() == bytes.expose());
        }
    }

    let refused = cluster.keyraft(&["service", "shred", "tenant-a", "mongodb", "--confirm", "mongo"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    cluster.json(&["service", "shred", "tenant-a", "mongodb", "--confirm", "mongodb"]);
    for client in open.iter().chain(&cluster.clients("tenant-a")) {
        refusal(client.get(&identifier).await);
        refusal(client.create(&KeyRequest::aes256()).await);
    }
    cluster.json(&["service", "register", "tenant-a", "mongodb", "--service-type", "mongodb"]);
    for client in &open {
        assert_eq!(refusal(client.get(&identifier).await).0, ResultReason::ItemNotFound, "a new seed");
        client.create(&KeyRequest::aes256()).await.expect("enabled again");
    }
    redis.get(&other).await.expect("the other service was never touched");
    neighbour.get(&theirs).await.expect("the other tenant was never touched");
}
