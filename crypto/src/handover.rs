//! An L3 key on its way from a node that holds it to one that cannot unwrap it (DESIGN 3).
//!
//! Each process start makes a key pair and has the public half replicated with its boot id. Whoever hands a
//! key over seals it to that half, for one road and one place:
//!
//! ```text
//! sealed = HPKE base (X25519, HKDF-SHA256, AES-256-GCM) to the receiver's key
//! info   = lp("keyraft/v1/l3-handover", realm, cluster, u64be(from), u64be(to), u64be(to_boot))
//! aad    = lp(tenant, service, u16be(version), kdf, u64be(heard))
//! ```
//!
//! `heard` is when the giver's root was last heard to allow the key, in cluster time. It is bound, so that nobody
//! on the way makes the evidence younger. Whether a key may be given and taken is for callers to judge.

use model::id::{BootId, ClusterId, NodeId, Realm};
use model::sealer::lp;
use model::time::ClusterTime;

use crate::hierarchy::{L3, L3Place};
use crate::hpke::{self, HpkeError, KeyPair};
use crate::labels;
use crate::secret::Secret;

/// Bytes of the public half.
pub const PUBLIC_BYTES: usize = hpke::PUBLIC_BYTES;
/// Bytes of a sealed L3 key.
const SEALED_BYTES: usize = 32 + hpke::TAG_BYTES;

/// What a process start is handed keys with. It ends with the process: what was sealed to it is worth nothing
/// afterwards.
pub struct Inbox {
    pair: KeyPair,
    realm: Realm,
}

/// From which node to which process start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Road {
    /// The lineage both belong to.
    pub cluster: ClusterId,
    /// Who gives.
    pub from: NodeId,
    /// Who asked.
    pub to: NodeId,
    /// Which process start of it.
    pub to_boot: BootId,
}

/// An L3 key, sealed to one process start. No secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedL3 {
    /// What it belongs to.
    pub place: L3Place,
    /// When the giver's root was last heard to allow it.
    pub heard: ClusterTime,
    /// The encapsulated key.
    pub enc: [u8; PUBLIC_BYTES],
    /// The L3 key and its tag.
    pub sealed: [u8; SEALED_BYTES],
}

impl Inbox {
    /// A fresh one.
    ///
    /// # Errors
    /// [`HpkeError::Arena`], [`HpkeError::NoKeyPair`].
    pub fn generate(realm: Realm) -> Result<Self, HpkeError> {
        Ok(Self { pair: KeyPair::generate()?, realm })
    }

    /// What others seal to.
    #[must_use]
    pub fn public(&self) -> [u8; PUBLIC_BYTES] {
        *self.pair.public()
    }

    /// Opens a key that came this road.
    ///
    /// # Errors
    /// [`HpkeError::NotAuthentic`] if it was sealed to another process start, for another road or place, or with
    /// other evidence; [`HpkeError::Arena`].
    pub fn open(&self, road: &Road, key: &SealedL3) -> Result<L3, HpkeError> {
        let (info, aad) = (info(self.realm, road), aad(&key.place, key.heard));
        let opened = Secret::try_fill(|out| self.pair.open(&key.enc, &info, &aad, &key.sealed, out))?;
        Ok(L3::from_secret(opened, self.realm, key.place))
    }
}

impl L3 {
    /// Seals this key to the process start at the end of a road, whose public half is `to`.
    ///
    /// # Errors
    /// [`HpkeError::PublicKey`] if nothing can be sealed to it.
    pub fn seal_for(
        &self,
        to: &[u8; PUBLIC_BYTES],
        road: &Road,
        heard: ClusterTime,
    ) -> Result<SealedL3, HpkeError> {
        let place = self.place();
        let (info, aad) = (info(self.realm(), road), aad(&place, heard));
        let (enc, sealed) = self.with(|key| hpke::seal(to, &info, &aad, key))?;
        let sealed = sealed.try_into().expect("a key and its tag have this length");
        Ok(SealedL3 { place, heard, enc, sealed })
    }
}

