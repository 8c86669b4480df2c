//! What the administration interface answers to what no client should send: each test bears the number of its
//! row in the table of guarantees.

use serde_json::{Value, json};

use crate::rest::{Reply, Request};
use crate::support::{Cluster, until};

fn token(cluster: &Cluster) -> String {
    cluster.env()["KEYRAFT_TOKEN"].clone()
}

/// A request of the platform operator.
async fn ask(cluster: &Cluster, line: &str) -> Reply {
    Request::new(line).token(&token(cluster)).send(cluster).await
}

async fn create(cluster: &Cluster, body: &str) -> Reply {
    Request::new("POST /v1/tenants").token(&token(cluster)).body("application/json", body).send(cluster).await
}

/// A refusal says everything a person needs, and nothing about the inside.
fn is_problem(reply: &Reply) {
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    for field in ["type", "title", "detail", "who_must_act", "next_step", "correlation_id"] {
        assert!(reply.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {}", reply.body);
    }
    assert_eq!(reply.body["status"], reply.status);
    assert_eq!(reply.body["correlation_id"], reply.headers["correlation-id"]);
    let told = reply.body.to_string();
    for inside in ["/src/", ".rs:", "panicked", "rocksdb", "openraft", "backtrace", "/root", "/home"] {
        assert!(!told.contains(inside), "{told} tells {inside:?}");
    }
    assert!(!reply.headers.contains_key("server"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a03_a_path_has_one_spelling() {
    let cluster = Cluster::shared();
    for path in [
        "/v1/tenants/../cluster",
        "/v1/tenants/%2e%2e/cluster",
        "/v1//tenants",
        "//v1/tenants",
        "/v1/tenants/",
        "/v1/tenants/tenant-a%00",
        "/v1/tenants/tenant-a;x=1",
        "/v1/tenants/tenant-a.",
        "/v1/tenants/tenant%2Da",
        "/v1/tenants/./tenant-a",
        "/v1/tenants/tenant-a/%2e%2e/tenant-b",
        "/v1/tenants/tenant-a/@suspend",
    ] {
        let reply = ask(&cluster, &format!("GET {path}")).await;
        assert_eq!(reply.status, 400, "{path}");
        is_problem(&reply);
    }
    for path in [
        "/v1/tenants/TENANT-A",
        "/V1/tenants",
        "/v1/Tenants",
        "/v1/tenants/tenant-a:",
        "/v1/tenants/tenant_a",
    ] {
        assert_eq!(ask(&cluster, &format!("GET {path}")).await.status, 404, "{path}");
    }
    assert_eq!(ask(&cluster, "POST /v1/tenants/tenant-a:explode").await.status, 404);
    assert_eq!(ask(&cluster, &format!("GET /v1/tenants?a={}", "x".repeat(3_000))).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a04_names_that_would_be_mistaken_are_refused() {
    let cluster = Cluster::shared();
    let long = "a".repeat(10_240);
    for name in [
        "root",
        "admin",
        "ADMIN",
        "Tenant-A",
        "*",
        "+",
        "",
        "..",
        "a b",
        "tenant-a\u{202e}",
        "système",
        &long,
    ] {
        let reply = create(&cluster, &json!({ "name": name }).to_string()).await;
        assert_eq!(reply.status, 400, "{name:?}");
        is_problem(&reply);
    }
    assert_eq!(
        create(&cluster, r#"{"name":"tenant-a"}"#).await.status,
        409,
        "one folded form, taken for ever"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a05_bodies_are_bounded_in_bytes_and_time() {
    let cluster = Cluster::shared();
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000));
    let reply = create(&cluster, &large).await;
    assert_eq!(reply.status, 413);
    is_problem(&reply);

    let post = || Request::new("POST /v1/tenants").token(&token(&cluster));
    let mut endless = post().header("Transfer-Encoding: chunked").header("Content-Type: application/json");
    endless.chunked = true;
    endless.body = format!("10000\r\n{}\r\n10000\r\n{}\r\n", "x".repeat(65_536), "x".repeat(65_536)).into();
    assert_eq!(endless.send(&cluster).await.status, 413);

    let bomb = post().header("Content-Encoding: gzip").body("application/json", vec![0x1f, 0x8b, 8, 0]);
    assert_eq!(bomb.send(&cluster).await.status, 415);

    // A body that never comes.
    let mut slow = post().header("Content-Length: 100").header("Content-Type: application/json");
    slow.chunked = true;
    slow.body = b"{".to_vec();
    let reply = slow.send(&cluster).await;
    assert_eq!(reply.status, 408);
    is_problem(&reply);

    // A stranger's body is not waited for.
    let mut stranger = Request::new("POST /v1/tenants").header("Content-Length: 50000000");
    stranger.chunked = true;
    assert_eq!(stranger.send(&cluster).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a06_json_that_two_readers_would_read_differently_is_refused() {
    let cluster = Cluster::shared();
    let deep = format!(r#"{{"labels":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let wide = format!(r#"{{"name":"wide","labels":{{{}}}}}"#, r#""":"","#.repeat(9_000));
    for body in [
        deep.as_str(),
        wide.as_str(),
        r#"{"name":"twice","name":"tenant-a"}"#,
        r#"{"name":"twice","labels":{"a":"1","a":"2"}}"#,
        r#"{"name":"number","lease_ms":1e999}"#,
        r#"{"name":"number","lease_ms":18446744073709551616}"#,
        r#"{"name":"number","lease_ms":-1}"#,
        r#"{"name":"unknown","owner":"me"}"#,
        r#"{"name":["list"]}"#,
        r#"{"name":"open""#,
        "[]",
        "null",
        "",
        "\u{feff}{}",
    ] {
        let reply = create(&cluster, body).await;
        assert_eq!(reply.status, 400, "{}", &body[..body.len().min(60)]);
        is_problem(&reply);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a07_types_and_methods_are_what_they_say() {
    let cluster = Cluster::shared();
    let body = r#"{"name":"another"}"#;
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "multipart/form-data",
    ] {
        let reply =
            Request::new("POST /v1/tenants").token(&token(&cluster)).body(media, body).send(&cluster).await;
        assert_eq!(reply.status, 415, "{media}");
        is_problem(&reply);
    }
    for line in [
        "TRACE /v1/tenants",
        "PUT /v1/tenants",
        "DELETE /v1/tenants/tenant-a",
        "OPTIONS /v1/tenants",
        "POST /livez",
    ] {
        let reply = ask(&cluster, line).await;
        assert_eq!(reply.status, 405, "{line}");
        is_problem(&reply);
    }
    for header in ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: PATCH"] {
        let request = Request::new("GET /v1/tenants/tenant-a").token(&token(&cluster)).header(header);
        assert_eq!(request.send(&cluster).await.status, 400, "{header}");
    }
    // No other page may read answers (U10).
    let asked =
        Request::new("GET /v1/tenants").token(&token(&cluster)).header("Origin: https://evil.example");
    let reply = asked.send(&cluster).await;
    assert!(!reply.headers.keys().any(|name| name.starts_with("access-control-")), "{:?}", reply.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_of_two_administrators_at_once_one_is_told_to_read_again() {
    let cluster = Cluster::start();
    let token = token(&cluster);
    let made = create(&cluster, r#"{"name":"acme"}"#).await;
    assert_eq!(made.status, 201);
    let read = made.headers["etag"].clone();

    // Both read the tenant, both rotate on different nodes: exactly one new version comes of it.
    let rotate = |node| {
        Request::new("POST /v1/tenants/acme:rotate")
            .token(&token)
            .header(format!("If-Match: {read}"))
            .to(node)
    };
    let (first, second) = (rotate(0), rotate(1));
    let (first, second) = tokio::join!(first.send(&cluster), second.send(&cluster));
    let mut told = [first.status, second.status];
    told.sort_unstable();
    assert!(told == [200, 409] || told == [200, 412], "{told:?}");
    let versions = ask(&cluster, "GET /v1/tenants/acme/versions").await;
    assert_eq!(versions.body["items"].as_array().map(Vec::len), Some(2), "one rotation, not two");

    let labels = json!({ "labels": { "a": "1" } });
    let patch = |tag: &str| {
        Request::new("PATCH /v1/tenants/acme").token(&token).header(format!("If-Match: {tag}")).json(&labels)
    };
    let stale = patch(&read).send(&cluster).await;
    assert_eq!(
        (stale.status, stale.body["type"].as_str()),
        (412, Some("urn:keyraft:problem:changed-meanwhile"))
    );
    let now = ask(&cluster, "GET /v1/tenants/acme").await.headers["etag"].clone();
    assert_eq!(patch(&now).send(&cluster).await.status, 200);
    assert_eq!(patch("nonsense").send(&cluster).await.status, 400);

    services_have_tags_too(&cluster, &token).await;
    one_key_is_one_effect(&cluster, &token).await;
}

async fn services_have_tags_too(cluster: &Cluster, token: &str) {
    let register = Request::new("POST /v1/tenants/acme/services").token(token);
    let made = register.json(&json!({ "name": "orders" })).send(cluster).await;
    assert_eq!(made.status, 201);
    let path = "/v1/tenants/acme/services/orders";
    let policy = |tag: &str, allowed: bool| {
        let body = json!({ "policy": { "auto_activate": true, "get_after_revoke": allowed } });
        Request::new(format!("PATCH {path}")).token(token).header(format!("If-Match: {tag}")).json(&body)
    };
    let changed = policy(&made.headers["etag"], false).send(cluster).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.body["policy"], json!({ "auto_activate": true, "get_after_revoke": false }));
    assert_eq!(
        policy(&made.headers["etag"], true).send(cluster).await.status,
        412,
        "somebody changed it meanwhile"
    );
    let shown = ask(cluster, &format!("GET {path}")).await;
    assert_eq!(
        (shown.body["policy"].clone(), &shown.headers["etag"]),
        (changed.body["policy"].clone(), &changed.headers["etag"])
    );
}

async fn one_key_is_one_effect(cluster: &Cluster, token: &str) {
    let post = |node: u16, name: &str| {
        let request = Request::new("POST /v1/tenants").token(token).header("Idempotency-Key: once").to(node);
        request.json(&json!({ "name": name }))
    };
    let first = post(0, "umbrella").send(cluster).await;
    let again = post(1, "umbrella").send(cluster).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body["handle"], again.body["handle"]);
    assert_eq!(post(2, "another").send(cluster).await.status, 409, "the same key for something else");
    what_took_effect_is_not_judged_again(cluster, token).await;
}

/// A request that is repeated is answered as the first, though what it insisted on holds no longer.
async fn what_took_effect_is_not_judged_again(cluster: &Cluster, token: &str) {
    let read = ask(cluster, "GET /v1/tenants/acme").await.headers["etag"].clone();
    let rotate = |node: u16| {
        let request = Request::new("POST /v1/tenants/acme:rotate").token(token).to(node);
        request.header(format!("If-Match: {read}")).header("Idempotency-Key: rotate-once")
    };
    let first = rotate(0).send(cluster).await;
    let again = rotate(1).send(cluster).await;
    assert_eq!((first.status, again.status), (200, 200), "{} {}", first.body, again.body);
    assert_eq!(first.body["l2_version"], again.body["l2_version"], "one rotation, not two");

    let register = |node: u16| {
        let request = Request::new("POST /v1/tenants/acme/services").token(token).to(node);
        request.header("Idempotency-Key: register-once").json(&json!({ "name": "ledger" }))
    };
    let made = register(0).send(cluster).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(ask(cluster, "POST /v1/tenants/acme/services/ledger:shred").await.status, 200);
    let again = register(1).send(cluster).await;
    assert_eq!((again.status, &again.body["handle"]), (201, &made.body["handle"]), "{}", again.body);
    assert_eq!(again.body["state"], "shredded", "it is not enabled again");

    let approvals = |node: u16, tag: &str| {
        let request = Request::new("PATCH /v1/tenants/acme").token(token).to(node);
        let request = request.header(format!("If-Match: {tag}")).header("Idempotency-Key: approvals-once");
        request.json(&json!({ "approvals": 1 }))
    };
    let read = ask(cluster, "GET /v1/tenants/acme").await.headers["etag"].clone();
    for node in [0, 1] {
        let reply = approvals(node, &read).send(cluster).await;
        assert_eq!((reply.status, &reply.body["approvals"]), (200, &json!(1)), "{}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_a_wrong_credential_learns_nothing() {
    let cluster = Cluster::shared();
    let right = token(&cluster);
    let (most, last) = right.split_at(right.len() - 1);
    let almost = format!("{most}{}", if last == "0" { "1" } else { "0" });
    let mut told: Vec<Value> = Vec::new();
    for header in [
        format!("Authorization: Bearer {almost}"),
        "Authorization: Bearer x".to_owned(),
        format!("Authorization: Basic {right}"),
        format!("Authorization: {right}"),
        "Authorization: Bearer".to_owned(),
        format!("Authorization: Bearer {right}\r\nAuthorization: Bearer {right}"),
    ] {
        let mut reply = Request::new("GET /v1/cluster").header(header).to(1).send(&cluster).await;
        assert_eq!(reply.status, 401);
        reply.body["correlation_id"] = Value::Null;
        told.push(reply.body);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "one text for every wrong credential");
}

#[tokio::test(flavor = "multi_thread")]
async fn a15_guessing_ends_and_a_header_does_not_change_who_guesses() {
    let cluster = Cluster::start();
    let right = token(&cluster);
    let mut last = 0;
    for number in 0..40 {
        let guess = Request::new("GET /v1/cluster").token(&format!("guess-{number}-{}", "x".repeat(30)));
        let reply = guess.header(format!("X-Forwarded-For: 192.0.2.{number}")).send(&cluster).await;
        last = reply.status;
        assert!([401, 429].contains(&last), "{last}");
        if last == 429 {
            is_problem(&reply);
            assert!(reply.headers["retry-after"].parse::<u64>().is_ok_and(|seconds| seconds > 0));
        }
    }
    assert_eq!(last, 429);
    // Judged before the credential, or a guesser would learn that it was right.
    let reply = Request::new("GET /v1/cluster").token(&right).send(&cluster).await;
    assert_eq!(reply.status, 429);
    // The other nodes have seen no guess.
    assert_eq!(Request::new("GET /v1/cluster").token(&right).to(1).send(&cluster).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a17_nothing_about_the_process_is_public() {
    let cluster = Cluster::shared();
    for path in ["/metrics", "/v1/openapi.json", "/v1/cluster", "/v1/whoami"] {
        assert_eq!(Request::new(format!("GET {path}")).send(&cluster).await.status, 401, "{path}");
    }
    for path in ["/debug/pprof", "/debug", "/status", "/server-info", "/actuator/env", "/.env", "/"] {
        let status = Request::new(format!("GET {path}")).send(&cluster).await.status;
        assert!([400, 404].contains(&status), "{path}: {status}");
    }
    let metrics = ask(&cluster, "GET /metrics").await;
    assert_eq!(metrics.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_node_that_cannot_answer_says_no_more_than_that() {
    let mut cluster = Cluster::start();
    until("every node votes", || {
        let status = cluster.status(0).unwrap_or_default();
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        nodes.len() == 3
            && nodes.iter().all(|node| ["leader", "follower"].contains(&node["role"].as_str().unwrap_or("")))
    });
    cluster.kill(1);
    cluster.kill(2);
    // Whether its lease still holds or not: without the others nothing is written.
    let reply = create(&cluster, r#"{"name":"acme"}"#).await;
    assert!([503, 504].contains(&reply.status), "{} {}", reply.status, reply.body);
    is_problem(&reply);
    assert_eq!(reply.body["who_must_act"], "nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a20_no_log_level_tells_a_credential() {
    let mut cluster = Cluster::start_with("[log]\nfilter = \"trace\"\n");
    let secret = token(&cluster);
    let guess = format!("wrong-{secret}");
    for request in
        [Request::new("GET /v1/tenants").token(&secret), Request::new("GET /v1/tenants").token(&guess)]
    {
        request.send(&cluster).await;
    }
    create(&cluster, r#"{"name":"acme","labels":{"a":"b"}}"#).await;
    cluster.stop(rustix::process::Signal::INT);
    let log = std::fs::read_to_string(cluster.node(0).join("log")).expect("a log");
    assert!(log.contains("TRACE"), "the log is at its most talkative");
    assert!(!log.contains(&secret), "a bearer token stands in the log");
}
