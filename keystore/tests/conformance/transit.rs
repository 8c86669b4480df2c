//! OpenBao's and Vault's transit engine, as a strict fake.

use std::sync::Arc;
use std::time::Duration;

use keystore::config::{TransitAuth, TransitConfig};
use keystore::{BoxFuture, Credentials, RootConfig, RootError, RootKeystore, SecretText, Site};
use serde_json::json;

use crate::fake::Fake;
use crate::outages::{Peer, outages};
use crate::suite::{self, Fixture};

/// How long a token lasts that is to end or be renewed while a test waits, in seconds.
const TTL_S: u64 = 4;

struct Transit(Fake);

impl Transit {
    fn start() -> Option<Self> {
        Fake::start("transit").map(Self)
    }

    fn config(&self, key: &str) -> TransitConfig {
        TransitConfig {
            address: self.0.url(),
            key: key.to_owned(),
            mount: "transit".to_owned(),
            namespace: None,
            auth: TransitAuth::Token,
            ca_pem: Some(self.0.ca_pem()),
        }
    }

    async fn open(&self, config: TransitConfig) -> Result<Arc<dyn RootKeystore>, RootError> {
        keystore::open(&RootConfig::Transit(config), &token("hvs.keyraft"), &self.0.site()).await
    }
}

fn token(text: &str) -> Credentials {
    Credentials::Token { token: SecretText::new(text.to_owned()) }
}

impl Fixture for Transit {
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Transit::open(self, self.config("k1")).await.unwrap() })
    }

    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Transit::open(self, self.config("k2")).await.unwrap() })
    }
}

impl Peer for Transit {
    fn fake(&self) -> &Fake {
        &self.0
    }

    fn root(&self) -> (RootConfig, Credentials) {
        (RootConfig::Transit(self.config("k1")), token("hvs.keyraft"))
    }

    /// The engine has no switch; raising the oldest version that decrypts is what its owners do.
    fn disable(&self) {
        self.0.tell(&json!({ "rotate": "k1" }));
        self.0.tell(&json!({ "min_decryption": 2 }));
    }

    fn enable(&self) {
        self.0.tell(&json!({ "min_decryption": 1 }));
    }

    fn delete(&self) {
        self.0.tell(&json!({ "delete": "k1" }));
    }

    fn undelete(&self) {
        self.0.tell(&json!({ "undelete": "k1" }));
    }

    fn deny(&self) -> &'static str {
        self.0.tell(&json!({ "deny": "transit/decrypt/k1" }));
        "update on transit/decrypt/k1"
    }

    fn allow(&self) {
        self.0.tell(&json!({ "allow": true }));
    }

    fn rotate(&self) {
        self.0.tell(&json!({ "rotate": "k1" }));
    }
}

suite::conformance!(Transit::start());
outages!(Transit::start());

#[tokio::test]
async fn each_mistake_has_a_sentence() {
    let Some(peer) = Transit::start() else { return };
    let good = peer.config("k1");
    let with = |change: fn(&mut TransitConfig)| {
        let mut config = good.clone();
        change(&mut config);
        config
    };
    let cases = [
        (with(|c| c.address = "http://localhost".into()), "does not begin with https://"),
        (with(|c| c.address = "https://169.254.169.254".into()), "may not connect to 169.254.169.254:443"),
        (
            with(|c| c.address = "https://elsewhere.example:8200".into()),
            "may not connect to elsewhere.example:8200",
        ),
        (with(|c| c.key = "../../sys/seal".into()), "is no name of a key"),
        (with(|c| c.mount = "a?b".into()), "is no name of a mount"),
        (with(|c| c.key = "none".into()), "there is no such key in its engine"),
        (with(|c| c.key = "other".into()), "permission read on transit/keys/other is missing"),
        (with(|c| c.key = "rsa".into()), "of type rsa-2048, which binds no context"),
        (with(|c| c.namespace = Some("team".into())), "no transit engine at this mount"),
        (
            with(|c| c.auth = TransitAuth::Jwt { role: "r".into(), mount: "jwt".into() }),
            "of kind `token` do not fit",
        ),
    ];
    for (config, expected) in cases {
        let error = peer.open(config).await.err().unwrap_or_else(|| panic!("{expected}: it opened"));
        let text = error.to_string();
        assert!(matches!(error, RootError::Misconfigured { .. }), "{error:?}");
        assert!(text.contains(expected), "{text:?} does not say {expected:?}");
        assert!(!text.contains('\n'), "{text:?} is one line");
    }
}

#[tokio::test]
async fn a08_a_name_that_leads_to_this_machine_is_not_asked() {
    let Some(peer) = Transit::start() else { return };
    let site = Site { danger_allow_loopback: false, ..peer.0.site() };
    let config = RootConfig::Transit(peer.config("k1"));
    let error = keystore::open(&config, &token("hvs.keyraft"), &site).await.err().unwrap();
    assert!(error.to_string().contains("an address that no root may have"), "{error}");
    assert_eq!(peer.0.tell(&json!({ "requests": true }))["requests"], 0);
}

