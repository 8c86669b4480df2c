//! What every root of trust must do. A provider is done when all of these hold for it.

use std::sync::Arc;

use crypto::{Kek, L1Payload, L1PayloadError, L2};
use keystore::{BoxFuture, Context, RootError, RootKeystore, Wrapped};
use model::id::{L2Version, Realm, TenantHandle};

/// How the suite gets at the roots of one provider.
pub trait Fixture {
    /// Opens the root under test; called again, it opens the same key anew.
    fn open(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>>;

    /// Opens another key of the same provider.
    fn open_other(&self) -> BoxFuture<'_, Arc<dyn RootKeystore>>;

    /// Whether the root authenticates the place itself; otherwise only the payload carries it.
    fn binds_place(&self) -> bool {
        true
    }

    /// Whether wrapping the same payload twice gives two blobs. Payloads are never the same twice.
    fn is_randomised(&self) -> bool {
        true
    }
}

/// One test per rule, for the fixture that `$fixture` makes (`None`: not installed here).
macro_rules! conformance {
    ($fixture:expr) => {
        $crate::suite::conformance! { $fixture =>
            round_trip, kek_round_trip, context_mismatch, wrong_key, foreign_reference, altered_anywhere,
            other_lengths, wraps_hide_and_differ, wrong_but_valid_payload, concurrent_calls, reopened,
            probe_answers,
        }
    };
    ($fixture:expr => $($rule:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $rule() {
            if let Some(fixture) = $fixture {
                $crate::suite::$rule(&fixture).await;
            }
        })*
    };
}
pub(crate) use conformance;

pub const REALM: Realm = Realm([7; 16]);
const TENANT: TenantHandle = TenantHandle([0, 0x11, 0x22, 0x33]);
const VERSION: L2Version = L2Version(3);
const PLACE: Context =
    Context { realm: REALM, purpose: keystore::Purpose::TenantL2 { tenant: TENANT, version: VERSION } };

/// A fresh key, wrapped where it belongs.
async fn wrapped(root: &dyn RootKeystore) -> (L2, Wrapped) {
    let l2 = L2::generate(REALM, TENANT, VERSION).unwrap();
    let payload = L1Payload::of_l2(&l2, root.l1_ref()).unwrap();
    let wrap = root.wrap(PLACE, payload).await.unwrap();
    (l2, wrap)
}

async fn check_opens(root: &dyn RootKeystore, l2: &L2, wrap: &Wrapped) {
    let payload = root.unwrap(PLACE, wrap).await.unwrap();
    let back = payload.into_l2(REALM, TENANT, VERSION, &wrap.l1_ref, &l2.commitment()).unwrap();
    assert!(back.matches(&l2.commitment()));
}

async fn check_corrupt(root: &dyn RootKeystore, ctx: Context, wrap: &Wrapped, what: &str) {
    match root.unwrap(ctx, wrap).await {
        Err(RootError::Corrupt { .. }) => {}
        Err(other) => panic!("{what}: expected corrupt, got {other:?}"),
        Ok(_) => panic!("{what}: it opened"),
    }
}

/// The root opened it, and what came out says that it belongs elsewhere.
async fn check_misplaced(root: &dyn RootKeystore, ctx: Context, wrap: &Wrapped, what: &str) {
    let payload = root.unwrap(ctx, wrap).await.unwrap();
    let error = match ctx.purpose {
        keystore::Purpose::TenantL2 { tenant, version } => {
            let any = L2::generate(ctx.realm, tenant, version).unwrap().commitment();
            payload.into_l2(ctx.realm, tenant, version, &wrap.l1_ref, &any).err()
        }
        keystore::Purpose::BarrierKek | keystore::Purpose::Probe => {
            payload.into_kek(ctx.realm, &wrap.l1_ref).err()
        }
    };
    assert_eq!(error, Some(L1PayloadError::WrongPlace), "{what}");
}

pub async fn round_trip(fixture: &impl Fixture) {
    let root = fixture.open().await;
    let (l2, wrap) = wrapped(&*root).await;
    assert_eq!(wrap.l1_ref, root.l1_ref());
    check_opens(&*root, &l2, &wrap).await;
    check_opens(&*root, &l2, &wrap).await;
}

pub async fn kek_round_trip(fixture: &impl Fixture) {
    let root = fixture.open().await;
    let keyring = crypto::Keyring::generate(REALM).unwrap();
    let kek = Kek::generate().unwrap();
    let record = keyring.sealed(&kek);
    let payload = L1Payload::of_kek(&kek, REALM, root.l1_ref()).unwrap();
    let wrap = root.wrap(Context::barrier_kek(REALM), payload).await.unwrap();
    let back = root.unwrap(Context::barrier_kek(REALM), &wrap).await.unwrap();
    let kek = back.into_kek(REALM, root.l1_ref()).unwrap();
    assert!(crypto::Keyring::unseal(REALM, &kek, &record).is_ok());
}

pub async fn context_mismatch(fixture: &impl Fixture) {
    let root = fixture.open().await;
    let (l2, wrap) = wrapped(&*root).await;
    let places = [
        (Context::tenant_l2(Realm([8; 16]), TENANT, VERSION), "another realm"),
        (Context::tenant_l2(REALM, TenantHandle([9; 4]), VERSION), "another tenant"),
        (Context::tenant_l2(REALM, TENANT, L2Version(4)), "another version"),
        (Context::barrier_kek(REALM), "another purpose"),
    ];
    for (place, what) in places {
        if fixture.binds_place() {
            check_corrupt(&*root, place, &wrap, what).await;
        } else {
            check_misplaced(&*root, place, &wrap, what).await;
        }
    }
    check_opens(&*root, &l2, &wrap).await;
}

pub async fn wrong_key(fixture: &impl Fixture) {
    let (root, other) = (fixture.open().await, fixture.open_other().await);
    assert_ne!(root.l1_ref(), other.l1_ref());
    let (_, wrap) = wrapped(&*other).await;
    let forged = Wrapped { l1_ref: root.l1_ref().to_owned(), blob: wrap.blob };
    check_corrupt(&*root, PLACE, &forged, "another key's blob under our reference").await;
}

pub async fn foreign_reference(fixture: &impl Fixture) {
    let (root, other) = (fixture.open().await, fixture.open_other().await);
    let (_, wrap) = wrapped(&*root).await;
    for l1_ref in [other.l1_ref(), "software:", ""] {
        let foreign = Wrapped { l1_ref: l1_ref.to_owned(), blob: wrap.blob.clone() };
        match root.unwrap(PLACE, &foreign).await {
            Err(RootError::Misconfigured { missing, .. }) => assert!(missing.contains(l1_ref), "{missing}"),
            other => panic!("{l1_ref:?}: expected misconfigured, got {:?}", other.err()),
        }
    }
}

pub async fn altered_anywhere(fixture: &impl Fixture) {
    let root = fixture.open().await;
    let (l2, wrap) = wrapped(&*root).await;
    for i in 0..wrap.blob.len() {
        let mut altered = wrap.clone();
        altered.blob[i] ^= 1 << (i % 8);
        check_corrupt(&*root, PLACE, &altered, &format!("byte {i} altered")).await;
    }
    check_opens(&*root, &l2, &wrap).await;
}

pub async fn other_lengths(fixture: &impl Fixture) {
    let root = fixture.open().await;
    let (l2, wrap) = wrapped(&*root).await;
    for length in 0..wrap.blob.len() {
        let cut = Wrapped { blob: wrap.blob[..length].to_vec(), ..wrap.clone() };
        check_corrupt(&*root, PLACE, &cut, &format!("cut to {length} bytes")).await;
    }
    for extra in [1, 16, 4096] {
        let mut longer = wrap.clone();
        longer.blob.resize(wrap.blob.len() + extra, 0);
        check_corrupt(&*root, PLACE, &longer, &format!("{extra} bytes appended")).await;
    }
    check_opens(&*root, &l2, &wrap).await;
}

pub async fn wraps_hide_and_differ(fixture: &impl Fixture) {
    let root = fixture.open().await;
    let bytes: [u8; 64] = crypto::random::bytes();
    let payload = || L1Payload::from_bytes(&bytes).unwrap();
    let first = root.wrap(PLACE, payload()).await.unwrap();
    let second = root.wrap(PLACE, payload()).await.unwrap();
    assert_eq!(first.blob != second.blob, fixture.is_randomised());
    for wrap in [first, second] {
        for part in bytes.chunks(8) {
            assert!(!wrap.blob.windows(8).any(|window| window == part), "plaintext shows in the blob");
        }
        root.unwrap(PLACE, &wrap).await.unwrap().with(|back| assert_eq!(*back, bytes));
    }
}

/// A root may authenticate no context at all, or answer with a key of its own choice: the payload's
/// binding and the public commitment still tell.
pub async fn wrong_but_valid_payload(fixture: &impl Fixture) {
    let root = fixture.open().await;
    let l2 = L2::generate(REALM, TENANT, VERSION).unwrap();
    let accept = |payload: L1Payload| {
        payload.into_l2(REALM, TENANT, VERSION, root.l1_ref(), &l2.commitment()).map(drop)
    };

    let moved = L2::generate(REALM, TENANT, L2Version(4)).unwrap();
    let elsewhere = L1Payload::of_l2(&moved, root.l1_ref()).unwrap();
    let other_ref = L1Payload::of_l2(&l2, "l1:other").unwrap();
    for payload in [elsewhere, other_ref] {
        let wrap = root.wrap(PLACE, payload).await.unwrap();
        assert_eq!(accept(root.unwrap(PLACE, &wrap).await.unwrap()), Err(L1PayloadError::WrongPlace));
    }

    let (_, of_another_key) = wrapped(&*root).await;
    assert_eq!(accept(root.unwrap(PLACE, &of_another_key).await.unwrap()), Err(L1PayloadError::WrongKey));
}

pub async fn concurrent_calls(fixture: &impl Fixture) {
    const TENANTS: u8 = 48;
    let root = fixture.open().await;
    let calls = (0..TENANTS).map(|i| {
        let root = Arc::clone(&root);
        tokio::spawn(async move {
            let tenant = TenantHandle([i; 4]);
            let place = Context::tenant_l2(REALM, tenant, VERSION);
            let l2 = L2::generate(REALM, tenant, VERSION).unwrap();
            let payload = L1Payload::of_l2(&l2, root.l1_ref()).unwrap();
            let wrap = root.wrap(place, payload).await.unwrap();
            let payload = root.unwrap(place, &wrap).await.unwrap();
            payload.into_l2(REALM, tenant, VERSION, root.l1_ref(), &l2.commitment()).map(drop)
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
}

pub async fn reopened(fixture: &impl Fixture) {
    let root = fixture.open().await;
    let l1_ref = root.l1_ref().to_owned();
    let (l2, wrap) = wrapped(&*root).await;
    drop(root);
    let root = fixture.open().await;
    assert_eq!(root.l1_ref(), l1_ref);
    check_opens(&*root, &l2, &wrap).await;
}

pub async fn probe_answers(fixture: &impl Fixture) {
    let root = fixture.open().await;
    let health = root.probe().await.unwrap();
    assert_eq!(health.l1_ref, root.l1_ref());
    assert!(!health.round_trip.is_zero());
}
