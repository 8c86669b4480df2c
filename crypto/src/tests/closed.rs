//! No secret has a capability that would let its bytes out: judged when this compiles.
//!
//! Misuse that is no missing trait (a use after a move, bytes that outlive their loan) is shown to be
//! refused by the documentation of [`SecretBytes`].

use std::fmt::{Debug, Display, LowerHex};
use std::hash::Hash;
use std::ops::Deref;

use serde::Serialize;

use crate::{HotL3, Kek, Keyring, L1Payload, L2, L3, MaterialRoot, Secret, SecretBytes, Seed};
use crate::{UidKey, UidRoot};

/// Whether a type has a trait, as a constant. An inherent constant goes before a trait's of the same
/// name, and it is there only for types within its bound.
macro_rules! has {
    ($type:ty, $capability:path) => {{
        #[allow(dead_code)] // Of the two constants one is never asked.
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T> Otherwise for T {}
        #[allow(dead_code)] // A name to ask by; there is never a value.
        struct Ask<T>(std::marker::PhantomData<T>);
        #[allow(dead_code)] // As above.
        impl<T: $capability> Ask<T> {
            const HAS: bool = true;
        }
        <Ask<$type>>::HAS
    }};
}

macro_rules! closed {
    ($($type:ty),+ $(,)?) => {
        $(const _: () = {
            assert!(!has!($type, Debug), "a secret can be printed");
            assert!(!has!($type, Display), "a secret can be printed");
            assert!(!has!($type, LowerHex), "a secret can be printed");
            assert!(!has!($type, Clone), "a secret can be cloned");
            assert!(!has!($type, Copy), "a secret can be copied");
            assert!(!has!($type, Serialize), "a secret can be stored");
            assert!(!has!($type, Deref), "a secret can be dereferenced");
            assert!(!has!($type, AsRef<[u8]>), "a secret can be dereferenced");
            assert!(!has!($type, Into<Vec<u8>>), "a secret can be carried off");
            assert!(!has!($type, PartialEq), "a secret can be compared in a time that tells where it differs");
            assert!(!has!($type, Hash), "a secret can be hashed");
        };)+
    };
}

closed!(Secret, SecretBytes<64>, L1Payload, Kek, Keyring, L2, L3, HotL3, Seed, UidRoot, UidKey, MaterialRoot);

/// What a type has is seen, so that its absence means something.
const _: () = {
    assert!(has!(String, Debug) && has!(String, Display) && has!(u8, LowerHex));
    assert!(has!(String, Clone) && has!(u8, Copy) && has!(String, Serialize));
    assert!(has!(String, Deref) && has!(String, AsRef<[u8]>) && has!(String, Into<Vec<u8>>));
    assert!(has!(String, PartialEq) && has!(String, Hash));
};
