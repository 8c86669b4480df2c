//! PKCS#11 in a worker process: the same rules as in ours, and what a vendor's library may do wrong.
//!
//! The worker is this very test binary, told to run [`become_a_worker`].

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::{L1Payload, L2};
use keystore::providers::pkcs11::worker::{Program, WorkerRoot, run};
use keystore::providers::pkcs11::{PinSource, Pkcs11Settings};
use keystore::{
    Action, BoxFuture, Context, Purpose, RootError, RootKeystore, SecretText, Withdrawal, Wrapped,
};
use model::id::{L2Version, TenantHandle};

use crate::pkcs11::open_or_make;
use crate::softhsm::{Held, PIN, softhsm, softhsm_alone};
use crate::suite::{self, Fixture, REALM};

/// This binary as a worker.
pub fn program() -> Program {
    let args = ["--exact", "worker::become_a_worker", "--ignored", "--nocapture"];
    Program { path: std::env::current_exe().unwrap(), args: args.map(Into::into).into() }
}

#[test]
#[ignore = "the worker of the other tests"]
fn become_a_worker() {
    // Started by hand there is no socket, and nothing to do.
    let _ended = run();
}

/// The keys of `pkcs11.rs`, each in a worker of its own.
struct Keys(Held);

impl Keys {
    async fn open(&self, label: &str, id: &str) -> Arc<dyn RootKeystore> {
        let settings = self.0.settings("main", label, id);
        let here = open_or_make(&settings).await;
        let root = WorkerRoot::open(settings, program()).await.unwrap();
        assert_eq!(root.l1_ref(), here.l1_ref());
        Arc::new(root)
    }
}

impl Fixture for Keys {
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(Keys::open(self, "one", "01"))
    }

    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(Keys::open(self, "two", "02"))
    }
}

suite::conformance!(softhsm().await.map(Keys));

/// SoftHSM behind a module that misbehaves on demand.
struct Shim {
    hsm: Held,
    module: PathBuf,
    mode: PathBuf,
}

impl Shim {
    async fn new(name: &str) -> Option<Self> {
        let hsm = softhsm_alone().await?;
        let folder = tempfile::tempdir().unwrap().keep();
        let module = folder.join("shim.so");
        let source = "tests/conformance/shim.c";
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-o"]).arg(&module).arg(source).arg("-ldl");
        assert!(cc.status().unwrap().success(), "cc does not build {source}");
        open_or_make(&hsm.settings("main", name, "ab")).await;
        Some(Self { hsm, module, mode: folder.join("mode") })
    }

    fn set(&self, mode: &str) {
        fs::write(&self.mode, mode).unwrap();
    }

    /// How often `C_Login` was called.
    fn logins(&self) -> usize {
        fs::read_to_string(self.mode.with_extension("logins")).unwrap_or_default().lines().count()
    }

    fn settings(&self, name: &str) -> Pkcs11Settings {
        let mut settings = self.hsm.settings("main", name, "ab");
        settings.module = self.module.clone();
        settings.call_timeout_ms = 500;
        settings.sessions = 2.try_into().unwrap();
        settings
    }

    /// A worker that finds the real module and the mode.
    fn program(&self) -> Program {
        let mut args: Vec<std::ffi::OsString> = vec![
            format!("KEYSTORE_SHIM_MODULE={}", self.hsm.module).into(),
            format!("KEYSTORE_SHIM_MODE={}", self.mode.display()).into(),
        ];
        let worker = program();
        args.push(worker.path.into());
        args.extend(worker.args);
        Program { path: "/usr/bin/env".into(), args }
    }

    async fn open(&self, name: &str) -> WorkerRoot {
        WorkerRoot::open(self.settings(name), self.program()).await.unwrap()
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.mode.parent().unwrap());
    }
}

const PLACE: Context = Context {
    realm: REALM,
    purpose: Purpose::TenantL2 { tenant: TenantHandle([1; 4]), version: L2Version(1) },
};

async fn wrap(root: &dyn RootKeystore) -> Result<Wrapped, RootError> {
    let l2 = L2::generate(REALM, TenantHandle([1; 4]), L2Version(1)).unwrap();
    root.wrap(PLACE, L1Payload::of_l2(&l2, root.l1_ref()).unwrap()).await
}

