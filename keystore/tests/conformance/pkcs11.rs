//! PKCS#11, with SoftHSM behind it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::{L1Payload, L2};
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::{Session, UserType};
use cryptoki::types::{AuthPin, Ulong};
use keystore::providers::pkcs11::{Pkcs11Root, Pkcs11Settings, create_key};
use keystore::{
    Action, BoxFuture, Context, Custody, KeyAttributes, RootError, RootKeystore, Who, Withdrawal, Wrapped,
};
use model::id::{L2Version, TenantHandle};

use crate::softhsm::{Held, PIN, SoftHsm, key_id, softhsm, softhsm_alone};
use crate::suite::{self, Fixture, REALM};

/// Two keys in the token `main`, made when first asked for.
struct Keys(Held);

pub async fn open_or_make(settings: &Pkcs11Settings) -> Arc<dyn RootKeystore> {
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one_at_a_time = MAKING.lock().await;
    if let Ok(root) = Pkcs11Root::open(settings).await {
        return Arc::new(root);
    }
    // A key that is there may have been overlooked: a worker of another test was reading the token's files.
    let made = create_key(settings).await;
    let opened = Pkcs11Root::open(settings).await;
    Arc::new(opened.unwrap_or_else(|error| panic!("{error}; before that, making it: {made:?}")))
}

impl Fixture for Keys {
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { open_or_make(&self.0.settings("main", "one", "01")).await })
    }

    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>> {
        Box::pin(async { open_or_make(&self.0.settings("main", "two", "02")).await })
    }
}

suite::conformance!(softhsm().await.map(Keys));

/// A session of the test's own beside those of the root: same process, same log-in.
fn own_session(hsm: &SoftHsm, token: &str) -> Session {
    let pkcs11 = Pkcs11::new(hsm.module).unwrap();
    let mut slots = pkcs11.get_slots_with_token().unwrap();
    slots.retain(|slot| pkcs11.get_token_info(*slot).is_ok_and(|info| info.label() == token));
    pkcs11.open_rw_session(slots[0]).unwrap()
}

/// Destroys a key behind everybody's back.
pub fn destroy(hsm: &SoftHsm, token: &str, settings: &Pkcs11Settings) {
    let session = own_session(hsm, token);
    let key = session.find_objects(&template(settings)).unwrap()[0];
    session.destroy_object(key).unwrap();
}

fn template(settings: &Pkcs11Settings) -> Vec<Attribute> {
    let id = data_encoding::HEXLOWER.decode(settings.key_id.to_string().as_bytes()).unwrap();
    vec![Attribute::Label(settings.key_label.clone().into_bytes()), Attribute::Id(id)]
}

/// Makes a key by hand, with attributes that `create_key` would never give it.
fn make_by_hand(session: &Session, settings: &Pkcs11Settings, bytes: u64, extractable: bool) {
    let mut attributes = template(settings);
    attributes.extend([
        Attribute::Token(true),
        Attribute::ValueLen(Ulong::new(bytes)),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Sensitive(!extractable),
        Attribute::Extractable(extractable),
    ]);
    // SoftHSM answers GENERAL_ERROR while another process logs in: log-in writes the token's file.
    for _ in 0..TRIES {
        match session.generate_key(&Mechanism::AesKeyGen, &attributes) {
            Err(Error::Pkcs11(RvError::GeneralError, _)) => std::thread::sleep(PAUSE),
            made => {
                made.unwrap();
                return;
            }
        }
    }
    panic!("SoftHSM made no key in {TRIES} tries");
}

/// A log-in elsewhere takes a few milliseconds.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

async fn check_refused(settings: &Pkcs11Settings, who: Who, expected: &str) {
    match Pkcs11Root::open(settings).await {
        Err(error @ RootError::Misconfigured { who: found, .. }) => {
            let text = error.to_string();
            assert_eq!(found, who, "{text}");
            assert!(text.contains(expected), "{text:?} does not say {expected:?}");
            assert!(!text.contains('\n') && !text.contains("  "), "{text:?} is one sentence");
        }
        other => panic!("{expected}: expected misconfigured, got {:?}", other.err()),
    }
}

