//! AWS KMS: moto behind a strict front.

use std::sync::Arc;

use keystore::config::AwsKmsConfig;
use keystore::{
    Action, BoxFuture, Credentials, KeyState, RootConfig, RootError, RootKeystore, SecretText, Withdrawal,
};
use serde_json::json;

use crate::fake::Fake;
use crate::outages::{Peer, outages};
use crate::suite::{self, Fixture};

struct Aws(Fake);

impl Aws {
    fn start() -> Option<Self> {
        Fake::start("aws").map(Self)
    }

    fn config(&self, key: usize) -> AwsKmsConfig {
        AwsKmsConfig {
            key_arn: self.0.hello["arns"][key].as_str().unwrap().to_owned(),
            role_arn: None,
            external_id: None,
            endpoint: Some(self.0.url()),
            sts_endpoint: Some(self.0.url()),
        }
    }

    async fn open(&self, config: AwsKmsConfig) -> Result<Arc<dyn RootKeystore>, RootError> {
        keystore::open(&RootConfig::AwsKms(config), &alone(), &self.0.site()).await
    }
}

fn access_key(id: &str, secret: &str) -> Credentials {
    Credentials::AccessKey {
        access_key_id: id.to_owned(),
        secret_access_key: SecretText::new(secret.to_owned()),
    }
}

/// May use the keys by itself.
fn alone() -> Credentials {
    access_key("AKIASTATIC", "static/secret+key")
}

/// May only take on a role.
fn assuming() -> Credentials {
    access_key("AKIAASSUMES", "assumes/secret")
}

impl Fixture for Aws {
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Aws::open(self, self.config(0)).await.unwrap() })
    }

    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Aws::open(self, self.config(1)).await.unwrap() })
    }
}

impl Peer for Aws {
    fn fake(&self) -> &Fake {
        &self.0
    }

    fn root(&self) -> (RootConfig, Credentials) {
        (RootConfig::AwsKms(self.config(0)), alone())
    }

    fn disable(&self) {
        self.0.tell(&json!({ "state": "disable" }));
    }

    fn enable(&self) {
        self.0.tell(&json!({ "state": "enable" }));
    }

    fn delete(&self) {
        self.0.tell(&json!({ "delete": true }));
    }

    fn undelete(&self) {
        self.0.tell(&json!({ "undelete": true }));
    }

    fn deny(&self) -> &'static str {
        self.0.tell(&json!({ "deny": "kms:Decrypt" }));
        "kms:Decrypt"
    }

    fn allow(&self) {
        self.0.tell(&json!({ "allow": true }));
    }

    fn rotate(&self) {
        self.0.tell(&json!({ "state": "rotate" }));
    }
}

suite::conformance!(Aws::start());
outages!(Aws::start());

#[tokio::test]
async fn a_role_is_taken_on_with_its_external_id_alone_and_anew_when_it_ends() {
    let Some(peer) = Aws::start() else { return };
    let role = |external_id: Option<&str>| {
        let role_arn = Some(peer.0.text("role"));
        RootConfig::AwsKms(AwsKmsConfig {
            role_arn,
            external_id: external_id.map(Into::into),
            ..peer.config(0)
        })
    };
    for wrong in [None, Some("another tenant's")] {
        let error = keystore::open(&role(wrong), &assuming(), &peer.0.site()).await.err().unwrap();
        let RootError::Misconfigured { missing, fix, .. } = &error else { panic!("{error:?}") };
        assert!(missing.contains("sts:AssumeRole on arn:aws:iam") && fix.contains("external id"), "{error}");
    }
    let right = role(Some(&peer.0.text("external_id")));
    let root = keystore::open(&right, &assuming(), &peer.0.site()).await.unwrap();
    root.probe().await.unwrap();
    assert_eq!(peer.0.tell(&json!({ "sessions": true }))["sessions"], 1);
    peer.0.tell(&json!({ "expire": true }));
    root.probe().await.unwrap();
    assert_eq!(peer.0.tell(&json!({ "sessions": true }))["sessions"], 2);

    // The role's owner takes the trust back: no session any more, so no key.
    peer.0.tell(&json!({ "deny": "sts:AssumeRole" }));
    peer.0.tell(&json!({ "expire": true }));
    let error = root.probe().await.unwrap_err();
    assert_eq!(error.action(), Action::CloseNow, "{error}");
}

