//! What every root that is a service must make of its service's bad days.

use std::time::{Duration, Instant};

use crypto::{L1Payload, L2};
use keystore::{
    Action, Context, Credentials, KeyState, RootConfig, RootError, RootKeystore, Site, Withdrawal, Wrapped,
};
use model::id::{L2Version, TenantHandle};
use serde_json::json;

use crate::fake::Fake;
use crate::suite::REALM;

/// A root behind a fake, and how its owner turns it off.
pub trait Peer {
    /// The fake.
    fn fake(&self) -> &Fake;

    /// Which root, with what.
    fn root(&self) -> (RootConfig, Credentials);

    /// Switches the key off and on again, as far as the service knows that.
    fn disable(&self);
    /// Undoes [`Peer::disable`].
    fn enable(&self);
    /// The key is gone.
    fn delete(&self);
    /// Undoes [`Peer::delete`], as no service could.
    fn undelete(&self);
    /// Takes the permission to unwrap away; returns its name.
    fn deny(&self) -> &'static str;
    /// Undoes [`Peer::deny`].
    fn allow(&self);
    /// Rotates the key.
    fn rotate(&self);

    /// The node's settings.
    fn site(&self) -> Site {
        self.fake().site()
    }
}

/// One test per rule, for the peer that `$peer` makes (`None`: not installed here).
macro_rules! outages {
    ($peer:expr) => {
        $crate::outages::outages! { $peer =>
            honest, disabled, deleted, permission_removed, rotated, throttled, hangs, half_open, expired_tls,
            stranger_tls, other_name_tls, garbage, too_much, cut_off, redirected, server_error, restarted,
            restarted_mid_call, tested,
        }
    };
    ($peer:expr => $($rule:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            if let Some(peer) = $peer {
                $crate::outages::$rule(&peer).await;
            }
        })*
    };
}
pub(crate) use outages;

const TENANT: TenantHandle = TenantHandle([0, 0x11, 0x22, 0x33]);
const PLACE: Context =
    Context { realm: REALM, purpose: keystore::Purpose::TenantL2 { tenant: TENANT, version: L2Version(1) } };

/// Longest wait for an answer: two calls of 4 s each, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(14);

type Root = std::sync::Arc<dyn RootKeystore>;

async fn open(peer: &impl Peer) -> Result<Root, RootError> {
    let (config, credentials) = peer.root();
    keystore::open(&config, &credentials, &peer.site()).await
}

/// As a node does that has just started.
async fn reopen(peer: &impl Peer, root: &Root) -> Result<Root, RootError> {
    let (config, credentials) = peer.root();
    keystore::reopen(root.l1_ref(), &config, &credentials, &peer.site()).await
}

/// A node that starts now hears the same no: from the opening, or from the first use.
async fn check_no_to_a_new_node(peer: &impl Peer, root: &Root, wrapped: &Wrapped, expected: Withdrawal) {
    let error = match reopen(peer, root).await {
        Ok(opened) => opened.unwrap(PLACE, wrapped).await.map(drop).expect_err("it unwraps"),
        Err(error) => error,
    };
    assert!(withdrawn(&error, expected), "{error:?}");
}

/// An open root and a wrap of it.
async fn prepared(peer: &impl Peer) -> (Root, Wrapped) {
    let root = open(peer).await.unwrap();
    let wrapped = wrap(&root).await.unwrap();
    (root, wrapped)
}

async fn wrap(root: &Root) -> Result<Wrapped, RootError> {
    let l2 = L2::generate(REALM, TENANT, L2Version(1)).unwrap();
    root.wrap(PLACE, L1Payload::of_l2(&l2, root.l1_ref()).unwrap()).await
}

/// Every verb, and each fails in the way that `is` accepts.
async fn check_all(root: &Root, wrapped: &Wrapped, is: impl Fn(&RootError) -> bool) {
    let answers = [
        root.unwrap(PLACE, wrapped).await.map(drop),
        wrap(root).await.map(drop),
        root.probe().await.map(drop),
    ];
    for (verb, answer) in ["unwrap", "wrap", "probe"].into_iter().zip(answers) {
        let error = answer.err().unwrap_or_else(|| panic!("{verb} went through"));
        assert!(is(&error), "{verb}: {error:?}");
    }
}

