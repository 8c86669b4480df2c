//! Four eyes and second factors: dangerous deeds want other people's approval, and nothing goes around it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::identity_provider::IdentityProvider;
use crate::rest::{Reply, Request};
use crate::support::{Cluster, PATIENCE};

/// What the provider calls a second factor.
const SECOND_FACTOR: &str =
    "platform = true\n[admin.identity_provider.second_factor]\nacr = [\"urn:keyraft:two\"]\n";

struct Bench<'a> {
    cluster: &'a Cluster,
    provider: &'a IdentityProvider,
}

impl Bench<'_> {
    /// A request of one of the provider's people; nodes take turns.
    async fn ask(&self, who: &str, line: &str, body: Option<Value>) -> Reply {
        let mut request =
            Request::new(line).token(&self.provider.token(who)).to(u16::from(line.len() % 3 == 1));
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send(self.cluster).await
    }

    /// The same request on two nodes, under one key.
    async fn twice(&self, who: &str, line: &str, key: &str, body: Option<Value>) -> [Reply; 2] {
        let request = |node: u16| {
            let request = Request::new(line).token(&self.provider.token(who)).to(node);
            let request = request.header(format!("Idempotency-Key: {key}"));
            if let Some(body) = &body { request.json(body) } else { request }
        };
        [request(0).send(self.cluster).await, request(1).send(self.cluster).await]
    }

    async fn open(&self, who: &str, body: Value) -> String {
        let reply = self.ask(who, "POST /v1/tenants/tenant-a/workflows", Some(body)).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        assert_eq!(reply.body["state"], "initial");
        reply.body["id"].as_str().expect("an id").to_owned()
    }

    /// Takes a step; the state it leads to, or the kind of problem in the way.
    async fn step(&self, who: &str, id: &str, verb: &str) -> String {
        let reply = self.ask(who, &format!("POST /v1/tenants/tenant-a/workflows/{id}:{verb}"), None).await;
        let told = if reply.status == 200 { &reply.body["state"] } else { &reply.body["type"] };
        told.as_str().expect("a text").trim_start_matches("urn:keyraft:problem:").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_a_tenant_ends_by_the_eyes_of_others_and_a_second_factor() {
    let Some(provider) = IdentityProvider::start("a16") else { return };
    let cluster = Cluster::start_with(&provider.settings("\"any\"", SECOND_FACTOR));
    let bench = Bench { cluster: &cluster, provider: &provider };
    let tenant = "PATCH /v1/tenants/tenant-a";
    let raised = bench.ask("tenant-admin", tenant, Some(json!({ "approvals": 1 }))).await;
    assert_eq!((raised.status, raised.body["approvals"].clone()), (200, json!(1)));

    // No way around it: neither the route of the deed nor lowering what is wanted.
    for (line, body) in
        [("POST /v1/tenants/tenant-a:terminate", None), (tenant, Some(json!({ "approvals": 0 })))]
    {
        let reply = bench.ask("operator", line, body).await;
        assert_eq!(
            (reply.status, reply.body["type"].as_str()),
            (409, Some("urn:keyraft:problem:approval-wanted"))
        );
    }

    let register = Some(json!({ "name": "orders" }));
    assert_eq!(bench.ask("tenant-admin", "POST /v1/tenants/tenant-a/services", register).await.status, 201);
    let wish = json!({ "task": "terminate_tenant", "reason": "moved away", "dry_run": true });
    let dry = bench.ask("operator", "POST /v1/tenants/tenant-a/workflows", Some(wish.clone())).await;
    assert_eq!((dry.status, &dry.body["id"]), (200, &Value::Null));
    assert_eq!(
        dry.body["impact"],
        json!({ "services": ["orders"], "objects": 0, "versions": 1, "reversible": false })
    );

    the_kill_switch_and_a_move_take_the_same_eyes(&bench).await;

    let id =
        bench.open("operator-strong", json!({ "task": "terminate_tenant", "reason": "moved away" })).await;
    assert_eq!(bench.step("operator-strong", &id, "confirm").await, "conflict", "nobody approved");
    assert_eq!(bench.step("key-admin", &id, "submit").await, "another-person");
    assert_eq!(bench.step("operator-strong", &id, "submit").await, "waiting_approval");
    assert_eq!(bench.step("operator-strong", &id, "approve").await, "another-person", "one's own eyes");
    assert_eq!(bench.step("auditor", &id, "approve").await, "forbidden");
    assert_eq!(bench.step("stranger", &id, "approve").await, "not-found");
    the_challenge_says_what_to_bring(&bench, &id).await;
    assert_eq!(bench.step("key-admin-strong", &id, "approve").await, "waiting_confirmation");
    assert_eq!(bench.step("key-admin-strong", &id, "confirm").await, "another-person");
    assert_eq!(bench.step("operator-strong", &id, "confirm").await, "successful");
    let gone = bench.ask("operator", "GET /v1/tenants/tenant-a", None).await;
    assert_eq!(gone.body["state"], "terminated");
    what_happened_is_told(&bench, &id).await;
}

async fn the_kill_switch_and_a_move_take_the_same_eyes(bench: &Bench<'_>) {
    let own = Some(json!({ "name": "own", "config": { "provider": "software", "key": "customer" } }));
    let roots = "POST /v1/tenants/tenant-a/roots";
    assert_eq!(bench.ask("key-admin", roots, own.clone()).await.status, 401, "a second factor first");
    assert_eq!(bench.ask("key-admin-strong", roots, own).await.status, 201);
    for line in ["POST /v1/tenants/tenant-a:unlink", "POST /v1/tenants/tenant-a/roots/own:switch"] {
        let reply = bench.ask("key-admin-strong", line, None).await;
        assert_eq!(reply.body["type"], "urn:keyraft:problem:approval-wanted", "{line}");
    }
    let access = || async {
        let tenant = bench.ask("auditor", "GET /v1/tenants/tenant-a", None).await;
        tenant.body["access"].as_str().expect("a word").to_owned()
    };
    for (task, roots) in [("unlink_tenant", None), ("switch_roots", Some(json!(["own"])))] {
        let mut wish = json!({ "task": task, "reason": "our own key" });
        if let Some(roots) = &roots {
            wish["roots"] = roots.clone();
        }
        let id = bench.open("key-admin-strong", wish).await;
        bench.step("key-admin-strong", &id, "submit").await;
        assert_eq!(access().await, "linked", "not before it is approved");
        bench.step("operator-strong", &id, "approve").await;
        assert_eq!(bench.step("key-admin-strong", &id, "confirm").await, "successful", "{task}");
        if task == "unlink_tenant" {
            assert_eq!(access().await, "unlinked");
            let relink = bench.ask("key-admin-strong", "POST /v1/tenants/tenant-a:relink", None).await;
            assert_eq!((relink.status, access().await.as_str()), (200, "linked"));
            let again = bench.ask("key-admin-strong", "POST /v1/tenants/tenant-a:unlink", None).await;
            assert_eq!(again.body["type"], "urn:keyraft:problem:approval-wanted", "they approved it once");
        }
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let jobs = bench.ask("auditor", "GET /v1/tenants/tenant-a/jobs", None).await;
        match jobs.body["items"][0]["state"].as_str() {
            Some("succeeded") => break assert_eq!(jobs.body["items"][0]["to"], json!(["own"])),
            state => assert!(Instant::now() < deadline && state == Some("running"), "{}", jobs.body),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn the_challenge_says_what_to_bring(bench: &Bench<'_>, id: &str) {
    let weak =
        bench.ask("key-admin", &format!("POST /v1/tenants/tenant-a/workflows/{id}:approve"), None).await;
    assert_eq!(weak.status, 401);
    assert_eq!(
        weak.headers["www-authenticate"],
        "Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:keyraft:two\", max_age=\"300\""
    );
    assert_eq!(weak.body["type"], "urn:keyraft:problem:second-factor-wanted");
}

/// The events of a workflow, in order, whoever asks and wherever.
async fn what_happened_is_told(bench: &Bench<'_>, id: &str) {
    let reply = bench.ask("auditor", "GET /v1/events?tenant=tenant-a", None).await;
    let items = reply.body["items"].as_array().expect("items").clone();
    let told: Vec<(&str, &str)> = items
        .iter()
        .filter(|event| event["workflow"] == id || event["event"] == "tenant_terminated")
        .map(|event| (event["event"].as_str().expect("a word"), event["state"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(
        told,
        [
            ("workflow_moved", "initial"),
            ("workflow_moved", "waiting_approval"),
            ("workflow_moved", "waiting_confirmation"),
            ("workflow_moved", "executing"),
            ("tenant_terminated", ""),
            ("workflow_moved", "successful"),
        ]
    );
    let after = items[items.len() - 2]["id"].as_str().expect("an id");
    let rest = bench.ask("auditor", &format!("GET /v1/events?tenant=tenant-a&after={after}"), None).await;
    assert_eq!(rest.body["items"].as_array().map(Vec::len), Some(1), "resumed after what was seen");
    let stranger = bench.ask("stranger", "GET /v1/events", None).await;
    let theirs = stranger.body["items"]
        .as_array()
        .expect("items")
        .iter()
        .all(|event| event["tenant_id"] == "tenant-b");
    assert!(theirs, "{}", stranger.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_is_a_no_and_lists_come_in_pages() {
    let Some(provider) = IdentityProvider::start("workflows") else { return };
    let cluster = Cluster::start_with(&provider.settings("\"any\"", SECOND_FACTOR));
    let bench = Bench { cluster: &cluster, provider: &provider };
    bench.ask("tenant-admin", "PATCH /v1/tenants/tenant-a", Some(json!({ "approvals": 1 }))).await;
    let wish = || json!({ "task": "set_approvals", "approvals": 0, "reason": "nobody left" });

    let rejected = bench.open("key-admin-strong", wish()).await;
    bench.step("key-admin-strong", &rejected, "submit").await;
    assert_eq!(bench.step("tenant-admin", &rejected, "reject").await, "rejected");
    assert_eq!(bench.step("key-admin-2-strong", &rejected, "approve").await, "conflict");

    let revoked = bench.open("key-admin-strong", wish()).await;
    assert_eq!(bench.step("tenant-admin", &revoked, "revoke").await, "another-person");
    assert_eq!(bench.step("key-admin-strong", &revoked, "revoke").await, "revoked");

    let done = bench.open("key-admin-strong", wish()).await;
    bench.step("key-admin-strong", &done, "submit").await;
    bench.step("key-admin-2-strong", &done, "approve").await;
    assert_eq!(bench.step("key-admin-strong", &done, "confirm").await, "successful");
    let tenant = bench.ask("auditor", "GET /v1/tenants/tenant-a", None).await;
    assert_eq!(tenant.body["approvals"], 0);

    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page =
            bench.ask("auditor", &format!("GET /v1/tenants/tenant-a/workflows?limit=2{after}"), None).await;
        let items = page.body["items"].as_array().expect("items").clone();
        seen.extend(items.iter().map(|one| one["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page.body["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, [done, revoked, rejected], "newest first, each once");
    for query in ["limit=0", "limit=100000", "nonsense=1", "limit=many"] {
        let reply = bench.ask("auditor", &format!("GET /v1/tenants/tenant-a/workflows?{query}"), None).await;
        assert_eq!(reply.status, 400, "{query}");
    }
    for bad in [json!({ "task": "unlink" , "reason": "" }), json!({ "task": "shred_service", "reason": "" })]
    {
        let reply = bench.ask("key-admin", "POST /v1/tenants/tenant-a/workflows", Some(bad)).await;
        assert_eq!(reply.status, 400);
    }
    what_is_repeated_is_done_once(&bench).await;
}

async fn what_is_repeated_is_done_once(bench: &Bench<'_>) {
    bench.ask("tenant-admin", "PATCH /v1/tenants/tenant-a", Some(json!({ "approvals": 1 }))).await;
    let all = "POST /v1/tenants/tenant-a/workflows";
    let wish = |reason: &str| Some(json!({ "task": "set_approvals", "approvals": 0, "reason": reason }));
    let [first, again] = bench.twice("key-admin-strong", all, "open-once", wish("nobody left")).await;
    assert_eq!((first.status, again.status), (201, 201), "{} {}", first.body, again.body);
    assert_eq!(first.body["id"], again.body["id"], "one workflow, not two");
    let [other, _] = bench.twice("key-admin-strong", all, "open-once", wish("another")).await;
    assert_eq!(other.status, 409, "the same key for something else: {}", other.body);
    let id = first.body["id"].as_str().expect("an id");
    let mut last = Value::Null;
    for (who, verb, state) in [
        ("key-admin-strong", "submit", "waiting_approval"),
        ("key-admin-2-strong", "approve", "waiting_confirmation"),
        ("key-admin-strong", "confirm", "successful"),
    ] {
        for reply in bench.twice(who, &format!("{all}/{id}:{verb}"), &format!("{verb}-once"), None).await {
            assert_eq!((reply.status, &reply.body["state"]), (200, &json!(state)), "{verb}: {}", reply.body);
            last = reply.body;
        }
    }
    assert_eq!(last["votes"].as_array().map(Vec::len), Some(1), "{last}");
    // A command line that lost the answer asks again under another key. It is told, and others are not.
    let confirm = format!("{all}/{id}:confirm");
    for reply in bench.twice("key-admin-strong", &confirm, "confirm-again", None).await {
        assert_eq!((reply.status, &reply.body["state"]), (200, &json!("successful")), "{}", reply.body);
    }
    assert_eq!(bench.ask("key-admin-2-strong", &confirm, None).await.status, 409, "it is not theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_is_resumed_on_another_node() {
    let cluster = Cluster::start();
    let token = cluster.env()["KEYRAFT_TOKEN"].clone();
    let label = |value: &str| {
        Request::new("PATCH /v1/tenants/tenant-a").token(&token).json(&json!({ "labels": { "a": value } }))
    };
    let stream = |node: u16, last: Option<&str>| {
        let request =
            Request::new("GET /v1/events?tenant=tenant-a&event=tenant_changed").token(&token).to(node);
        let request = request.header("Accept: text/event-stream");
        match last {
            Some(last) => request.header(format!("Last-Event-ID: {last}")),
            None => request,
        }
    };
    // Two changes while somebody listens; then the line breaks.
    let listening = stream(0, None);
    let (first, ()) = tokio::join!(listening.frames(&cluster, 2), async {
        for value in ["1", "2"] {
            assert_eq!(label(value).send(&cluster).await.status, 200);
        }
    });
    // A third while nobody does. The next node goes on with it.
    assert_eq!(label("3").send(&cluster).await.status, 200);
    let second = stream(1, Some(&first[0].0)).frames(&cluster, 2).await;
    assert_eq!(second[0], first[1], "after the first comes the second, on every node");
    assert_eq!(second[1].1["event"], "tenant_changed");
    assert_eq!(second[1].1["tenant_id"], "tenant-a");
}