#[tokio::test]
async fn the_node_s_own_identity_takes_on_the_customer_s_role() {
    let Some(peer) = Aws::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "node.identity.token").unwrap();
    let mut site = peer.0.site();
    site.workload_identity.aws_token_file = Some(file);
    site.workload_identity.aws_role_arn = Some(peer.0.text("node_role"));
    let config = RootConfig::AwsKms(AwsKmsConfig {
        role_arn: Some(peer.0.text("role")),
        external_id: Some(peer.0.text("external_id")),
        ..peer.config(0)
    });
    let root = keystore::open(&config, &Credentials::WorkloadIdentity, &site).await.unwrap();
    root.probe().await.unwrap();
    assert_eq!(peer.0.tell(&json!({ "sessions": true }))["sessions"], 2);
}

#[tokio::test]
async fn a_key_that_will_be_deleted_closes_at_once_and_can_come_back() {
    let Some(peer) = Aws::start() else { return };
    let root = Fixture::open(&peer).await;
    peer.0.tell(&json!({ "state": "schedule" }));
    let error = root.probe().await.unwrap_err();
    assert!(
        matches!(&error, RootError::Withdrawn { withdrawal: Withdrawal::PendingDeletion, .. }),
        "{error:?}"
    );
    assert_eq!(KeyState::told_by(&error), Some(KeyState::PendingDeletion));
    peer.0.tell(&json!({ "state": "cancel" }));
    peer.0.tell(&json!({ "state": "enable" }));
    root.probe().await.unwrap();
}

#[tokio::test]
async fn each_mistake_has_a_sentence() {
    let Some(peer) = Aws::start() else { return };
    let check = async |config: AwsKmsConfig, credentials: Credentials, expected: &str| {
        let opened = keystore::open(&RootConfig::AwsKms(config), &credentials, &peer.0.site()).await;
        let error = opened.err().unwrap_or_else(|| panic!("{expected}: it opened"));
        let text = error.to_string();
        assert!(matches!(error, RootError::Misconfigured { .. }), "{error:?}");
        assert!(text.contains(expected), "{text:?} does not say {expected:?}");
    };
    let with = |change: fn(&mut AwsKmsConfig)| {
        let mut config = peer.config(0);
        change(&mut config);
        config
    };
    check(with(|c| c.key_arn = "alias/mine".into()), alone(), "is no ARN of a key").await;
    check(with(|c| c.key_arn.replace_range(c.key_arn.len() - 1.., "-")), alone(), "there is no such key")
        .await;
    check(with(|c| c.endpoint = Some("https://169.254.169.254".into())), alone(), "may not connect to").await;
    let asymmetric = AwsKmsConfig { key_arn: peer.0.text("asymmetric"), ..peer.config(0) };
    check(asymmetric, alone(), "the key is RSA_2048").await;
    check(peer.config(0), access_key("AKIASTATIC", "another"), "the credentials are not accepted").await;
    check(peer.config(0), access_key("AKIANOBODY", "x"), "the credentials are not accepted").await;
    check(peer.config(0), assuming(), "the permission kms:DescribeKey is missing").await;
    check(peer.config(0), Credentials::WorkloadIdentity, "there is no role to take on").await;
    let token = Credentials::Token { token: SecretText::new("x".into()) };
    check(peer.config(0), token, "of kind `token` do not fit").await;
}

/// Against AWS itself: `KEYRAFT_LIVE_AWS_ARN`, and the access key as AWS's own tools take it.
#[tokio::test]
#[ignore = "needs an account: set KEYRAFT_LIVE_AWS_ARN, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"]
async fn live() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let config = AwsKmsConfig {
        key_arn: variable("KEYRAFT_LIVE_AWS_ARN"),
        role_arn: std::env::var("KEYRAFT_LIVE_AWS_ROLE").ok(),
        external_id: std::env::var("KEYRAFT_LIVE_AWS_EXTERNAL_ID").ok(),
        endpoint: None,
        sts_endpoint: None,
    };
    let credentials = access_key(&variable("AWS_ACCESS_KEY_ID"), &variable("AWS_SECRET_ACCESS_KEY"));
    let report = keystore::test(&RootConfig::AwsKms(config), &credentials, &keystore::Site::default()).await;
    assert!(report.passed, "{}", report.to_text());
}