fn info(realm: Realm, road: &Road) -> Vec<u8> {
    let number = |id: u64| id.to_be_bytes();
    lp(&[
        labels::L3_HANDOVER.as_bytes(),
        realm.as_bytes(),
        road.cluster.as_bytes(),
        &number(road.from.0),
        &number(road.to.0),
        &number(road.to_boot.0),
    ])
}

fn aad(place: &L3Place, heard: ClusterTime) -> Vec<u8> {
    lp(&[
        place.tenant.as_bytes(),
        place.service.as_bytes(),
        &place.l2_version.0.to_be_bytes(),
        &[place.kdf as u8],
        &heard.0.to_be_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use model::id::{L2Version, ServiceHandle, TenantHandle};
    use model::uid::Kdf;

    use super::*;

    const REALM: Realm = Realm([1; 16]);
    const HEARD: ClusterTime = ClusterTime(1_000_000);

    fn place() -> L3Place {
        L3Place {
            tenant: TenantHandle([2; 4]),
            service: ServiceHandle([3; 4]),
            l2_version: L2Version(4),
            kdf: Kdf::Hkdf,
        }
    }

    fn road() -> Road {
        Road { cluster: ClusterId([5; 16]), from: NodeId(6), to: NodeId(7), to_boot: BootId(8) }
    }

    fn l3() -> L3 {
        L3::from_secret(Secret::fill(|out| *out = [9; 32]).unwrap(), REALM, place())
    }

    #[test]
    fn a_key_arrives_where_it_was_sent_and_nowhere_else() {
        let (inbox, other) = (Inbox::generate(REALM).unwrap(), Inbox::generate(REALM).unwrap());
        let sent = l3().seal_for(&inbox.public(), &road(), HEARD).unwrap();
        let arrived = inbox.open(&road(), &sent).unwrap();
        assert_eq!(arrived.place(), place());
        arrived.with(|key| assert_eq!(*key, [9; 32]));
        assert_ne!(sent.sealed[..32], [9; 32], "not in the clear");

        let not_authentic = |opened: Result<L3, HpkeError>| {
            assert_eq!(opened.err(), Some(HpkeError::NotAuthentic));
        };
        not_authentic(other.open(&road(), &sent));
        let elsewhere = Inbox { pair: inbox.pair.copy(), realm: Realm([2; 16]) };
        not_authentic(elsewhere.open(&road(), &sent));
        for astray in [
            Road { cluster: ClusterId([0; 16]), ..road() },
            Road { from: NodeId(9), ..road() },
            Road { to: NodeId(9), ..road() },
            Road { to_boot: BootId(9), ..road() },
        ] {
            not_authentic(inbox.open(&astray, &sent));
        }
        for place in [
            L3Place { tenant: TenantHandle([0; 4]), ..place() },
            L3Place { service: ServiceHandle([0; 4]), ..place() },
            L3Place { l2_version: L2Version(9), ..place() },
            L3Place { kdf: Kdf::Counter, ..place() },
        ] {
            not_authentic(inbox.open(&road(), &SealedL3 { place, ..sent.clone() }));
        }
        let younger = SealedL3 { heard: HEARD.plus_ms(1), ..sent.clone() };
        not_authentic(inbox.open(&road(), &younger));
        for at in [0, 31, 32, 47] {
            let mut altered = sent.clone();
            altered.sealed[at] ^= 1;
            not_authentic(inbox.open(&road(), &altered));
        }
        let again = l3().seal_for(&inbox.public(), &road(), HEARD).unwrap();
        assert_ne!((again.enc, again.sealed), (sent.enc, sent.sealed), "each has a key of its own");
    }

    #[test]
    fn nothing_is_sealed_to_what_is_no_key() {
        // A point of small order: the shared secret would be zero for everybody (RFC 7748 6.1).
        let sealed = l3().seal_for(&[0; 32], &road(), HEARD);
        assert_eq!(sealed.err(), Some(HpkeError::PublicKey));
    }
}
