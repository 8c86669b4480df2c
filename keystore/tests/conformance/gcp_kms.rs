//! Google Cloud KMS, as a strict fake that answers under Google's own names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use keystore::config::GcpKmsConfig;
use keystore::{
    Action, BoxFuture, Credentials, RootConfig, RootError, RootKeystore, SecretText, Site, Withdrawal,
};
use serde_json::json;

use crate::fake::Fake;
use crate::outages::{Peer, outages};
use crate::suite::{self, Fixture};

struct Gcp(Fake);

/// Google's hosts, at the fake.
const HOSTS: [&str; 4] = [
    "cloudkms.googleapis.com",
    "oauth2.googleapis.com",
    "sts.googleapis.com",
    "iamcredentials.googleapis.com",
];

impl Gcp {
    fn start() -> Option<Self> {
        Fake::start("gcp").map(Self)
    }

    fn config(&self, key: usize) -> GcpKmsConfig {
        GcpKmsConfig {
            key_name: self.0.hello["keys"][key].as_str().unwrap().to_owned(),
            workload_identity_provider: None,
            service_account: None,
            endpoint: None,
        }
    }

    fn account(&self) -> Credentials {
        Credentials::ServiceAccountKey { key_json: SecretText::new(self.0.text("key_json")) }
    }

    async fn open(&self, config: GcpKmsConfig) -> Result<Arc<dyn RootKeystore>, RootError> {
        keystore::open(&RootConfig::GcpKms(config), &self.account(), &self.site()).await
    }
}

impl Fixture for Gcp {
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Gcp::open(self, self.config(0)).await.unwrap() })
    }

    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Gcp::open(self, self.config(1)).await.unwrap() })
    }
}

impl Peer for Gcp {
    fn fake(&self) -> &Fake {
        &self.0
    }

    fn root(&self) -> (RootConfig, Credentials) {
        (RootConfig::GcpKms(self.config(0)), self.account())
    }

    fn disable(&self) {
        self.0.tell(&json!({ "state": "DISABLED" }));
    }

    fn enable(&self) {
        self.0.tell(&json!({ "state": "ENABLED" }));
    }

    /// Keys cannot be deleted here; their versions are destroyed.
    fn delete(&self) {
        self.0.tell(&json!({ "state": "DESTROYED" }));
    }

    fn undelete(&self) {
        self.enable();
    }

    fn deny(&self) -> &'static str {
        self.0.tell(&json!({ "deny": "cloudkms.cryptoKeyVersions.useToDecrypt" }));
        "cloudkms.cryptoKeyVersions.useToDecrypt"
    }

    fn allow(&self) {
        self.0.tell(&json!({ "allow": true }));
    }

    fn rotate(&self) {
        self.0.tell(&json!({ "rotate": true }));
    }

    fn site(&self) -> Site {
        let port = u16::try_from(self.0.hello["port"].as_u64().unwrap()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let danger_resolve: BTreeMap<_, _> =
            HOSTS.into_iter().map(|host| (host.to_owned(), address)).collect();
        Site { danger_resolve, ..self.0.site() }
    }
}

suite::conformance!(Gcp::start());
outages!(Gcp::start());

#[tokio::test]
async fn a_token_that_is_over_is_replaced() {
    let Some(peer) = Gcp::start() else { return };
    let root = Fixture::open(&peer).await;
    assert_eq!(peer.0.tell(&json!({ "grants": true }))["grants"], 1);
    root.probe().await.unwrap();
    assert_eq!(peer.0.tell(&json!({ "grants": true }))["grants"], 1);
    peer.0.tell(&json!({ "forget_tokens": true }));
    root.probe().await.unwrap();
    assert_eq!(peer.0.tell(&json!({ "grants": true }))["grants"], 2);
}