async fn check_works(root: &Root, wrapped: &Wrapped) {
    root.unwrap(PLACE, wrapped).await.unwrap();
    root.probe().await.unwrap();
}

fn withdrawn(error: &RootError, expected: Withdrawal) -> bool {
    matches!(error, RootError::Withdrawn { withdrawal, .. } if *withdrawal == expected)
        && error.action() == Action::CloseNow
}

/// No answer, in bounded time, that never looks like a "no".
async fn check_unreachable(peer: &impl Peer, hint: &str) {
    let (root, wrapped) = {
        peer.fake().mode("well");
        peer.fake().tell(&json!({ "certificate": "good" }));
        prepared(peer).await
    };
    let broken = |hint: &str| match hint {
        "hang" | "half_open" | "garbage" | "huge" | "cut" | "redirect" | "error" => peer.fake().mode(hint),
        certificate => drop(peer.fake().tell(&json!({ "certificate": certificate }))),
    };
    broken(hint);
    let start = Instant::now();
    let error = root.unwrap(PLACE, &wrapped).await.err().unwrap();
    assert_eq!(error.action(), Action::RetryWithinLease, "{error}");
    assert_eq!(KeyState::told_by(&error), Some(KeyState::Unreachable), "{error}");
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    let opened = open(peer).await.map(|_| ()).expect_err("it opened");
    assert_ne!(opened.action(), Action::CloseNow, "{opened}");
    let opened = reopen(peer, &root).await.map(|_| ()).expect_err("it opened");
    assert_eq!(opened.action(), Action::RetryWithinLease, "{opened}");
    peer.fake().mode("well");
    peer.fake().tell(&json!({ "certificate": "good" }));
    check_works(&root, &wrapped).await;
}

pub async fn honest(peer: &impl Peer) {
    peer.fake().drive();
}

pub async fn disabled(peer: &impl Peer) {
    let (root, wrapped) = prepared(peer).await;
    peer.disable();
    let error = root.unwrap(PLACE, &wrapped).await.err().unwrap();
    assert!(withdrawn(&error, Withdrawal::Disabled), "{error:?}");
    check_no_to_a_new_node(peer, &root, &wrapped, Withdrawal::Disabled).await;
    peer.enable();
    check_works(&root, &wrapped).await;
}

pub async fn deleted(peer: &impl Peer) {
    let (root, wrapped) = prepared(peer).await;
    peer.delete();
    check_all(&root, &wrapped, |error| withdrawn(error, Withdrawal::Destroyed)).await;
    check_no_to_a_new_node(peer, &root, &wrapped, Withdrawal::Destroyed).await;
    let opened = open(peer).await.map(|_| ()).expect_err("it opened");
    assert!(matches!(opened.action(), Action::AskForRepair | Action::CloseNow), "{opened:?}");
    peer.undelete();
    check_works(&root, &wrapped).await;
}

pub async fn permission_removed(peer: &impl Peer) {
    let (root, wrapped) = prepared(peer).await;
    let permission = peer.deny();
    let error = root.unwrap(PLACE, &wrapped).await.err().unwrap();
    assert!(withdrawn(&error, Withdrawal::Denied), "{error:?}");
    assert!(error.to_string().contains(permission), "{error} does not name {permission}");
    check_no_to_a_new_node(peer, &root, &wrapped, Withdrawal::Denied).await;
    let (config, credentials) = peer.root();
    let report = keystore::test(&config, &credentials, &peer.site()).await;
    let text = report.to_text();
    assert!(!report.passed, "{text}");
    let row = report.permissions.iter().find(|row| row.name == permission);
    assert_eq!(row.and_then(|row| row.granted), Some(false), "{text}");
    peer.allow();
    check_works(&root, &wrapped).await;
}

pub async fn rotated(peer: &impl Peer) {
    let (root, wrapped) = prepared(peer).await;
    peer.rotate();
    check_works(&root, &wrapped).await;
    let newer = wrap(&root).await.unwrap();
    let again = open(peer).await.unwrap();
    assert_eq!(again.l1_ref(), root.l1_ref());
    for wrapped in [wrapped, newer] {
        check_works(&again, &wrapped).await;
    }
}

