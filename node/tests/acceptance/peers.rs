//! Roots of every provider that tenants of a cluster may bring: the peers of `keystore`'s own conformance suite,
//! run beside the cluster, and how their owners would describe them.
//!
//! They need the Python that `make setup` installs; without it they are passed over, visibly.

use std::fmt::Write as _;

use serde_json::{Value, json};

#[allow(clippy::unwrap_used, dead_code, reason = "it is another suite's, which uses more of it")]
#[path = "../../../keystore/tests/conformance/fake.rs"]
mod fake;

use self::fake::Fake;
use crate::support::Cluster;

/// What every answer of a service takes longer than a fake's on this machine: the next data centre.
const ROAD_MS: u64 = 15;
/// Google's hosts, which are at the fake.
const GOOGLE: [&str; 2] = ["cloudkms.googleapis.com", "oauth2.googleapis.com"];

/// A provider by its name in configurations, and as a tenant's name.
#[derive(Clone, Copy)]
pub struct Provider {
    pub name: &'static str,
    /// Of its own, so that its moves are nobody else's.
    pub tenant: &'static str,
    /// The program of `keystore/tests/fakes`, where there is one.
    fake: Option<&'static str>,
    owner: fn(&Cluster, Option<&Fake>) -> Described,
}

/// A root as its owner describes it.
pub struct Described {
    pub config: Value,
    pub credentials: Value,
}

/// All there are.
pub static PROVIDERS: [Provider; 7] = [
    Provider { name: "software", tenant: "of-software", fake: None, owner: software },
    Provider { name: "transit", tenant: "of-transit", fake: Some("transit"), owner: transit },
    Provider { name: "pkcs11", tenant: "of-pkcs11", fake: None, owner: pkcs11 },
    Provider { name: "aws_kms", tenant: "of-aws", fake: Some("aws"), owner: aws_kms },
    Provider { name: "azure_key_vault", tenant: "of-azure", fake: Some("keyvault"), owner: azure_key_vault },
    Provider { name: "gcp_kms", tenant: "of-gcp", fake: Some("gcp"), owner: gcp_kms },
    Provider { name: "kmip", tenant: "of-kmip", fake: Some("pykmip"), owner: kmip },
];

/// Running peers.
pub struct Peers(Vec<(Provider, Option<Fake>)>);

impl Peers {
    /// Starts those of these providers; one that cannot be started here is left out.
    pub fn start(wanted: &[Provider]) -> Self {
        let started = |provider: &Provider| match provider.fake {
            None => Some((*provider, None)),
            Some(name) => Some((*provider, Some(Fake::start(name)?))),
        };
        let peers = Self(wanted.iter().filter_map(started).collect());
        for fake in peers.fakes() {
            // PyKMIP's server is nobody's fake, and as slow as it is.
            if fake.hello.get("identities").is_none() {
                fake.tell(&json!({ "delay_ms": ROAD_MS }));
            }
        }
        peers
    }

    /// The fake of a provider that was started.
    pub fn fake(&self, name: &str) -> &Fake {
        let found = self.0.iter().find(|(provider, _)| provider.name == name);
        found.and_then(|(_, fake)| fake.as_ref()).expect("it was started")
    }

    fn fakes(&self) -> impl Iterator<Item = &Fake> {
        self.0.iter().filter_map(|(_, fake)| fake.as_ref())
    }

    /// The settings of a node that may reach them.
    pub fn settings(&self, folder: &std::path::Path) -> String {
        let bundle = folder.join("authorities.pem");
        let authorities: Vec<String> = self.fakes().map(Fake::ca_pem).collect();
        std::fs::write(&bundle, authorities.concat()).expect("a file");
        let mut text = String::new();
        if !authorities.is_empty() {
            writeln!(text, "[roots]\nca_bundle = {:?}", bundle.display().to_string()).expect("memory");
        }
        if let Some((_, Some(google))) = self.0.iter().find(|(provider, _)| provider.name == "gcp_kms") {
            let port = &google.hello["port"];
            writeln!(text, "[roots.danger_resolve]").expect("memory");
            GOOGLE.iter().for_each(|host| writeln!(text, "{host:?} = \"127.0.0.1:{port}\"").expect("memory"));
        }
        text
    }

    /// Each with a root of it.
    pub fn roots<'a>(&'a self, cluster: &'a Cluster) -> impl Iterator<Item = (Provider, Described)> + 'a {
        self.0.iter().map(|(provider, fake)| (*provider, (provider.owner)(cluster, fake.as_ref())))
    }
}

fn software(_: &Cluster, _: Option<&Fake>) -> Described {
    let config = json!({ "provider": "software", "key": "customer" });
    Described { config, credentials: json!({ "kind": "workload_identity" }) }
}

fn pkcs11(cluster: &Cluster, _: Option<&Fake>) -> Described {
    let read = |name: &str| {
        let file = cluster.data.join("roots").join(name);
        serde_json::from_slice(&std::fs::read(file).expect("keyraft dev describes it")).expect("JSON")
    };
    Described { config: read("customer.json"), credentials: read("customer.credentials.json") }
}

fn transit(_: &Cluster, fake: Option<&Fake>) -> Described {
    let fake = fake.expect("a fake");
    let config =
        json!({ "provider": "transit", "address": fake.url(), "key": "k1", "ca_pem": fake.ca_pem() });
    Described { config, credentials: json!({ "kind": "token", "token": "hvs.keyraft" }) }
}

fn aws_kms(_: &Cluster, fake: Option<&Fake>) -> Described {
    let fake = fake.expect("a fake");
    let config = json!({ "provider": "aws_kms", "key_arn": fake.hello["arns"][0], "endpoint": fake.url(),
        "sts_endpoint": fake.url() });
    let credentials = json!({ "kind": "access_key", "access_key_id": "AKIASTATIC",
        "secret_access_key": "static/secret+key" });
    Described { config, credentials }
}

fn azure_key_vault(_: &Cluster, fake: Option<&Fake>) -> Described {
    let fake = fake.expect("a fake");
    let config = json!({ "provider": "azure_key_vault", "key_url": format!("{}/keys/one", fake.url()),
        "directory_id": fake.hello["directory"], "client_id": fake.hello["client"], "authority": fake.url() });
    Described {
        config,
        credentials: json!({ "kind": "client_secret", "client_secret": fake.hello["secret"] }),
    }
}

fn gcp_kms(_: &Cluster, fake: Option<&Fake>) -> Described {
    let fake = fake.expect("a fake");
    let config = json!({ "provider": "gcp_kms", "key_name": fake.hello["keys"][0] });
    Described {
        config,
        credentials: json!({ "kind": "service_account_key", "key_json": fake.hello["key_json"] }),
    }
}

fn kmip(_: &Cluster, fake: Option<&Fake>) -> Described {
    let fake = fake.expect("a server");
    let identity = &fake.hello["identities"]["keyraft"];
    let config = json!({ "provider": "kmip", "address": format!("localhost:{}", fake.hello["port"]),
        "key_uid": fake.hello["keys"][0], "ca_pem": fake.ca_pem() });
    let credentials =
        json!({ "kind": "certificate", "certificate_pem": identity[0], "private_key_pem": identity[1] });
    Described { config, credentials }
}