#[tokio::test]
async fn the_node_s_own_identity_is_federated_and_acts_as_the_customer_s_account() {
    let Some(peer) = Gcp::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "node.identity.token").unwrap();
    let mut site = peer.site();
    site.workload_identity.gcp_token_file = Some(file);
    let config = RootConfig::GcpKms(GcpKmsConfig {
        workload_identity_provider: Some(peer.0.text("provider")),
        service_account: Some(peer.0.text("account")),
        ..peer.config(0)
    });
    let root = keystore::open(&config, &Credentials::WorkloadIdentity, &site).await.unwrap();
    root.probe().await.unwrap();

    peer.0.tell(&json!({ "deny": "iam.serviceAccounts.getAccessToken" }));
    peer.0.tell(&json!({ "forget_tokens": true }));
    let error = root.probe().await.unwrap_err();
    assert_eq!(error.action(), Action::CloseNow, "{error}");
    assert!(error.to_string().contains("iam.serviceAccounts.getAccessToken"), "{error}");
}

#[tokio::test]
async fn a_version_that_will_be_destroyed_closes_at_once() {
    let Some(peer) = Gcp::start() else { return };
    let root = Fixture::open(&peer).await;
    peer.0.tell(&json!({ "state": "DESTROY_SCHEDULED" }));
    let error = root.probe().await.unwrap_err();
    assert!(
        matches!(&error, RootError::Withdrawn { withdrawal: Withdrawal::PendingDeletion, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn each_mistake_has_a_sentence() {
    let Some(peer) = Gcp::start() else { return };
    let check = async |config: GcpKmsConfig, credentials: Credentials, expected: &str| {
        let opened = keystore::open(&RootConfig::GcpKms(config), &credentials, &peer.site()).await;
        let error = opened.err().unwrap_or_else(|| panic!("{expected}: it opened"));
        let text = error.to_string();
        assert!(matches!(error, RootError::Misconfigured { .. }), "{error:?}");
        assert!(text.contains(expected), "{text:?} does not say {expected:?}");
        assert!(!text.contains("PRIVATE KEY"), "{text:?} shows a secret");
    };
    let named = |key_name: &str| GcpKmsConfig { key_name: key_name.to_owned(), ..peer.config(0) };
    let account = |change: fn(&mut serde_json::Value)| {
        let mut key: serde_json::Value = serde_json::from_str(&peer.0.text("key_json")).unwrap();
        change(&mut key);
        Credentials::ServiceAccountKey { key_json: SecretText::new(key.to_string()) }
    };
    check(named("my-key"), peer.account(), "is no name of a key").await;
    check(named(&(peer.config(0).key_name + "x")), peer.account(), "there is no such key").await;
    check(named(&peer.0.text("signer")), peer.account(), "the key's purpose is ASYMMETRIC_SIGN").await;
    let elsewhere =
        GcpKmsConfig { endpoint: Some("https://metadata.google.internal".into()), ..peer.config(0) };
    check(elsewhere, peer.account(), "may not connect to metadata.google.internal:443").await;
    check(
        peer.config(0),
        account(|key| key["token_uri"] = "https://evil.example/".into()),
        "another place for tokens",
    )
    .await;
    check(peer.config(0), account(|key| key["private_key"] = "x".into()), "holds no RSA key").await;
    check(
        peer.config(0),
        account(|key| key["client_email"] = "other@x".into()),
        "credentials are not accepted",
    )
    .await;
    check(peer.config(0), Credentials::WorkloadIdentity, "no workload identity provider is named").await;
}

/// Against Google itself.
#[tokio::test]
#[ignore = "needs an account: set KEYRAFT_LIVE_GCP_KEY and KEYRAFT_LIVE_GCP_ACCOUNT_FILE"]
async fn live() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let key_json = std::fs::read_to_string(variable("KEYRAFT_LIVE_GCP_ACCOUNT_FILE")).unwrap();
    let config = RootConfig::GcpKms(GcpKmsConfig {
        key_name: variable("KEYRAFT_LIVE_GCP_KEY"),
        workload_identity_provider: None,
        service_account: None,
        endpoint: None,
    });
    let credentials = Credentials::ServiceAccountKey { key_json: SecretText::new(key_json) };
    let report = keystore::test(&config, &credentials, &Site::default()).await;
    assert!(report.passed, "{}", report.to_text());
}