pub async fn throttled(peer: &impl Peer) {
    let (root, wrapped) = prepared(peer).await;
    peer.fake().mode("throttle");
    check_all(&root, &wrapped, |error| matches!(error, RootError::Throttled { .. })).await;
    peer.fake().mode("well");
    check_works(&root, &wrapped).await;
}

pub async fn hangs(peer: &impl Peer) {
    check_unreachable(peer, "hang").await;
}

pub async fn half_open(peer: &impl Peer) {
    check_unreachable(peer, "half_open").await;
}

pub async fn expired_tls(peer: &impl Peer) {
    check_unreachable(peer, "expired").await;
}

pub async fn stranger_tls(peer: &impl Peer) {
    check_unreachable(peer, "stranger").await;
}

pub async fn other_name_tls(peer: &impl Peer) {
    check_unreachable(peer, "other_name").await;
}

pub async fn garbage(peer: &impl Peer) {
    check_unreachable(peer, "garbage").await;
}

pub async fn too_much(peer: &impl Peer) {
    check_unreachable(peer, "huge").await;
}

pub async fn cut_off(peer: &impl Peer) {
    check_unreachable(peer, "cut").await;
}

pub async fn redirected(peer: &impl Peer) {
    check_unreachable(peer, "redirect").await;
}

pub async fn server_error(peer: &impl Peer) {
    check_unreachable(peer, "error").await;
}

pub async fn restarted(peer: &impl Peer) {
    let (root, wrapped) = prepared(peer).await;
    for _ in 0..3 {
        peer.fake().tell(&json!({ "restart": true }));
        check_works(&root, &wrapped).await;
    }
}

pub async fn restarted_mid_call(peer: &impl Peer) {
    let (root, wrapped) = prepared(peer).await;
    let before = requests(peer);
    peer.fake().mode("hang");
    let call = {
        let (root, wrapped) = (root.clone(), wrapped.clone());
        tokio::spawn(async move { root.unwrap(PLACE, &wrapped).await.map(drop) })
    };
    while requests(peer) == before {
        tokio::task::yield_now().await;
    }
    peer.fake().tell(&json!({ "mode": "well" }));
    peer.fake().tell(&json!({ "restart": true }));
    // Repeated on a new connection, or given up: never a "no".
    if let Err(error) = call.await.unwrap() {
        assert_eq!(error.action(), Action::RetryWithinLease, "{error}");
    }
    check_works(&root, &wrapped).await;
}

fn requests(peer: &impl Peer) -> u64 {
    peer.fake().tell(&json!({ "requests": true }))["requests"].as_u64().unwrap()
}

/// The connection test passes, and says what it saw.
pub async fn tested(peer: &impl Peer) {
    let (config, credentials) = peer.root();
    let report = keystore::test(&config, &credentials, &peer.site()).await;
    let text = report.to_text();
    assert!(report.passed, "{text}");
    assert_eq!(report.state, KeyState::Enabled);
    assert!(report.permissions.iter().all(|row| row.granted == Some(true) || !row.needed), "{text}");
    assert!(report.policy.is_some() && report.script.is_some());
    assert!(!report.evidence.is_empty(), "{text}");
    let shown = serde_json::to_string(&report).unwrap() + &text + &format!("{report:?}");
    for secret in secrets(&credentials) {
        assert!(!shown.contains(&secret), "the report shows a secret");
    }

    peer.fake().mode("hang");
    let start = Instant::now();
    let report = keystore::test(&config, &credentials, &peer.site()).await;
    assert!(start.elapsed() < Duration::from_secs(31), "{:?}", start.elapsed());
    assert!(!report.passed);
    assert_eq!(report.state, KeyState::Unreachable, "{}", report.to_text());
    assert!(report.problem.unwrap().retry);
    peer.fake().mode("well");
}

/// Every text of the credentials but their kind and what is public in them.
fn secrets(credentials: &Credentials) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_slice(&credentials.expose_json()).unwrap();
    let fields = json.as_object().unwrap().clone();
    let public = ["kind", "access_key_id", "certificate_pem"];
    fields
        .into_iter()
        .filter(|(name, _)| !public.contains(&name.as_str()))
        .map(|(_, value)| value.as_str().unwrap().to_owned())
        .collect()
}