#[track_caller]
fn check_unreachable<T>(answer: Result<T, RootError>) -> String {
    let error = answer.err().expect("the root answered");
    assert_eq!(error.action(), Action::RetryWithinLease, "{error}");
    error.to_string()
}

/// Comes back by itself, within a restart and a log-in.
async fn check_returns(root: &dyn RootKeystore, wrapped: &Wrapped) {
    let patience = Instant::now() + Duration::from_secs(20);
    while let Err(error) = root.unwrap(PLACE, wrapped).await {
        assert_eq!(error.action(), Action::RetryWithinLease, "{error}");
        assert!(Instant::now() < patience, "it did not come back: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_library_that_crashes_costs_its_worker_alone() {
    let Some(shim) = Shim::new("crash").await else { return };
    let root = shim.open("crash").await;
    let wrapped = wrap(&root).await.unwrap();
    shim.set("crash");
    let text = check_unreachable(root.unwrap(PLACE, &wrapped).await);
    assert!(text.contains("signal 6") || text.contains("died"), "{text}");
    check_unreachable(wrap(&root).await);
    shim.set("well");
    check_returns(&root, &wrapped).await;
    root.probe().await.unwrap();
}

#[tokio::test]
async fn a_library_that_hangs_is_given_up_in_time_and_replaced() {
    let Some(shim) = Shim::new("hang").await else { return };
    let root = shim.open("hang").await;
    let wrapped = wrap(&root).await.unwrap();
    shim.set("hang");
    for _ in 0..2 {
        let start = Instant::now();
        let text = check_unreachable(root.unwrap(PLACE, &wrapped).await);
        assert!(text.contains("no answer within 500 ms"), "{text}");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
    shim.set("well");
    check_returns(&root, &wrapped).await;
}

#[tokio::test]
async fn a_library_that_hangs_is_replaced_however_seldom_it_is_asked() {
    let Some(shim) = Shim::new("seldom").await else { return };
    let mut settings = shim.settings("seldom");
    settings.call_timeout_ms = 100;
    let root = WorkerRoot::open(settings, shim.program()).await.unwrap();
    let probe = async || check_unreachable(root.probe().await);
    shim.set("hang");
    probe().await;
    // The worker itself gives the first call up after 16 time-outs, before the second is made.
    tokio::time::sleep(Duration::from_millis(16 * 100 + 1_000)).await;
    probe().await;
    let before = shim.logins();
    probe().await;
    assert!(shim.logins() > before, "each of its two threads hangs, and it was not replaced");
}

#[tokio::test]
async fn a_library_that_hangs_is_replaced_also_if_nobody_waits_for_the_time_out() {
    let Some(shim) = Shim::new("left").await else { return };
    let root = shim.open("left").await;
    shim.set("hang");
    for _ in 0..2 {
        let left = tokio::time::timeout(Duration::from_millis(100), root.probe()).await;
        assert!(left.is_err(), "it answered");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = shim.logins();
    check_unreachable(root.probe().await);
    assert!(shim.logins() > before, "each of its two threads hangs, and it was not replaced");
}

#[tokio::test]
async fn a_library_that_eats_memory_meets_its_bound() {
    let Some(shim) = Shim::new("eat").await else { return };
    let root = shim.open("eat").await;
    let wrapped = wrap(&root).await.unwrap();
    shim.set("eat");
    let text = check_unreachable(root.unwrap(PLACE, &wrapped).await);
    assert!(text.contains("exit code 77"), "{text}");
    shim.set("well");
    check_returns(&root, &wrapped).await;
}

#[tokio::test]
async fn a_pin_that_is_refused_is_tried_once_by_however_many_workers() {
    let Some(shim) = Shim::new("pin").await else { return };
    let mut settings = shim.settings("pin");
    settings.pin = PinSource::Held(SecretText::new("9876".to_owned()));
    for _ in 0..3 {
        let error = WorkerRoot::open(settings.clone(), shim.program()).await.err().unwrap();
        assert!(error.to_string().contains("refuses the PIN of its credentials"), "{error}");
        assert_eq!(shim.logins(), 1);
    }
    // The right one may be tried, and puts the token's count of failures back.
    settings.pin = PinSource::Held(SecretText::new(PIN.to_owned()));
    WorkerRoot::open(settings, shim.program()).await.unwrap();
}

#[tokio::test]
async fn a_pin_that_is_refused_is_tried_once_however_its_token_is_named_and_by_however_many_at_once() {
    let Some(shim) = Shim::new("named").await else { return };
    let right = shim.open("named").await;
    let l1_ref = right.l1_ref().to_owned();
    let serial = l1_ref.split(':').nth(1).expect("pkcs11:serial:id").to_owned();
    let before = shim.logins();
    let with = |pin: &str, serial: Option<&str>| {
        let mut settings = shim.settings("named");
        settings.pin = PinSource::Held(SecretText::new(pin.to_owned()));
        settings.token_serial = serial.map(str::to_owned);
        settings
    };
    let refused = async |settings: Pkcs11Settings| {
        let error = WorkerRoot::open(settings, shim.program()).await.err().expect("it opened");
        assert!(error.to_string().contains("refuses the PIN"), "{error}");
    };
    refused(with("5432", None)).await;
    refused(with("5432", Some(&serial))).await;
    let again = WorkerRoot::reopen(&l1_ref, with("5432", None), shim.program()).await;
    let error = again.err().expect("it opened");
    assert!(matches!(&error, RootError::Withdrawn { withdrawal: Withdrawal::PinRefused, .. }), "{error}");
    assert_eq!(shim.logins(), before + 1);

    let (named, not_named) = (with("5433", Some(&serial)), with("5433", None));
    tokio::join!(refused(not_named.clone()), refused(named), refused(not_named));
    assert_eq!(shim.logins(), before + 2);
    // The right one puts the token's count of failures back.
    WorkerRoot::open(with(PIN, Some(&serial)), shim.program()).await.unwrap();
}

#[tokio::test]
async fn a_pin_whose_attempt_killed_its_worker_is_tried_again_only_if_none_failed() {
    let Some(shim) = Shim::new("doubt").await else { return };
    let mut settings = shim.settings("doubt");
    shim.set("login");
    check_unreachable(WorkerRoot::open(settings.clone(), shim.program()).await);
    assert_eq!(shim.logins(), 1);

    // Somebody fails elsewhere, so the attempt without an answer may have been the wrong one.
    shim.set("well");
    settings.pin = PinSource::Held(SecretText::new("6789".to_owned()));
    WorkerRoot::open(settings.clone(), shim.program()).await.err().unwrap();
    settings.pin = shim.settings("doubt").pin;
    let error = WorkerRoot::open(settings.clone(), shim.program()).await.err().unwrap();
    assert!(error.to_string().contains("had no answer, and it counts a wrong PIN since"), "{error}");
    assert_eq!(shim.logins(), 2);

    // A log-in with the vendor's tool clears the count, and with it the doubt.
    shim.hsm.log_in_elsewhere("main");
    WorkerRoot::open(settings, shim.program()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_gone_when_a_worker_starts_anew_is_destroyed() {
    let Some(shim) = Shim::new("gone").await else { return };
    let root = shim.open("gone").await;
    let wrapped = wrap(&root).await.unwrap();
    shim.set("crash");
    check_unreachable(root.unwrap(PLACE, &wrapped).await);
    crate::pkcs11::destroy(&shim.hsm, "main", &shim.hsm.settings("main", "gone", "ab"));
    shim.set("well");
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        match root.unwrap(PLACE, &wrapped).await.err().unwrap() {
            RootError::Withdrawn { withdrawal: Withdrawal::Destroyed, .. } => break,
            error => assert_eq!(error.action(), Action::RetryWithinLease, "{error}"),
        }
        assert!(Instant::now() < patience, "its end was never said");
    }
    let again = WorkerRoot::reopen(root.l1_ref(), shim.settings("gone"), shim.program()).await;
    let error = again.err().expect("it opened");
    assert!(matches!(&error, RootError::Withdrawn { withdrawal: Withdrawal::Destroyed, .. }), "{error}");
}
