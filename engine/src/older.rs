//! Which identifiers of older L2 versions are still used on this node: what is left to re-encrypt after a
//! rotation or a migration. In memory only, and bounded: it informs people, it decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use model::id::TenantHandle;
use model::time::ClusterTime;
use model::uid::Uid;

/// Identifiers remembered for one tenant: a list somebody works through, not an inventory.
pub const OLDER_MAX: usize = 1_000;

/// See the module.
#[derive(Default)]
pub struct Older(Mutex<HashMap<TenantHandle, Seen>>);

#[derive(Default)]
struct Seen {
    last: BTreeMap<Uid, ClusterTime>,
    /// When an identifier was last used that found no room.
    more_at: Option<ClusterTime>,
}

/// What was used since a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// The identifiers, and when each was used last.
    pub identifiers: Vec<(Uid, ClusterTime)>,
    /// Whether there were more than are remembered.
    pub more: bool,
}

impl Older {
    /// An identifier of an older version was used.
    pub(crate) fn saw(&self, uid: Uid, now: ClusterTime) {
        let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = tenants.entry(uid.header.fields().tenant).or_default();
        if seen.last.len() >= OLDER_MAX && !seen.last.contains_key(&uid) {
            seen.more_at = Some(now);
            return;
        }
        seen.last.insert(uid, now);
    }

    /// What a tenant used since a moment.
    #[must_use]
    pub fn since(&self, tenant: TenantHandle, since: ClusterTime) -> InUse {
        let tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = tenants.get(&tenant) else { return InUse::default() };
        let used = seen.last.iter().filter(|(_, last)| **last >= since);
        InUse {
            identifiers: used.map(|(uid, last)| (*uid, *last)).collect(),
            more: seen.more_at.is_some_and(|at| at >= since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::{L2Version, ServiceHandle};
    use model::uid::{Fields, Header, Kdf, Kind};

    fn uid(number: u32) -> Uid {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        let fields = Fields {
            kind: Kind::EphemeralActive,
            kdf: Kdf::Hkdf,
            tenant: TenantHandle([1; 4]),
            service: ServiceHandle([2; 4]),
            l2_version: L2Version(1),
            created_s: 0,
            algorithm: 3,
            length_bytes: 32,
            usage_mask: 0,
            nonce,
        };
        Uid { header: Header::new(&fields), tag: [0; 8] }
    }

    #[test]
    fn what_is_no_longer_used_leaves_the_list() {
        let older = Older::default();
        older.saw(uid(1), ClusterTime(10));
        older.saw(uid(2), ClusterTime(20));
        older.saw(uid(1), ClusterTime(30));
        let tenant = TenantHandle([1; 4]);
        let used = |since| older.since(tenant, ClusterTime(since)).identifiers.len();
        assert_eq!((used(0), used(25), used(31)), (2, 1, 0));
        assert_eq!(older.since(TenantHandle([9; 4]), ClusterTime(0)), InUse::default());
        for number in 0..2_000 {
            older.saw(uid(number), ClusterTime(40));
        }
        let all = older.since(tenant, ClusterTime(40));
        assert_eq!((all.identifiers.len(), all.more), (OLDER_MAX, true));
    }
}
