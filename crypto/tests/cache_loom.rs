//! Fill ∥ purge ∥ serve, in every interleaving (CONSISTENCY 7).
//!
//! Run: `cargo test --release -p crypto --features loom --test cache_loom`
#![allow(clippy::unwrap_used)] // A scene that cannot be set up is a failed test.

use crypto::{FillRefused, L2, L3, L3Cache, L3Place, Scope, Seed};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use model::id::{L2Version, LogIndex, Realm, ServiceHandle, TenantHandle};
use model::uid::Kdf;

const REALM: Realm = Realm([0; 16]);
const TENANT: TenantHandle = TenantHandle([0, 0, 0, 1]);
const SERVICE: ServiceHandle = ServiceHandle([0, 0, 0, 2]);
const PLACE: L3Place = L3Place { tenant: TENANT, service: SERVICE, l2_version: L2Version(1), kdf: Kdf::Hkdf };

/// The generation that allows, and the one that withdraws.
const ALLOWED: LogIndex = LogIndex(5);
const WITHDRAWN: LogIndex = LogIndex(6);

fn l3() -> L3 {
    let seed = Seed::generate(REALM, TENANT, SERVICE).unwrap();
    L2::generate(REALM, TENANT, L2Version(1)).unwrap().l3(Kdf::Hkdf, &seed).unwrap()
}

fn fill(cache: &L3Cache) -> Result<(), FillRefused> {
    let ticket = cache.begin_fill(TENANT, ALLOWED)?;
    cache.insert(&ticket, l3()).map(|_| ())
}

/// After the purge returned nobody finds the key, whatever a fill in flight does.
#[test]
fn no_fill_survives_a_purge() {
    loom::model(|| {
        let cache = Arc::new(L3Cache::new(8));
        let filler = thread::spawn({
            let cache = Arc::clone(&cache);
            move || fill(&cache)
        });
        let purged = cache.purge(Scope::Tenant(TENANT), WITHDRAWN);
        assert!(cache.get(&PLACE).is_none(), "found right after the purge");
        let filled = filler.join().unwrap();
        assert!(cache.get(&PLACE).is_none(), "brought back by a fill that returned {filled:?}");
        assert!(purged.zeroed(), "nobody holds the key any more");
    });
}

/// A request that looks the key up after the purge was acknowledged does not get it; one that got it
/// before keeps it, and `zeroed` is not reported until it lets go.
#[test]
fn serve_against_purge() {
    loom::model(|| {
        let cache = Arc::new(L3Cache::new(8));
        fill(&cache).unwrap();
        let acknowledged = Arc::new(AtomicBool::new(false));
        let server = thread::spawn({
            let (cache, acknowledged) = (Arc::clone(&cache), Arc::clone(&acknowledged));
            move || {
                let began_after = acknowledged.load(Ordering::SeqCst);
                let hot = cache.get(&PLACE);
                assert!(!(began_after && hot.is_some()), "served after the acknowledgement");
                hot.map(|hot| hot.l3().place())
            }
        });
        let purged = cache.purge(Scope::Service(TENANT, SERVICE), WITHDRAWN);
        acknowledged.store(true, Ordering::SeqCst);
        let _pending_is_allowed_here = purged.zeroed();
        let _ = server.join().unwrap();
        assert!(purged.zeroed(), "the last reference has ended");
    });
}

/// While a request holds the key, no order of events reports it as zeroed.
#[test]
fn zeroed_waits_for_the_last_reference() {
    loom::model(|| {
        let cache = Arc::new(L3Cache::new(8));
        fill(&cache).unwrap();
        let holding = Arc::new(AtomicBool::new(false));
        let server = thread::spawn({
            let (cache, holding) = (Arc::clone(&cache), Arc::clone(&holding));
            move || {
                let hot = cache.get(&PLACE);
                holding.store(hot.is_some(), Ordering::SeqCst);
                let _use = hot.as_ref().map(|hot| hot.l3().place());
                holding.store(false, Ordering::SeqCst);
                drop(hot);
            }
        });
        let purged = cache.purge(Scope::Everything, WITHDRAWN);
        if purged.zeroed() {
            assert!(!holding.load(Ordering::SeqCst), "reported as zeroed under a request's hands");
        }
        server.join().unwrap();
        assert!(purged.zeroed());
    });
}

/// Two fills, a purge and a lookup at once: three threads.
#[test]
fn fill_purge_and_serve_together() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3); // Keeps the run in seconds; the two-thread cases are unbounded.
    model.check(|| {
        let cache = Arc::new(L3Cache::new(8));
        let filler = thread::spawn({
            let cache = Arc::clone(&cache);
            move || fill(&cache)
        });
        let server = thread::spawn({
            let cache = Arc::clone(&cache);
            move || drop(cache.get(&PLACE))
        });
        let purged = cache.purge(Scope::Version(TENANT, L2Version(1)), WITHDRAWN);
        assert!(cache.get(&PLACE).is_none());
        let _ = filler.join().unwrap();
        server.join().unwrap();
        assert!(cache.get(&PLACE).is_none());
        assert!(purged.zeroed());
    });
}
