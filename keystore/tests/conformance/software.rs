//! The development root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use keystore::providers::software::{DangerSoftwareRoot, SoftwareSettings};
use keystore::{BoxFuture, Custody, RootError, RootKeystore, RootSettings, Withdrawal};
use tempfile::TempDir;

use crate::suite::{self, Fixture};

/// Two root keys in a folder of their own.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        DangerSoftwareRoot::create(&files.key("one")).unwrap();
        DangerSoftwareRoot::create(&files.key("two")).unwrap();
        files
    }

    fn key(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, name: &str) -> Result<DangerSoftwareRoot, RootError> {
        DangerSoftwareRoot::open(&SoftwareSettings { danger_key_file: self.key(name) })
    }
}

impl Fixture for Files {
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Arc::new(self.open("one").unwrap()) as Arc<dyn RootKeystore> })
    }

    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { Arc::new(self.open("two").unwrap()) as Arc<dyn RootKeystore> })
    }
}

suite::conformance!(Some(Files::new()));

#[track_caller]
fn check_refused(files: &Files, name: &str, expected: &str) {
    match files.open(name) {
        Err(error @ RootError::Misconfigured { .. }) => {
            let text = error.to_string();
            assert!(text.contains(expected), "{text:?} does not say {expected:?}");
        }
        other => panic!("expected misconfigured, got {:?}", other.err()),
    }
}

#[test]
fn each_mistake_has_a_sentence() {
    let files = Files::new();
    check_refused(&files, "none", "there is no file");

    fs::set_permissions(files.key("one"), Permissions::from_mode(0o640)).unwrap();
    check_refused(&files, "one", "has mode 640, others may read it; operator: chmod 600");

    fs::set_permissions(files.key("one"), Permissions::from_mode(0o000)).unwrap();
    check_refused(&files, "one", "cannot be read");

    fs::write(files.key("two"), [0; 31]).unwrap();
    check_refused(&files, "two", "has 31 bytes, a root key has 32");
}

#[test]
fn a_key_is_never_overwritten_and_born_private() {
    let files = Files::new();
    let before = fs::read(files.key("one")).unwrap();
    assert!(matches!(DangerSoftwareRoot::create(&files.key("one")), Err(RootError::Misconfigured { .. })));
    assert_eq!(fs::read(files.key("one")).unwrap(), before);
    assert_eq!(before.len(), 32);
    assert_eq!(fs::metadata(files.key("one")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn the_file_is_the_switch() {
    let files = Files::new();
    let root = files.open("one").unwrap();
    let health = root.probe().await.unwrap();
    assert_eq!(health.custody, Custody::DangerSoftwareFile);
    assert_eq!(health.warnings().len(), 1);

    let file = files.key("one");
    let settings = SoftwareSettings { danger_key_file: file.clone() };
    let reopened = || DangerSoftwareRoot::reopen(root.l1_ref(), &settings).map(drop).unwrap_err();
    let is = |error: RootError, expected| {
        assert!(
            matches!(error, RootError::Withdrawn { withdrawal, .. } if withdrawal == expected),
            "{error}"
        );
    };
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    is(root.probe().await.unwrap_err(), Withdrawal::Disabled);
    is(reopened(), Withdrawal::Disabled);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    root.probe().await.unwrap();

    let key = fs::read(&file).unwrap();
    fs::write(&file, [1; 32]).unwrap();
    is(root.probe().await.unwrap_err(), Withdrawal::Destroyed);
    fs::write(&file, key).unwrap();
    root.probe().await.unwrap();

    fs::remove_file(&file).unwrap();
    is(root.probe().await.unwrap_err(), Withdrawal::Destroyed);
    is(reopened(), Withdrawal::Destroyed);
    let payload = crypto::L1Payload::from_bytes(&[0; 64]).unwrap();
    let wrap = root.wrap(keystore::Context::barrier_kek(suite::REALM), payload).await;
    is(wrap.unwrap_err(), Withdrawal::Destroyed);
}

#[tokio::test]
async fn settings_come_from_toml_and_unknown_ones_are_refused() {
    let files = Files::new();
    let text = format!("provider = \"software\"\ndanger_key_file = {:?}", files.key("one"));
    let settings: RootSettings = toml::from_str(&text).unwrap();
    assert_eq!(settings.provider(), "software");
    assert!(settings.open(&keystore::Site::default()).await.unwrap().l1_ref().starts_with("software:"));

    let unknown = toml::from_str::<RootSettings>(&format!("{text}\nkey = 1")).unwrap_err().to_string();
    assert!(unknown.contains("unknown field `key`"), "{unknown}");
    let other = toml::from_str::<RootSettings>("provider = \"paper\"").unwrap_err().to_string();
    assert!(other.contains("unknown variant `paper`"), "{other}");
}