#[tokio::test]
async fn each_mistake_has_a_sentence() {
    let Some(hsm) = softhsm().await else { return };
    let good = hsm.settings("main", "mistakes", "a0");
    open_or_make(&good).await;
    let with = |change: fn(&mut Pkcs11Settings)| {
        let mut settings = good.clone();
        change(&mut settings);
        settings
    };
    let cases = [
        (
            with(|s| s.module = "/nowhere/lib.so".into()),
            Who::Operator,
            "module /nowhere/lib.so does not exist",
        ),
        (with(|s| s.module = "lib.so".into()), Who::Operator, "has no absolute path"),
        (with(|s| s.module = "/etc/passwd".into()), Who::Operator, "cannot be loaded"),
        (with(|s| s.token = "nobody".into()), Who::Operator, "no token is called `nobody`; present: `"),
        (with(|s| s.token_serial = Some("0".into())), Who::Operator, "`main` with serial number 0"),
        (with(|s| s.token = "twin".into()), Who::Operator, "set `token_serial` to one of"),
        (with(|s| s.key_label = "none".into()), Who::KeyOwner, "no AES key with label `none` and id a0"),
        (with(|s| s.key_id = key_id("beef")), Who::KeyOwner, "no AES key with label `mistakes` and id beef"),
    ];
    for (settings, who, expected) in cases {
        check_refused(&settings, who, expected).await;
    }
}

#[tokio::test]
async fn one_of_two_tokens_is_chosen_by_its_serial_number() {
    let Some(hsm) = softhsm().await else { return };
    let mut settings = hsm.settings("twin", "one", "01");
    let pkcs11 = Pkcs11::new(hsm.module).unwrap();
    open_or_make(&hsm.settings("main", "one", "01")).await;
    let slots = pkcs11.get_slots_with_token().unwrap();
    let infos = slots.into_iter().filter_map(|slot| pkcs11.get_token_info(slot).ok());
    let serials: Vec<_> =
        infos.filter(|i| i.label() == "twin").map(|i| i.serial_number().to_owned()).collect();
    assert_eq!(serials.len(), 2);
    for serial in serials {
        settings.token_serial = Some(serial.clone());
        assert_eq!(open_or_make(&settings).await.l1_ref(), format!("pkcs11:{serial}:01"));
    }
}

#[tokio::test]
async fn ambiguous_and_unfit_keys_are_refused() {
    let Some(hsm) = softhsm().await else { return };
    let good = hsm.settings("main", "unfit", "b0");
    open_or_make(&good).await;
    let session = own_session(&hsm, "main");

    let double = hsm.settings("main", "unfit", "b1");
    make_by_hand(&session, &double, 32, false);
    open_or_make(&double).await;
    make_by_hand(&session, &double, 32, false);
    check_refused(&double, Who::KeyOwner, "2 AES keys have label `unfit` and id b1").await;

    let short = hsm.settings("main", "unfit", "b2");
    make_by_hand(&session, &short, 16, false);
    check_refused(&short, Who::KeyOwner, "is not an AES key of 256 bits").await;

    let mut loose = hsm.settings("main", "unfit", "b3");
    make_by_hand(&session, &loose, 32, true);
    check_refused(&loose, Who::KeyOwner, "may leave its token").await;
    loose.danger_accept_extractable = true;
    let health = Pkcs11Root::open(&loose).await.unwrap().probe().await.unwrap();
    assert_eq!(health.warnings().len(), 3, "{:?}", health.warnings());

    let again = create_key(&good).await.unwrap_err();
    assert!(again.to_string().contains("holds a key with label `unfit` and id b0 already"), "{again}");
}

