//! Each heavy dependency has one home, and what we decided against is not in the tree.

use crate::workspace;

/// Heavy dependencies and the only crates that may import them.
const HOMES: &[(&str, &[&str])] = &[
    ("openraft", &["raft-store"]),
    ("rocksdb", &["raft-store"]),
    ("tonic", &["raft-store"]),
    ("tonic-prost", &["raft-store"]),
    ("prost", &["raft-store"]),
    ("bincode", &["raft-store"]),
    ("wincode", &["raft-store"]),
    ("cryptoki", &["keystore"]),
    ("hkdf", &["crypto"]),
    ("hmac", &["crypto"]),
    ("aes-gcm", &["crypto"]),
    // Elsewhere it hashes public bytes only: audit chains, certificate fingerprints.
    ("sha2", &["crypto", "audit", "kmip-server"]),
    ("quick-xml", &["kmip"]),
    ("axum", &["admin-api"]),
    ("object_store", &["node"]),
    ("utoipa", &["admin-api"]),
    // The node's tests forge tokens with it.
    ("jsonwebtoken", &["admin-api", "node"]),
];

/// Packages that must not be built at all, and why.
const BANNED: &[(&str, &str)] = &[
    ("ring", "aws-lc-rs is the one TLS provider"),
    ("openssl-sys", "aws-lc-rs is the one TLS provider"),
    ("native-tls", "aws-lc-rs is the one TLS provider"),
];

#[test]
fn heavy_dependencies_stay_at_home() {
    for arrow in workspace::arrows() {
        let Some((_, homes)) = HOMES.iter().find(|(heavy, _)| *heavy == arrow.to) else { continue };
        assert!(
            homes.contains(&arrow.from.as_str()),
            "{} imports {} as a {} dependency: its home is {}",
            arrow.from,
            arrow.to,
            arrow.kind,
            homes.join(" and "),
        );
    }
}

#[test]
fn what_we_decided_against_is_not_in_the_tree() {
    let tree = workspace::tree(None, "all");
    assert!(tree.contains("rustls"), "cargo tree listed no dependencies");
    for (package, reason) in BANNED {
        assert!(!tree.contains(*package), "{package} is in the tree: {reason}");
    }
}
