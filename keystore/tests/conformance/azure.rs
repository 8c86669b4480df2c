//! Azure Key Vault and Entra ID, as a strict fake.

use std::sync::Arc;

use keystore::config::AzureConfig;
use keystore::{BoxFuture, Credentials, RootConfig, RootError, RootKeystore, SecretText, Site, Withdrawal};
use serde_json::json;

use crate::fake::Fake;
use crate::outages::{Peer, outages};
use crate::suite::{self, Fixture};

struct Azure(Fake);

impl Azure {
    fn start() -> Option<Self> {
        Fake::start("keyvault").map(Self)
    }

    fn config(&self, key: &str) -> AzureConfig {
        AzureConfig {
            key_url: format!("{}/keys/{key}", self.0.url()),
            directory_id: self.0.text("directory"),
            client_id: self.0.text("client"),
            authority: Some(self.0.url()),
        }
    }

    fn secret(&self) -> Credentials {
        Credentials::ClientSecret { client_secret: SecretText::new(self.0.text("secret")) }
    }

    async fn open(&self, key: &str) -> Result<Arc<dyn RootKeystore>, RootError> {
        keystore::open(&RootConfig::AzureKeyVault(self.config(key)), &self.secret(), &self.0.site()).await
    }
}

impl Fixture for Azure {
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Azure::open(self, "one").await.unwrap() })
    }

    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Azure::open(self, "two").await.unwrap() })
    }

    fn binds_place(&self) -> bool {
        false
    }
}

impl Peer for Azure {
    fn fake(&self) -> &Fake {
        &self.0
    }

    fn root(&self) -> (RootConfig, Credentials) {
        (RootConfig::AzureKeyVault(self.config("one")), self.secret())
    }

    fn disable(&self) {
        self.0.tell(&json!({ "enabled": false }));
    }

    fn enable(&self) {
        self.0.tell(&json!({ "enabled": true }));
    }

    fn delete(&self) {
        self.0.tell(&json!({ "delete": true }));
    }

    fn undelete(&self) {
        self.0.tell(&json!({ "undelete": true }));
    }

    fn deny(&self) -> &'static str {
        self.0.tell(&json!({ "deny": "Microsoft.KeyVault/vaults/keys/unwrap/action" }));
        "Microsoft.KeyVault/vaults/keys/unwrap/action"
    }

    fn allow(&self) {
        self.0.tell(&json!({ "allow": true }));
    }

    fn rotate(&self) {
        self.0.tell(&json!({ "rotate": true }));
    }
}

suite::conformance!(Azure::start());
outages!(Azure::start());

#[tokio::test]
async fn a_certificate_and_the_node_s_own_identity_log_in_too() {
    let Some(peer) = Azure::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "node.identity.token").unwrap();
    let mut site = peer.0.site();
    site.workload_identity.azure_token_file = Some(file);
    let config = RootConfig::AzureKeyVault(peer.config("one"));
    let certificate = Credentials::Certificate {
        certificate_pem: peer.0.text("certificate"),
        private_key_pem: SecretText::new(peer.0.text("private_key")),
    };
    for credentials in [certificate, Credentials::WorkloadIdentity] {
        let root = keystore::open(&config, &credentials, &site).await.unwrap();
        root.probe().await.unwrap();
        peer.0.tell(&json!({ "forget_tokens": true }));
        root.probe().await.unwrap();
    }
    assert_eq!(peer.0.tell(&json!({ "issued": true }))["issued"], 4);
}

#[tokio::test]
async fn a_key_past_its_date_still_unwraps_and_wraps_no_more() {
    let Some(peer) = Azure::start() else { return };
    let root = Fixture::open(&peer).await;
    let place = keystore::Context::barrier_kek(suite::REALM);
    let payload = || crypto::L1Payload::from_bytes(&[7; 64]).unwrap();
    let wrapped = root.wrap(place, payload()).await.unwrap();
    peer.0.tell(&json!({ "expires": 1_700_000_000 }));
    root.unwrap(place, &wrapped).await.unwrap();
    let error = root.wrap(place, payload()).await.unwrap_err();
    assert!(matches!(&error, RootError::Withdrawn { withdrawal: Withdrawal::Disabled, .. }), "{error:?}");
}

#[tokio::test]
async fn each_mistake_has_a_sentence() {
    let Some(peer) = Azure::start() else { return };
    let check = async |config: AzureConfig, credentials: Credentials, expected: &str| {
        let opened = keystore::open(&RootConfig::AzureKeyVault(config), &credentials, &peer.0.site()).await;
        let error = opened.err().unwrap_or_else(|| panic!("{expected}: it opened"));
        let text = error.to_string();
        assert!(matches!(error, RootError::Misconfigured { .. }), "{error:?}");
        assert!(text.contains(expected), "{text:?} does not say {expected:?}");
    };
    let good = || peer.config("one");
    let secret = |text: &str| Credentials::ClientSecret { client_secret: SecretText::new(text.to_owned()) };
    let elsewhere = |key_url: &str| AzureConfig { key_url: key_url.to_owned(), ..good() };
    check(elsewhere("https://x.vault.azure.net/secrets/a"), peer.secret(), "is no address of a key").await;
    check(elsewhere("https://169.254.169.254/keys/a"), peer.secret(), "may not connect to").await;
    check(peer.config("none"), peer.secret(), "there is no such key in its vault").await;
    check(peer.config("curve"), peer.secret(), "the key is of type EC").await;
    check(peer.config("signer"), peer.secret(), "the key may not wrapKey").await;
    check(good(), secret("wrong"), "AADSTS7000215").await;
    check(AzureConfig { directory_id: "other".into(), ..good() }, peer.secret(), "AADSTS90002").await;
    check(AzureConfig { directory_id: "a/b".into(), ..good() }, peer.secret(), "is no `directory_id`").await;
    check(AzureConfig { client_id: "other".into(), ..good() }, peer.secret(), "AADSTS700016").await;
    check(good(), Credentials::WorkloadIdentity, "set `azure_token_file`").await;
    peer.0.tell(&json!({ "deny": "Microsoft.KeyVault/vaults/keys/read" }));
    check(good(), peer.secret(), "permission Microsoft.KeyVault/vaults/keys/read is missing").await;
}

/// Against Azure itself.
#[tokio::test]
#[ignore = "needs an account: set KEYRAFT_LIVE_AZURE_KEY_URL, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET"]
async fn live() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let config = RootConfig::AzureKeyVault(AzureConfig {
        key_url: variable("KEYRAFT_LIVE_AZURE_KEY_URL"),
        directory_id: variable("AZURE_TENANT_ID"),
        client_id: variable("AZURE_CLIENT_ID"),
        authority: None,
    });
    let credentials =
        Credentials::ClientSecret { client_secret: SecretText::new(variable("AZURE_CLIENT_SECRET")) };
    let report = keystore::test(&config, &credentials, &Site::default()).await;
    assert!(report.passed, "{}", report.to_text());
}
