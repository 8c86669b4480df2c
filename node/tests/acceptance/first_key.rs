//! From one request of an administrator to the first key of a tenant's service: nothing lies between.

use std::time::{Duration, Instant};

use client::{Client, KeyRequest};
use serde_json::json;

use crate::identity::Forgery;
use crate::rest::Request;
use crate::support::Cluster;

/// What a new tenant may take to its first key.
const FIRST_KEY_MAX: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tenant_has_its_first_key_at_once() {
    let cluster = Cluster::shared();
    let tenants: &'static [&'static str] = &["newcomer"];
    // What the platform's own authority issues to any service of any tenant.
    let certificate =
        Forgery { units: tenants, tenants, ..Forgery::new("clients-any") }.issue(&cluster.data.join("ca"));
    let mut settings = cluster.settings(&[2], "tenant-a", "mongodb");
    (settings.certificate_pem, settings.key_pem) =
        (certificate.chain.into(), certificate.key.into_bytes().into());
    let client = Client::new(&settings).expect("settings that work");

    let began = Instant::now();
    let create = Request::new("POST /v1/tenants").token(&cluster.env()["KEYRAFT_TOKEN"]);
    let created = create.json(&json!({ "name": "newcomer" })).send(&cluster).await;
    assert_eq!(created.status, 201, "{created:?}");
    let (_, key) = client.create_and_get(&KeyRequest::aes256()).await.expect("a key, with no other step");
    let took = began.elapsed();
    assert_eq!(key.expose().len(), 32);
    println!("from POST /v1/tenants to the first key over KMIP: {} ms", took.as_millis());
    assert!(took < FIRST_KEY_MAX, "{took:?}");
}
