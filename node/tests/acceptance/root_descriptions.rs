//! What owners may say about their roots, and what comes of it: no address of ours is asked on their word, no path
//! is theirs to name, and no secret comes out again. Each test bears the number of its row in the table of
//! guarantees.

use serde_json::{Value, json};

use crate::peers::{PROVIDERS, Peers};
use crate::rest::{Reply, Request};
use crate::support::{Cluster, NODES, text};

const METADATA: &str = "169.254.169.254";

fn ask(cluster: &Cluster, line: &str) -> Request {
    Request::new(line).token(&cluster.env()["KEYRAFT_TOKEN"])
}

async fn configure(cluster: &Cluster, name: &str, config: &Value, credentials: &Value) -> Reply {
    let body = json!({ "name": name, "config": config, "credentials": credentials });
    ask(cluster, "POST /v1/tenants/tenant-b/roots").json(&body).send(cluster).await
}

/// The names of the tenant's roots.
async fn kept(cluster: &Cluster) -> Vec<Value> {
    let roots = ask(cluster, "GET /v1/tenants/tenant-b/roots").send(cluster).await;
    roots.body["items"].as_array().expect("items").iter().map(|root| root["name"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a08_an_address_is_asked_by_leave_alone_and_never_for_another() {
    let cluster = Cluster::shared();
    let token = json!({ "kind": "token", "token": "t" });
    let access_key = json!({ "kind": "access_key", "access_key_id": "AKIA", "secret_access_key": "s" });
    let secret = json!({ "kind": "client_secret", "client_secret": "s" });
    let transit = |address: &str| json!({ "provider": "transit", "address": address, "key": "k" });
    let aws = |endpoint: &str| {
        json!({ "provider": "aws_kms", "endpoint": endpoint,
            "key_arn": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" })
    };
    let azure = |key_url: &str, authority: &str| {
        json!({ "provider": "azure_key_vault", "key_url": key_url, "authority": authority,
            "directory_id": "d", "client_id": "c" })
    };
    let kmip = |address: &str| json!({ "provider": "kmip", "address": address, "key_uid": "1" });
    let vault = "https://acme.vault.azure.net/keys/k";
    for (config, credentials, expected) in [
        (transit(&format!("https://{METADATA}")), &token, METADATA),
        (transit(&format!("https://{METADATA}:443/latest/meta-data")), &token, ""),
        (transit("https://[fe80::1]:8200"), &token, "fe80::1"),
        (transit("https://[::ffff:169.254.169.254]"), &token, ""),
        (transit("https://10.0.0.1:8200"), &token, "10.0.0.1"),
        (transit("https://metadata.google.internal"), &token, "metadata.google.internal"),
        (transit("https://2852039166"), &token, ""),
        (transit("https://0xa9fea9fe"), &token, ""),
        (transit("file:///etc/passwd"), &token, "https://"),
        (transit("http://localhost:8200"), &token, "https://"),
        (transit("https://user@localhost:8200"), &token, ""),
        (aws(&format!("https://{METADATA}")), &access_key, METADATA),
        (
            azure(&format!("https://{METADATA}/keys/k"), "https://login.microsoftonline.com"),
            &secret,
            METADATA,
        ),
        (azure(vault, "https://evil.example"), &secret, "evil.example"),
        (kmip(&format!("{METADATA}:5696")), &token, ""),
    ] {
        let reply = configure(&cluster, "ssrf", &config, credentials).await;
        assert_eq!(reply.status, 400, "{config}: {}", reply.body);
        let detail = reply.body["detail"].as_str().expect("a detail");
        assert!(detail.contains(expected), "{detail:?} does not say {expected:?}");
    }
    // One that may be asked sends us on to the metadata service: nobody goes there.
    let peers = Peers::start(&PROVIDERS[1..2]);
    if let Some((_, transit)) = peers.roots(&cluster).next() {
        peers.fake("transit").mode("redirect");
        let reply = configure(&cluster, "ssrf", &transit.config, &transit.credentials).await;
        assert_eq!(reply.status, 400, "{}", reply.body);
        let detail = reply.body["detail"].as_str().expect("a detail");
        assert!(!detail.contains(METADATA) && detail.contains("redirect"), "{detail}");
    }
    assert_eq!(kept(&cluster).await, ["platform"], "nothing of it was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a09_no_path_can_be_set_by_api() {
    let cluster = Cluster::shared();
    let pin = json!({ "kind": "pin", "pin": "1234" });
    let none = json!({ "kind": "workload_identity" });
    let pkcs11 = |more: Value| {
        let mut config = json!({ "provider": "pkcs11", "hsm": "softhsm", "token": "t", "key_label": "k",
            "key_id": "01" });
        config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        config
    };
    let plugin = "/tmp/evil.so";
    for (config, credentials) in [
        (pkcs11(json!({ "module": plugin })), &pin),
        (pkcs11(json!({ "parameters": "configdir='/tmp'" })), &pin),
        (pkcs11(json!({ "pin_file": "/etc/shadow" })), &pin),
        (pkcs11(json!({ "hsm": plugin })), &pin),
        (pkcs11(json!({ "hsm": "../softhsm" })), &pin),
        (json!({ "provider": "software", "key": "../../ca/server.key" }), &none),
        (json!({ "provider": "software", "key": "customer", "danger_key_file": "/etc/passwd" }), &none),
        (json!({ "provider": "transit", "address": "https://localhost:1", "key": "../../sys/seal" }), &none),
        (
            json!({ "provider": "transit", "address": "https://localhost:1", "key": "k", "ca_file": "/x" }),
            &none,
        ),
        (json!({ "provider": "plugin", "path": plugin }), &none),
        (json!({ "provider": "software", "key": "customer" }), &json!({ "kind": "pin", "pin_file": "/x" })),
    ] {
        let reply = configure(&cluster, "path", &config, credentials).await;
        assert_eq!(reply.status, 400, "{config}: {}", reply.body);
    }
    for (line, body) in [
        ("PATCH /v1/tenants/tenant-b", json!({ "audit_file": "/etc/cron.d/x" })),
        ("POST /v1/tenants", json!({ "name": "paths", "data_dir": "/etc" })),
        ("PUT /v1/tenants/tenant-b/root-policy", json!({ "module": plugin })),
    ] {
        let reply = ask(&cluster, line).json(&body).send(&cluster).await;
        assert!([400, 422].contains(&reply.status), "{line}: {} {}", reply.status, reply.body);
    }
    assert_eq!(kept(&cluster).await, ["platform"], "nothing of it was kept");
    // Whatever the interface takes is in its description.
    let document = ask(&cluster, "GET /v1/openapi.json").send(&cluster).await.body;
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let requests = schemas.iter().filter(|(name, _)| name.ends_with("Request"));
    let fields = requests.flat_map(|(name, schema)| {
        schema["properties"].as_object().into_iter().flatten().map(move |(field, _)| (name, field))
    });
    let mut seen = 0;
    for (name, field) in fields {
        seen += 1;
        let told =
            ["file", "path", "module", "plugin", "folder", "dir"].iter().any(|word| field.contains(word));
        assert!(!told, "{name} has a field {field}");
    }
    assert!(seen > 5, "the description has no requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_credentials_go_in_and_never_come_out() {
    let mut cluster = Cluster::start_with("[log]\nfilter = \"trace\"\n");
    let peers = Peers::start(&PROVIDERS[1..2]);
    let Some((_, transit)) = peers.roots(&cluster).next() else { return };
    let secret = transit.credentials["token"].as_str().expect("a token").to_owned();
    let made = configure(&cluster, "own", &transit.config, &transit.credentials).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let wrong = json!({ "kind": "token", "token": format!("{secret}-but-wrong") });
    let refused = configure(&cluster, "wrong", &transit.config, &wrong).await;
    assert!((400..600).contains(&refused.status), "{}", refused.body);
    let hides = |what: &str, told: &str| {
        assert!(!told.contains(&secret), "{what} tells the credentials");
        assert!(!told.contains("BEGIN PRIVATE KEY"), "{what} tells a private key");
    };
    hides("the answer", &made.body.to_string());
    hides("a refusal", &refused.body.to_string());
    let replace = ask(&cluster, "PUT /v1/tenants/tenant-b/roots/own/credentials");
    for (given, status) in [(&transit.credentials, 200), (&wrong, 400)] {
        let reply = replace.clone().json(&json!({ "credentials": given })).send(&cluster).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        hides("the answer to new credentials", &reply.body.to_string());
    }
    let job = ask(&cluster, "POST /v1/tenants/tenant-b/roots/own:switch").send(&cluster).await;
    hides("the job", &job.body.to_string());
    for node in 0..NODES {
        for path in ["roots", "roots/own", "jobs", "versions", "objects", "workflows"] {
            let line = format!("GET /v1/tenants/tenant-b/{path}");
            let reply = ask(&cluster, &line).to(u16::try_from(node).expect("few")).send(&cluster).await;
            assert_eq!(reply.status, 200, "{path}");
            hides(path, &reply.body.to_string());
        }
    }
    for path in ["/metrics", "/v1/events", "/v1/openapi.json"] {
        hides(path, &ask(&cluster, &format!("GET {path}")).send(&cluster).await.body.to_string());
    }
    let listed = cluster.keyraft(&["root", "list", "tenant-b", "-o", "yaml"]);
    hides("the command line", &(text(&listed.stdout) + &text(&listed.stderr)));
    cluster.stop(rustix::process::Signal::INT);
    for node in 0..NODES {
        let log = std::fs::read_to_string(cluster.node(node).join("log")).expect("a log");
        assert!(log.contains("TRACE"), "the log is at its most talkative");
        hides("the log", &log);
    }
}
