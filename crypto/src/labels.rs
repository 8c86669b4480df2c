//! Every label of a derivation and every first part of an AAD, in one list.
//!
//! A label names one use of a key and is never used for another; ASCII, without a zero byte. What
//! is listed here is part of the format: a changed label is another key.

/// Declares label constants and the list of all of them.
macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        /// All labels, for the test that they are distinct and well formed.
        #[cfg(test)]
        const ALL: &[&str] = &[$($name),*];
    };
}

labels! {
    /// The key of a tenant's identifier tags, from the uid root.
    UID_MAC = "keyraft/v1/uid-mac";
    /// An identifier's tag.
    UID = "keyraft/v1/uid";
    /// The public commitment of an L2 key.
    L2_COMMIT = "keyraft/v1/l2-commit";
    /// The public commitment of a service seed.
    SEED_COMMIT = "keyraft/v1/seed-commit";
    /// L2 and seed to L3.
    L3 = "keyraft/v1/l3";
    /// L3 to a data key.
    L4 = "keyraft/v1/l4";
    /// L3 to the key that wraps one object's material.
    MATERIAL = "keyraft/v1/material";
    /// L3 to the key of context nonces.
    CONTEXT = "keyraft/v1/context";
    /// A wrapping key to the key, commitment and IV of one record.
    WRAP = "keyraft/v1/wrap";
    /// The second half of the payload an L1 root wraps for a tenant.
    L2_BIND = "keyraft/v1/l2-bind";
    /// The second half of the payload a platform root wraps for the barrier.
    KEK_BIND = "keyraft/v1/kek-bind";
    /// The fixed field of a server-made GCM IV.
    GCM_IV = "keyraft/v1/gcm-iv";
    /// The code of a correlation value: a message in parts belongs to one service and object.
    STREAM = "keyraft/v1/stream";
    /// An L3 key handed over to another node.
    L3_HANDOVER = "keyraft/v1/l3-handover";
    /// Row keys, from the PRF root.
    ROW = "keyraft/v1/row";
    /// The key of row set hashes, from the PRF root.
    SET_HASH = "keyraft/v1/set-hash";
    /// AAD: wrapped material of a registered object.
    AAD_MATERIAL = "keyraft/v1/aad/material";
    /// AAD: a service seed sealed by the barrier.
    AAD_SEED = "keyraft/v1/aad/seed";
    /// AAD: the configuration of a tenant's own root, sealed by the barrier.
    AAD_ROOT_SETTINGS = "keyraft/v1/aad/root-settings";
    /// AAD: a new barrier term sealed under the current one.
    AAD_TERM = "keyraft/v1/aad/term";
    /// AAD: the body of the barrier keyring under its key-encryption key.
    AAD_KEYRING = "keyraft/v1/aad/keyring";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn labels_are_distinct_ascii_without_zero() {
        let distinct: std::collections::BTreeSet<_> = ALL.iter().collect();
        assert_eq!(distinct.len(), ALL.len());
        for label in ALL {
            assert!(label.bytes().all(|b| b.is_ascii_graphic()), "{label}");
            assert!(label.starts_with("keyraft/v1/"), "{label}");
        }
    }
}
