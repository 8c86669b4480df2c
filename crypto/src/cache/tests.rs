//! The cache in one thread; `tests/cache_loom.rs` explores the interleavings.
#![allow(clippy::unwrap_used)] // A scene that cannot be set up is a failed test.

use model::id::{L2Version, LogIndex, Realm, ServiceHandle, TenantHandle};
use model::uid::Kdf;

use super::{FillRefused, L3Cache, SHARDS, Scope};
use crate::hierarchy::{L3, L3Place};
use crate::secret::Secret;

const A: TenantHandle = TenantHandle([0, 0, 0, 1]);
/// In the same shard as `A`.
const B: TenantHandle = TenantHandle([0, 0, 1, 1]);

fn place(tenant: TenantHandle, service: u8, version: u16) -> L3Place {
    let service = ServiceHandle([0, 0, 0, service]);
    L3Place { tenant, service, l2_version: L2Version(version), kdf: Kdf::Hkdf }
}

fn l3(place: L3Place) -> L3 {
    L3::from_secret(Secret::generate().unwrap(), Realm([0; 16]), place)
}

fn fill(cache: &L3Cache, place: L3Place, generation: u64) -> Result<(), FillRefused> {
    let ticket = cache.begin_fill(place.tenant, LogIndex(generation))?;
    cache.insert(&ticket, l3(place)).map(|_| ())
}

#[test]
fn a_key_is_hot_until_purged() {
    let cache = L3Cache::new(1024);
    fill(&cache, place(A, 1, 1), 5).unwrap();
    assert_eq!(cache.get(&place(A, 1, 1)).unwrap().l3().place(), place(A, 1, 1));
    assert!(cache.get(&place(A, 1, 2)).is_none());
    let purged = cache.purge(Scope::Tenant(A), LogIndex(6));
    assert_eq!((purged.count(), purged.zeroed()), (1, true));
    assert!(cache.get(&place(A, 1, 1)).is_none());
    assert!(cache.is_empty());
}

#[test]
fn each_scope_removes_its_own() {
    let scopes = [
        (Scope::Service(A, ServiceHandle([0, 0, 0, 1])), 2),
        (Scope::Version(A, L2Version(1)), 2),
        (Scope::Tenant(A), 4),
        (Scope::Everything, 5),
    ];
    for (scope, removed) in scopes {
        let cache = L3Cache::new(1024);
        for (service, version) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            fill(&cache, place(A, service, version), 1).unwrap();
        }
        fill(&cache, place(B, 1, 1), 1).unwrap();
        assert_eq!(cache.purge(scope, LogIndex(2)).count(), removed, "{scope:?}");
        assert_eq!(cache.len(), 5 - removed);
    }
}

#[test]
fn a_purge_between_begin_and_insert_refuses_the_fill() {
    let cache = L3Cache::new(1024);
    for scope in [Scope::Tenant(A), Scope::Service(A, ServiceHandle([9; 4])), Scope::Everything] {
        let ticket = cache.begin_fill(A, LogIndex(5)).unwrap();
        let _ = cache.purge(scope, LogIndex(5));
        assert_eq!(cache.insert(&ticket, l3(place(A, 1, 1))).err(), Some(FillRefused::Purged), "{scope:?}");
    }
    let ticket = cache.begin_fill(A, LogIndex(5)).unwrap();
    let _ = cache.purge(Scope::Tenant(B), LogIndex(9));
    assert!(cache.insert(&ticket, l3(place(A, 1, 1))).is_ok(), "another tenant's purge is no reason");
}

#[test]
fn a_late_request_of_an_old_generation_may_not_fill() {
    let cache = L3Cache::new(1024);
    cache.close(Scope::Tenant(A), LogIndex(6));
    assert_eq!(fill(&cache, place(A, 1, 1), 5), Err(FillRefused::Purged));
    assert_eq!(fill(&cache, place(A, 1, 1), 6), Ok(()));
    assert_eq!(fill(&cache, place(B, 1, 1), 5), Ok(()));
    // A purge that comes late with an older generation does not lower the bar.
    let _ = cache.purge(Scope::Tenant(A), LogIndex(3));
    assert_eq!(fill(&cache, place(A, 1, 1), 5), Err(FillRefused::Purged));
}

#[test]
fn a_held_key_is_zeroed_when_the_request_ends() {
    let cache = L3Cache::new(1024);
    fill(&cache, place(A, 1, 1), 1).unwrap();
    let held = cache.get(&place(A, 1, 1)).unwrap();
    let purged = cache.purge(Scope::Everything, LogIndex(2));
    assert_eq!((purged.zeroed(), purged.pending()), (false, 1));
    drop(held);
    assert!(purged.zeroed());
}

#[test]
fn the_faster_of_two_fills_stands() {
    let cache = L3Cache::new(1024);
    let ticket = cache.begin_fill(A, LogIndex(1)).unwrap();
    let first = cache.insert(&ticket, l3(place(A, 1, 1))).unwrap();
    let second = cache.insert(&ticket, l3(place(A, 1, 1))).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second));
}

#[test]
fn the_cache_is_bounded_and_keeps_what_is_used_or_held() {
    let cache = L3Cache::new(3 * SHARDS);
    for service in 1..=3 {
        fill(&cache, place(A, service, 1), 1).unwrap();
    }
    let held = cache.get(&place(A, 1, 1)).unwrap();
    drop(cache.get(&place(A, 2, 1)));
    for service in 4..=20 {
        fill(&cache, place(A, service, 1), 1).unwrap();
        drop(cache.get(&place(A, 2, 1)).expect("in use all the time"));
        assert_eq!(cache.len(), 3);
    }
    assert!(cache.get(&place(A, 1, 1)).is_some(), "held by a request");
    drop(held);

    let all: Vec<_> = [1, 2, 20].map(|service| cache.get(&place(A, service, 1)).unwrap()).into();
    assert_eq!(fill(&cache, place(A, 30, 1), 1), Err(FillRefused::Full));
    drop(all);
    assert_eq!(fill(&cache, place(A, 30, 1), 1), Ok(()));
}

#[test]
fn a_storm_of_purges_costs_bounded_memory_and_stays_safe() {
    let cache = L3Cache::new(1024);
    let ticket = cache.begin_fill(A, LogIndex(1)).unwrap();
    let _ = cache.purge(Scope::Tenant(A), LogIndex(7));
    for tenant in 0..3000u32 {
        let [_, _, high, low] = tenant.to_be_bytes();
        let _ = cache.purge(Scope::Tenant(TenantHandle([9, high, low, 1])), LogIndex(5));
    }
    // The names are forgotten by now, what they meant is not.
    assert_eq!(cache.insert(&ticket, l3(place(A, 1, 1))).err(), Some(FillRefused::Purged));
    assert_eq!(cache.begin_fill(A, LogIndex(6)).err(), Some(FillRefused::Purged));
    assert_eq!(fill(&cache, place(A, 1, 1), 7), Ok(()));
}