#[tokio::test]
async fn a_token_that_is_revoked_is_denied_and_one_that_is_asked_for_is_asked_for_again() {
    let Some(peer) = Transit::start() else { return };
    let (config, credentials) = peer.root();
    let by_token = keystore::open(&config, &credentials, &peer.0.site()).await.unwrap();
    let auth = TransitAuth::AppRole { role_id: "role-1".into(), mount: "approle".into() };
    let config = RootConfig::Transit(TransitConfig { auth, ..peer.config("k1") });
    let secret = Credentials::SecretId { secret_id: SecretText::new("secret-1".into()) };
    let by_role = keystore::open(&config, &secret, &peer.0.site()).await.unwrap();
    assert_eq!(by_role.l1_ref(), by_token.l1_ref());
    assert_eq!(peer.0.tell(&json!({ "logins": true }))["logins"], 1);

    peer.0.tell(&json!({ "revoke": true }));
    let error = by_token.probe().await.unwrap_err();
    assert_eq!(error.action(), keystore::Action::CloseNow, "{error}");
    by_role.probe().await.unwrap();
    assert_eq!(peer.0.tell(&json!({ "logins": true }))["logins"], 2);
}

#[tokio::test]
async fn a_token_that_may_be_renewed_is_and_another_one_ends() {
    let Some(peer) = Transit::start() else { return };
    peer.0.tell(&json!({ "token": "hvs.renewed", "ttl": TTL_S, "renewable": true }));
    peer.0.tell(&json!({ "token": "hvs.ends", "ttl": TTL_S, "renewable": false }));
    let config = RootConfig::Transit(peer.config("k1"));
    let site = peer.0.site();
    let renewed = keystore::open(&config, &token("hvs.renewed"), &site).await.unwrap();
    let ends = keystore::open(&config, &token("hvs.ends"), &site).await.unwrap();
    let renewals = || peer.0.tell(&json!({ "renewals": true }))["renewals"].as_u64().unwrap();
    assert_eq!(renewals(), 0, "one that has just begun is only looked at");
    for _ in 0..2 * TTL_S {
        tokio::time::sleep(Duration::from_secs(1)).await;
        renewed.probe().await.unwrap();
    }
    // Before half of its time is over, and not with every call.
    assert!((2..=5).contains(&renewals()), "renewed {} times", renewals());
    let error = ends.probe().await.unwrap_err();
    assert_eq!(error.action(), keystore::Action::CloseNow, "{error}");
}

#[tokio::test]
async fn the_node_s_own_identity_logs_in() {
    let Some(peer) = Transit::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "node.identity.token\n").unwrap();
    let auth = TransitAuth::Jwt { role: "keyraft".into(), mount: "jwt".into() };
    let config = RootConfig::Transit(TransitConfig { auth, ..peer.config("k1") });
    let mut site = peer.0.site();
    let missing = keystore::open(&config, &Credentials::WorkloadIdentity, &site).await.err().unwrap();
    assert!(missing.to_string().contains("set `transit_token_file`"), "{missing}");
    site.workload_identity.transit_token_file = Some(file);
    keystore::open(&config, &Credentials::WorkloadIdentity, &site).await.unwrap().probe().await.unwrap();
}

#[tokio::test]
async fn another_key_under_the_same_name_opens_nothing() {
    let Some(peer) = Transit::start() else { return };
    let root = Fixture::open(&peer).await;
    let payload = crypto::L1Payload::from_bytes(&[7; 64]).unwrap();
    let place = keystore::Context::barrier_kek(suite::REALM);
    let wrapped = root.wrap(place, payload).await.unwrap();
    peer.0.tell(&json!({ "replace": "k1" }));
    assert!(matches!(root.unwrap(place, &wrapped).await.err().unwrap(), RootError::Corrupt { .. }));
}

#[tokio::test]
async fn what_weakens_a_key_is_said() {
    let Some(peer) = Transit::start() else { return };
    peer.0.tell(&json!({ "exportable": true }));
    let (config, credentials) = peer.root();
    let report = keystore::test(&config, &credentials, &peer.0.site()).await;
    assert!(
        report.passed && report.warnings.iter().any(|w| w.contains("exportable")),
        "{}",
        report.to_text()
    );
}

#[tokio::test]
async fn the_platform_s_own_root_may_be_a_service_too() {
    let Some(peer) = Transit::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bao.json");
    std::fs::write(&file, token("hvs.keyraft").expose_json()).unwrap();
    let text = format!(
        "provider = \"transit\"\naddress = {:?}\nkey = \"k1\"\nca_pem = {:?}\ncredentials_file = {file:?}\n",
        peer.0.url(),
        peer.0.ca_pem(),
    );
    let settings: keystore::RootSettings = toml::from_str(&text).unwrap();
    assert_eq!(settings.provider(), "transit");
    settings.open(&peer.0.site()).await.unwrap().probe().await.unwrap();

    std::fs::write(&file, "{\"kind\": \"token\", \"token\": 5}").unwrap();
    let error = settings.open(&peer.0.site()).await.err().unwrap();
    assert!(error.to_string().contains("these are no credentials"), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = settings.open(&peer.0.site()).await.err().unwrap();
    assert!(error.to_string().contains("bao.json cannot be read"), "{error}");
}