#[tokio::test]
async fn a_refused_pin_is_never_tried_again() {
    let Some(hsm) = softhsm().await else { return };
    let mut settings = hsm.settings("pins", "one", "01");
    settings.pin = hsm.pin_file("9999").into();
    check_refused(&settings, Who::Operator, "token pins refuses the PIN").await;

    // Now the PIN is right, as the test's own log-in shows; were it tried, it would be accepted.
    let session = own_session(&hsm, "pins");
    let log_in = |pin: &str| session.login(UserType::User, Some(&AuthPin::new(pin.into())));
    log_in(PIN).unwrap();
    session.set_pin(&AuthPin::new(PIN.into()), &AuthPin::new("9999".into())).unwrap();
    session.logout().unwrap();
    log_in("9999").unwrap();
    session.logout().unwrap();
    check_refused(&settings, Who::Operator, "token pins refuses the PIN").await;

    // Another PIN may be tried.
    log_in("9999").unwrap();
    session.set_pin(&AuthPin::new("9999".into()), &AuthPin::new("8888".into())).unwrap();
    session.logout().unwrap();
    settings.pin = hsm.pin_file("8888").into();
    check_refused(&settings, Who::KeyOwner, "no AES key").await;
}

#[tokio::test]
async fn a_changed_pin_denies_the_next_login() {
    let Some(hsm) = softhsm().await else { return };
    let root = open_or_make(&hsm.settings("changed", "one", "01")).await;
    let wrapped = wrap(&*root).await;
    let session = own_session(&hsm, "changed");
    session.set_pin(&AuthPin::new(PIN.into()), &AuthPin::new("7777".into())).unwrap();
    root.unwrap(PLACE, &wrapped).await.unwrap();
    session.logout().unwrap();
    check_withdrawn(root.unwrap(PLACE, &wrapped).await, Withdrawal::PinRefused);
    check_withdrawn(root.probe().await, Withdrawal::PinRefused);
}

#[tokio::test]
async fn a_pin_file_must_hold_a_pin() {
    let Some(hsm) = softhsm().await else { return };
    let mut settings = hsm.settings("files", "none", "00");
    for (content, expected) in [("", "is empty"), (&*"9".repeat(257), "has more than 256 bytes")] {
        settings.pin = hsm.pin_file(content).into();
        check_refused(&settings, Who::Operator, expected).await;
    }
    settings.pin = PathBuf::from("/nowhere/pin").into();
    check_refused(&settings, Who::Operator, "the PIN file /nowhere/pin cannot be read").await;
}

#[tokio::test]
async fn the_probe_tells_what_guards_the_key() {
    let Some(hsm) = softhsm().await else { return };
    let root = Keys(hsm).open().await;
    let health = root.probe().await.unwrap();
    let Custody::Token { token, attributes } = &health.custody else { panic!("{health:?}") };
    assert!(token.starts_with("SoftHSM project SoftHSM v2, `main`, serial "), "{token}");
    let expected = KeyAttributes {
        sensitive: Some(true),
        extractable: Some(false),
        always_sensitive: Some(true),
        never_extractable: Some(true),
        local: Some(true),
    };
    assert_eq!(*attributes, expected);
    assert_eq!(health.warnings(), Vec::<String>::new());
}

const PLACE: Context = Context {
    realm: REALM,
    purpose: keystore::Purpose::TenantL2 { tenant: TenantHandle([1; 4]), version: L2Version(1) },
};

async fn wrap(root: &dyn RootKeystore) -> Wrapped {
    let l2 = L2::generate(REALM, TenantHandle([1; 4]), L2Version(1)).unwrap();
    root.wrap(PLACE, L1Payload::of_l2(&l2, root.l1_ref()).unwrap()).await.unwrap()
}

#[track_caller]
fn check_withdrawn<T>(answer: Result<T, RootError>, expected: Withdrawal) {
    let error = answer.err().expect("the root answered");
    assert!(matches!(&error, RootError::Withdrawn { withdrawal, .. } if *withdrawal == expected), "{error}");
    assert_eq!(error.action(), Action::CloseNow);
}

#[tokio::test]
async fn a_lost_login_is_made_good_without_a_word() {
    let Some(hsm) = softhsm().await else { return };
    let root = open_or_make(&hsm.settings("loss", "kept", "c0")).await;
    let wrapped = wrap(&*root).await;
    for _ in 0..8 {
        own_session(&hsm, "loss").logout().unwrap();
        root.unwrap(PLACE, &wrapped).await.unwrap();
    }
    own_session(&hsm, "loss").logout().unwrap();
    root.probe().await.unwrap();
    own_session(&hsm, "loss").logout().unwrap();
    wrap(&*root).await;
}

