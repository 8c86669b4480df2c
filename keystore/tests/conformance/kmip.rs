//! An external key manager over KMIP: PyKMIP's server.

use std::sync::Arc;

use keystore::config::KmipConfig;
use keystore::{
    Action, BoxFuture, Context, Credentials, RootConfig, RootError, RootKeystore, SecretText, Withdrawal,
};
use serde_json::json;

use crate::fake::Fake;
use crate::suite::{self, Fixture};

struct Server(Fake);

impl Server {
    fn start() -> Option<Self> {
        Fake::start("pykmip").map(Self)
    }

    fn config(&self, key_uid: &str) -> KmipConfig {
        KmipConfig {
            address: format!("localhost:{}", self.0.hello["port"]),
            key_uid: key_uid.to_owned(),
            server_name: None,
            ca_pem: Some(self.0.ca_pem()),
        }
    }

    fn identity(&self, name: &str) -> Credentials {
        let pem = |part: usize| self.0.hello["identities"][name][part].as_str().unwrap().to_owned();
        Credentials::Certificate { certificate_pem: pem(0), private_key_pem: SecretText::new(pem(1)) }
    }

    async fn open(&self, config: KmipConfig) -> Result<Arc<dyn RootKeystore>, RootError> {
        keystore::open(&RootConfig::Kmip(config), &self.identity("keyraft"), &self.0.site()).await
    }

    fn key(&self, index: usize) -> KmipConfig {
        self.config(self.0.hello["keys"][index].as_str().unwrap())
    }
}

impl Fixture for Server {
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Server::open(self, self.key(0)).await.unwrap() })
    }

    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Server::open(self, self.key(1)).await.unwrap() })
    }
}

suite::conformance!(Server::start());

const PLACE: Context = Context { realm: suite::REALM, purpose: keystore::Purpose::BarrierKek };

#[tokio::test]
async fn a_deactivated_key_is_disabled_and_a_destroyed_one_destroyed() {
    let Some(server) = Server::start() else { return };
    let root = Fixture::open(&server).await;
    let payload = || crypto::L1Payload::from_bytes(&[7; 64]).unwrap();
    let wrapped = root.wrap(PLACE, payload()).await.unwrap();
    for (command, expected) in [("revoke", Withdrawal::Disabled), ("destroy", Withdrawal::Destroyed)] {
        server.0.tell(&json!({ command: true }));
        let answers = [
            root.unwrap(PLACE, &wrapped).await.map(drop),
            root.wrap(PLACE, payload()).await.map(drop),
            root.probe().await.map(drop),
        ];
        for answer in answers {
            let error = answer.err().unwrap();
            assert!(
                matches!(&error, RootError::Withdrawn { withdrawal, .. } if *withdrawal == expected),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unreachable_and_serves_when_it_is_back() {
    let Some(server) = Server::start() else { return };
    let root = Fixture::open(&server).await;
    let wrapped = root.wrap(PLACE, crypto::L1Payload::from_bytes(&[7; 64]).unwrap()).await.unwrap();
    server.0.tell(&json!({ "stop": true }));
    let error = root.unwrap(PLACE, &wrapped).await.err().unwrap();
    assert_eq!(error.action(), Action::RetryWithinLease, "{error}");
    server.0.tell(&json!({ "start": true }));
    root.unwrap(PLACE, &wrapped).await.unwrap();
    root.probe().await.unwrap();
}

#[tokio::test]
async fn each_mistake_has_a_sentence() {
    let Some(server) = Server::start() else { return };
    let check = async |config: KmipConfig, credentials: Credentials, expected: &str| {
        let opened = keystore::open(&RootConfig::Kmip(config), &credentials, &server.0.site()).await;
        let error = opened.err().unwrap_or_else(|| panic!("{expected}: it opened"));
        let text = error.to_string();
        assert!(matches!(error, RootError::Misconfigured { .. }), "{error:?}");
        assert!(text.contains(expected), "{text:?} does not say {expected:?}");
    };
    let ours = || server.identity("keyraft");
    let named = |field: &str| server.config(&server.0.text(field));
    check(server.config("4711"), ours(), "there is no such key").await;
    check(named("short"), ours(), "the key does not have 256 bits").await;
    check(named("signer"), ours(), "the key may not encrypt and decrypt").await;
    check(named("idle"), ours(), "the key was never activated").await;
    check(server.config("a b"), ours(), "is no Unique Identifier").await;
    // Of others' keys PyKMIP says that the permission is missing.
    check(server.key(0), server.identity("stranger"), "the permission Get Attributes is missing").await;
    check(server.key(0), Credentials::WorkloadIdentity, "credentials of kind `workload_identity`").await;
    let elsewhere = KmipConfig { address: "169.254.169.254:5696".into(), ..server.key(0) };
    check(elsewhere, ours(), "may not connect to 169.254.169.254:5696").await;
    let untrusted = KmipConfig { server_name: Some("other.example".into()), ..server.key(0) };
    check(untrusted, ours(), "ca_pem").await;
}

#[tokio::test]
async fn the_connection_test_passes_and_warns_of_what_the_server_does_not_promise() {
    let Some(server) = Server::start() else { return };
    let config = RootConfig::Kmip(server.key(0));
    let report = keystore::test(&config, &server.identity("keyraft"), &server.0.site()).await;
    assert!(report.passed, "{}", report.to_text());
    assert!(report.script.is_some() && report.evidence.iter().any(|row| row.name == "State"));
}
