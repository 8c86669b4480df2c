//! A node asks another for keys that it cannot unwrap itself, over the peer port (DESIGN 3 and 7).
//!
//! This crate carries questions and sealed answers; whether a key may be given, and what is in an answer, is for
//! the [`Giver`] above. It vouches for one thing: the asker is a member, and the public key it is given stands in
//! the replicated state beside the number of the very process that asks.

use futures::future::BoxFuture;
use model::id::{BootId, L2Version, NodeId, ServiceHandle, TenantHandle};
use model::time::ClusterTime;
use model::uid::Kdf;

use crate::wire::raft::BadMessage;
use crate::wire::{AskKeys, HandedKey, HandedKeys, KeyPlace};

/// Which key: a service's, under one version of its tenant's L2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName {
    /// The service.
    pub service: ServiceHandle,
    /// The version.
    pub l2_version: L2Version,
    /// The function it is made with.
    pub kdf: Kdf,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Whose keys.
    pub tenant: TenantHandle,
    /// Which of them.
    pub keys: Wanted,
}

/// Which keys of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    One(KeyName),
    /// As many as fit into an answer, in order, beginning after this one.
    After(Option<KeyName>),
}

/// Who asks, proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The node.
    pub node: NodeId,
    /// Its newest process start.
    pub boot: BootId,
    /// What keys are sealed to for it.
    pub inbox: [u8; 32],
}

/// A key, sealed for its asker alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which.
    pub name: KeyName,
    /// The encapsulated key.
    pub enc: [u8; 32],
    /// The key, sealed.
    pub sealed: Vec<u8>,
}

/// What is handed over; empty if nothing of it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// When the tenant's root was last heard to allow its keys, as the giver knows it.
    pub heard: ClusterTime,
    /// In order.
    pub keys: Vec<Sealed>,
    /// Whether there are more after these.
    pub more: bool,
}

/// Why nothing is handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is handed over: {0}")]
pub struct NotHanded(pub String);

/// Whoever holds keys and judges who may have them.
pub trait Giver: Send + Sync + 'static {
    /// Gives what it may.
    fn give(&self, to: Asker, wish: Wish) -> BoxFuture<'_, Result<Handed, NotHanded>>;
}

impl From<KeyName> for KeyPlace {
    fn from(name: KeyName) -> Self {
        let KeyName { service, l2_version, kdf } = name;
        Self { service: service.0.to_vec(), l2_version: l2_version.0.into(), kdf: kdf as u32 }
    }
}

impl KeyPlace {
    pub(crate) fn read(self) -> Result<KeyName, BadMessage> {
        let service = self.service.try_into().map_err(|_| BadMessage::Missing("service"))?;
        let version = u16::try_from(self.l2_version).map_err(|_| BadMessage::Missing("l2_version"))?;
        let kdf = [Kdf::Hkdf, Kdf::Counter].into_iter().find(|kdf| *kdf as u32 == self.kdf);
        Ok(KeyName {
            service: ServiceHandle(service),
            l2_version: L2Version(version),
            kdf: kdf.ok_or(BadMessage::Missing("kdf"))?,
        })
    }
}

impl From<Wish> for AskKeys {
    fn from(wish: Wish) -> Self {
        let (only, after) = match wish.keys {
            Wanted::One(name) => (Some(name.into()), None),
            Wanted::After(name) => (None, name.map(Into::into)),
        };
        Self { tenant: wish.tenant.0.to_vec(), only, after }
    }
}

impl AskKeys {
    pub(crate) fn read(self) -> Result<Wish, BadMessage> {
        let tenant = self.tenant.try_into().map_err(|_| BadMessage::Missing("tenant"))?;
        let keys = match (self.only, self.after) {
            (Some(only), None) => Wanted::One(only.read()?),
            (None, after) => Wanted::After(after.map(KeyPlace::read).transpose()?),
            (Some(_), Some(_)) => return Err(BadMessage::Missing("either only or after")),
        };
        Ok(Wish { tenant: TenantHandle(tenant), keys })
    }
}

impl From<Handed> for HandedKeys {
    fn from(handed: Handed) -> Self {
        let key = |key: Sealed| HandedKey {
            place: Some(key.name.into()),
            enc: key.enc.to_vec(),
            sealed: key.sealed,
        };
        let keys = handed.keys.into_iter().map(key).collect();
        Self { heard_ms: handed.heard.0, keys, more: handed.more }
    }
}

impl HandedKeys {
    pub(crate) fn read(self) -> Result<Handed, BadMessage> {
        let key = |key: HandedKey| {
            Ok(Sealed {
                name: key.place.ok_or(BadMessage::Missing("place"))?.read()?,
                enc: key.enc.try_into().map_err(|_| BadMessage::Missing("enc"))?,
                sealed: key.sealed,
            })
        };
        let keys = self.keys.into_iter().map(key).collect::<Result<_, BadMessage>>()?;
        Ok(Handed { heard: ClusterTime(self.heard_ms), keys, more: self.more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: KeyName =
        KeyName { service: ServiceHandle([1; 4]), l2_version: L2Version(7), kdf: Kdf::Counter };

    #[test]
    fn questions_and_answers_survive_the_wire() {
        let tenant = TenantHandle([9; 4]);
        for keys in [Wanted::One(NAME), Wanted::After(None), Wanted::After(Some(NAME))] {
            let wish = Wish { tenant, keys };
            assert_eq!(AskKeys::from(wish).read().unwrap(), wish);
        }
        let key = Sealed { name: NAME, enc: [2; 32], sealed: vec![3; 48] };
        let handed = Handed { heard: ClusterTime(5), keys: vec![key.clone(), key], more: true };
        assert_eq!(HandedKeys::from(handed.clone()).read().unwrap(), handed);
    }

    #[test]
    fn what_a_peer_left_out_or_made_up_is_an_error() {
        let place = KeyPlace::from(NAME);
        let ask = |tenant: &[u8], only, after| AskKeys { tenant: tenant.to_vec(), only, after };
        for bad in [
            ask(&[9; 3], None, None),
            ask(&[9; 4], Some(KeyPlace { kdf: 3, ..place.clone() }), None),
            ask(&[9; 4], Some(KeyPlace { l2_version: 1 << 16, ..place.clone() }), None),
            ask(&[9; 4], None, Some(KeyPlace { service: vec![1; 5], ..place.clone() })),
            ask(&[9; 4], Some(place.clone()), Some(place.clone())),
        ] {
            assert!(bad.clone().read().is_err(), "{bad:?}");
        }
        let key = |place, enc: usize| HandedKey { place, enc: vec![0; enc], sealed: vec![] };
        for bad in [key(None, 32), key(Some(place), 31)] {
            let bad = HandedKeys { heard_ms: 0, keys: vec![bad], more: false };
            assert!(bad.clone().read().is_err(), "{bad:?}");
        }
    }
}