#[tokio::test]
async fn a_deleted_key_is_destroyed_and_a_switched_off_one_disabled() {
    let Some(hsm) = softhsm().await else { return };
    let settings = hsm.settings("main", "withdrawn", "d0");
    let root = open_or_make(&settings).await;
    let wrapped = wrap(&*root).await;
    let session = own_session(&hsm, "main");
    let key = session.find_objects(&template(&settings)).unwrap()[0];

    session.update_attributes(key, &[Attribute::Decrypt(false)]).unwrap();
    check_withdrawn(root.unwrap(PLACE, &wrapped).await, Withdrawal::Disabled);
    check_withdrawn(root.probe().await, Withdrawal::Disabled);
    session.update_attributes(key, &[Attribute::Decrypt(true)]).unwrap();
    root.unwrap(PLACE, &wrapped).await.unwrap();

    session.destroy_object(key).unwrap();
    check_withdrawn(root.probe().await, Withdrawal::Destroyed);
    check_withdrawn(root.unwrap(PLACE, &wrapped).await, Withdrawal::Destroyed);
}

#[tokio::test]
async fn a_new_process_unwraps_what_an_old_one_wrapped() {
    let Some(hsm) = softhsm_alone().await else { return };
    let settings = hsm.settings("restart", "kept", "e0");
    let root = open_or_make(&settings).await;
    let wrapped = wrap(&*root).await;
    let blob = data_encoding::HEXLOWER.encode(&wrapped.blob);
    hsm.child("pkcs11::child_unwraps", &[("L1_REF", &wrapped.l1_ref), ("BLOB", &blob)]);
}

#[tokio::test]
#[ignore = "run by a_new_process_unwraps_what_an_old_one_wrapped in a process of its own"]
async fn child_unwraps() {
    let Some(hsm) = softhsm().await else { return };
    let settings = hsm.settings("restart", "kept", "e0");
    let root = Pkcs11Root::open(&settings).await.unwrap();
    let blob = data_encoding::HEXLOWER.decode(std::env::var("BLOB").unwrap().as_bytes()).unwrap();
    let wrapped = Wrapped { l1_ref: std::env::var("L1_REF").unwrap(), blob };
    root.unwrap(PLACE, &wrapped).await.unwrap();

    // Every session and the module itself are lost, and come back within the call.
    Pkcs11::new(hsm.module).unwrap().finalize().unwrap();
    root.unwrap(PLACE, &wrapped).await.unwrap();
    root.probe().await.unwrap();
}

/// SoftHSM writes its token at each log-in, and a process that starts meanwhile may see no token.
#[tokio::test]
async fn many_processes_open_one_token_at_once() {
    let Some(hsm) = softhsm_alone().await else { return };
    let root = open_or_make(&hsm.settings("crowd", "kept", "f0")).await;
    let wrapped = wrap(&*root).await;
    let blob = data_encoding::HEXLOWER.encode(&wrapped.blob);
    let variables = [("L1_REF", &*wrapped.l1_ref), ("BLOB", &*blob)];
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| hsm.child("pkcs11::child_opens_with_others", &variables));
        }
    });
}

#[tokio::test]
#[ignore = "run by many_processes_open_one_token_at_once in a process of its own"]
async fn child_opens_with_others() {
    let Some(hsm) = softhsm().await else { return };
    let settings = hsm.settings("crowd", "kept", "f0");
    let blob = data_encoding::HEXLOWER.decode(std::env::var("BLOB").unwrap().as_bytes()).unwrap();
    let wrapped = Wrapped { l1_ref: std::env::var("L1_REF").unwrap(), blob };
    // What a node does with an error: no answer may be asked again, anything else may not.
    let root = loop {
        match Pkcs11Root::open(&settings).await {
            Ok(root) => break root,
            Err(error) => assert_eq!(error.action(), Action::RetryWithinLease, "{error}"),
        }
    };
    for _ in 0..20 {
        while let Err(error) = root.unwrap(PLACE, &wrapped).await {
            assert_eq!(error.action(), Action::RetryWithinLease, "{error}");
        }
    }
}

