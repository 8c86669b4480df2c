//! The key cache: what it keeps, for how long, and what makes it forget.

use std::sync::Arc;
use std::time::Duration;

use client::{KeyCache, KeyRequest};

use super::responder::{Fault, LEASE_S};
use super::with;

#[tokio::test]
async fn a_leased_key_is_asked_for_once_and_given_up_when_the_lease_ends() {
    let (cluster, client) = with(1).await;
    let uid = client.create(&KeyRequest::aes256()).await.unwrap();
    let cache = KeyCache::new(client);
    let reads = (0..16).map(|_| {
        let (cache, uid) = (cache.clone(), uid.clone());
        tokio::spawn(async move { cache.get(&uid).await.unwrap() })
    });
    let mut keys = Vec::new();
    for read in reads.collect::<Vec<_>>() {
        keys.push(read.await.unwrap());
    }
    assert!(keys.iter().all(|key| key.expose() == keys[0].expose()));
    assert_eq!((cluster.nodes[0].requests(), cache.len()), (2, 1), "sixteen readers, one question");

    tokio::time::sleep(Duration::from_secs(u64::from(LEASE_S)) + Duration::from_millis(200)).await;
    assert!(cache.is_empty(), "nobody had to ask for it to be given up");
    let key = Arc::downgrade(&keys.pop().unwrap());
    drop(keys);
    assert!(key.upgrade().is_none(), "its last reader let go of it");
    cache.get(&uid).await.unwrap();
    assert_eq!(cluster.nodes[0].requests(), 3);
}

#[tokio::test]
async fn a_server_without_leases_is_asked_every_time() {
    let (cluster, client) = with(1).await;
    let uid = client.create(&KeyRequest::aes256()).await.unwrap();
    let cache = KeyCache::new(client);
    cluster.nodes[0].will(&[Fault::NoLease]);
    cache.get(&uid).await.unwrap();
    assert!(cache.is_empty());
}

#[tokio::test]
async fn what_is_forgotten_is_asked_for_again() {
    let (cluster, client) = with(1).await;
    let (one, other) = (
        client.create(&KeyRequest::aes256()).await.unwrap(),
        client.create(&KeyRequest::aes256()).await.unwrap(),
    );
    let cache = KeyCache::new(client);
    cache.get(&one).await.unwrap();
    cache.get(&other).await.unwrap();
    cache.forget(&one);
    assert_eq!(cache.len(), 1);
    cache.clear();
    assert!(cache.is_empty());
    cache.get(&one).await.unwrap();
    assert_eq!(cluster.nodes[0].requests(), 5);
}

#[tokio::test]
async fn what_was_on_its_way_when_all_was_forgotten_is_not_kept() {
    let (cluster, client) = with(2).await;
    let uid = client.create(&KeyRequest::aes256()).await.unwrap();
    let cache = KeyCache::new(client);
    // The first node never answers: the read is on its way until the second does.
    cluster.nodes[0].will(&[Fault::Hang]);
    let read = {
        let (cache, uid) = (cache.clone(), uid.clone());
        tokio::spawn(async move { cache.get(&uid).await.unwrap() })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    cache.clear();
    read.await.unwrap();
    assert!(cache.is_empty());
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let (cluster, client) = with(1).await;
    let uid = client.create(&KeyRequest::aes256()).await.unwrap();
    let cache = KeyCache::new(client.clone());
    client.destroy(&uid).await.unwrap();
    assert!(cache.get(&uid).await.is_err());
    assert!(cache.get(&uid).await.is_err());
    assert_eq!((cluster.nodes[0].requests(), cache.len()), (4, 0));
}
