//! The connection test, over roots that need no network.

use std::collections::BTreeMap;

use keystore::config::SoftwareConfig;
use keystore::providers::software::DangerSoftwareRoot;
use keystore::{Credentials, KeyState, RootConfig, Site};

#[tokio::test]
async fn a_root_that_works_passes_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    DangerSoftwareRoot::create(&file).unwrap();
    let site = Site { danger_key_files: BTreeMap::from([("dev".to_owned(), file)]), ..Site::default() };
    let config = |key: &str| RootConfig::Software(SoftwareConfig { key: key.to_owned() });
    let report = keystore::test(&config("dev"), &Credentials::default(), &site).await;
    assert!(report.passed, "{}", report.to_text());
    assert_eq!((report.state, report.state.shown()), (KeyState::Enabled, "Active"));
    assert_eq!(report.warnings.len(), 1);
    let text = report.to_text();
    assert!(text.starts_with("passed: software in "), "{text}");

    let report = keystore::test(&config("/etc/shadow"), &Credentials::default(), &site).await;
    let problem = report.problem.as_ref().unwrap();
    assert_eq!((report.passed, problem.code), (false, "misconfigured"));
    assert!(
        problem.cause.contains("no key is called `/etc/shadow` on this node; offered: dev"),
        "{problem:?}"
    );
}

#[cfg(feature = "pkcs11")]
#[tokio::test]
async fn a_token_passes_with_its_evidence_and_fails_with_who_must_act() {
    use keystore::config::{Hsm, Pkcs11Config};
    use keystore::{SecretText, Who};

    use crate::softhsm::{PIN, key_id, softhsm_alone};

    let Some(hsm) = softhsm_alone().await else { return };
    crate::pkcs11::open_or_make(&hsm.settings("main", "tested", "fe")).await;
    let program = crate::worker::program();
    let module = Hsm { module: hsm.module.into(), parameters: None, danger_accept_extractable: false };
    let site = Site {
        hsm: BTreeMap::from([("soft".to_owned(), module)]),
        hsm_worker: std::iter::once(program.path.into_os_string()).chain(program.args).collect(),
        ..Site::default()
    };
    let config = |hsm: &str, label: &str| {
        RootConfig::Pkcs11(Pkcs11Config {
            hsm: hsm.to_owned(),
            token: "main".to_owned(),
            token_serial: None,
            key_label: label.to_owned(),
            key_id: key_id("fe"),
        })
    };
    let pin = |pin: &str| Credentials::Pin { pin: SecretText::new(pin.to_owned()) };

    let report = keystore::test(&config("soft", "tested"), &pin(PIN), &site).await;
    assert!(report.passed, "{}", report.to_text());
    let shown = |name: &str| report.evidence.iter().find(|row| row.name == name).map(|row| row.value.clone());
    assert_eq!(shown("CKA_SENSITIVE").as_deref(), Some("true"));
    assert_eq!(shown("CKA_EXTRACTABLE").as_deref(), Some("false"));
    assert_eq!(shown("CKA_NEVER_EXTRACTABLE").as_deref(), Some("true"));
    assert_eq!(shown("CKA_LOCAL").as_deref(), Some("true"));
    assert!(!report.to_text().contains(PIN));

    let cases = [
        (
            config("/usr/lib/evil.so", "tested"),
            pin(PIN),
            Who::Operator,
            "no HSM is called `/usr/lib/evil.so`",
        ),
        (config("soft", "absent"), pin(PIN), Who::KeyOwner, "no AES key with label `absent`"),
        (
            config("soft", "tested"),
            Credentials::default(),
            Who::KeyOwner,
            "credentials of kind `workload_identity`",
        ),
        (config("soft", "tested"), pin(""), Who::Operator, "the PIN of its credentials is empty"),
    ];
    for (config, credentials, who, expected) in cases {
        let report = keystore::test(&config, &credentials, &site).await;
        let problem = report.problem.unwrap();
        assert_eq!((report.passed, problem.who), (false, who), "{problem:?}");
        assert!(problem.cause.contains(expected), "{problem:?}");
        assert!(report.script.unwrap().text.contains("pkcs11-tool"));
    }
}