#[tokio::test]
async fn a_vanished_token_is_unreachable_and_never_withdrawn() {
    let Some(hsm) = softhsm_alone().await else { return };
    open_or_make(&hsm.settings("restart", "kept", "e0")).await;
    hsm.child("pkcs11::child_loses_its_tokens", &[]);
}

#[tokio::test]
#[ignore = "run by a_vanished_token_is_unreachable_and_never_withdrawn in a process of its own"]
async fn child_loses_its_tokens() {
    let Some(hsm) = softhsm().await else { return };
    let root = Pkcs11Root::open(&hsm.settings("restart", "kept", "e0")).await.unwrap();
    let wrapped = wrap(&root).await;
    let hidden = hsm.hide_tokens();
    for restarted in [false, true, false] {
        if restarted {
            Pkcs11::new(hsm.module).unwrap().finalize().unwrap();
        }
        let lost = [root.probe().await.map(drop), root.unwrap(PLACE, &wrapped).await.map(drop)];
        for error in lost.into_iter().filter_map(Result::err) {
            assert_eq!(error.action(), Action::RetryWithinLease, "{error}");
        }
    }
    drop(hidden);
    let patience = Instant::now() + Duration::from_secs(20);
    while let Err(error) = root.unwrap(PLACE, &wrapped).await {
        assert_eq!(error.action(), Action::RetryWithinLease, "{error}");
        assert!(Instant::now() < patience, "it did not come back: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    root.probe().await.unwrap();
}

#[tokio::test]
async fn a_key_deleted_by_another_process_is_destroyed() {
    let Some(hsm) = softhsm_alone().await else { return };
    let root = open_or_make(&hsm.settings("restart", "gone", "e1")).await;
    let wrapped = wrap(&*root).await;
    hsm.child("pkcs11::child_deletes_the_key", &[]);
    check_withdrawn(root.probe().await, Withdrawal::Destroyed);
    check_withdrawn(root.unwrap(PLACE, &wrapped).await, Withdrawal::Destroyed);
}

#[tokio::test]
#[ignore = "run by a_key_deleted_by_another_process_is_destroyed in a process of its own"]
async fn child_deletes_the_key() {
    let Some(hsm) = softhsm().await else { return };
    let settings = hsm.settings("restart", "gone", "e1");
    Pkcs11Root::open(&settings).await.unwrap();
    let session = own_session(&hsm, "restart");
    let key = session.find_objects(&template(&settings)).unwrap()[0];
    session.destroy_object(key).unwrap();
}

/// Prints figures; run with `--ignored --nocapture --exact pkcs11::how_fast`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn how_fast() {
    const CALLS: u32 = 2_000;
    let Some(hsm) = softhsm_alone().await else { return };
    let root = open_or_make(&hsm.settings("main", "one", "01")).await;
    let wrapped = wrap(&*root).await;
    let start = Instant::now();
    for _ in 0..CALLS {
        root.unwrap(PLACE, &wrapped).await.unwrap();
    }
    println!("one caller: {:?} per unwrap", start.elapsed() / CALLS);
    let start = Instant::now();
    let callers = (0..8).map(|_| {
        let (root, wrapped) = (Arc::clone(&root), wrapped.clone());
        tokio::spawn(async move {
            for _ in 0..CALLS / 8 {
                root.unwrap(PLACE, &wrapped).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    println!("eight callers: {:.0} unwraps/s", f64::from(CALLS) / start.elapsed().as_secs_f64());
    println!("probe: {:?}", root.probe().await.unwrap().round_trip);
}

#[tokio::test]
async fn settings_come_from_toml_and_have_bounds() {
    let text = "provider = \"pkcs11\"\nmodule = \"/m.so\"\ntoken = \"t\"\nkey_label = \"k\"\nkey_id = \"01\"\npin_file = \"/p\"";
    let keystore::RootSettings::Pkcs11(settings) = toml::from_str(text).unwrap() else {
        panic!("another provider")
    };
    assert_eq!((settings.sessions.get(), settings.call_timeout_ms), (4, 2_000));
    for bad in ["slot = 1", "sessions = 0", "sessions = 256"] {
        assert!(toml::from_str::<keystore::RootSettings>(&format!("{text}\n{bad}")).is_err(), "{bad}");
    }
}
