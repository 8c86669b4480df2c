//! The roots whose tokens refused their PIN to this process, until the cluster knows of it: no other node is to try
//! that PIN, and a word that got lost on the way is told again.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keystore::{RootError, Withdrawal};
use model::id::LogIndex;
use model::root::{Root, WhichRoot};
use model::state::State;

use crate::opened::Own;

/// Each with the revision of the description that holds the PIN. At most as many as tenants have roots.
#[derive(Default)]
pub(crate) struct PinRefused(Mutex<BTreeMap<Own, LogIndex>>);

/// A root as it is described.
pub(crate) type AsDescribed = (Own, LogIndex);

/// Which root and which description of it this is.
pub(crate) fn as_described(root: &Root) -> AsDescribed {
    ((root.tenant, root.handle), root.revision)
}

impl PinRefused {
    /// Passes an answer of a root on, and keeps in mind that a tenant's own refused its PIN. The platform's (`None`) is
    /// each node's own affair.
    pub fn noted<T>(&self, root: Option<AsDescribed>, answer: Result<T, RootError>) -> Result<T, RootError> {
        if let Err(RootError::Withdrawn { withdrawal: Withdrawal::PinRefused, .. }) = &answer {
            self.keep(root);
        }
        answer
    }

    /// The roots in use of which the cluster does not know it. Those that it knows of, that are gone, or that have
    /// other credentials by now are forgotten.
    pub fn untold(&self, state: &State) -> Vec<WhichRoot> {
        let mut here = self.lock();
        here.retain(|(tenant, handle), tried| {
            state.root(*tenant, *handle).is_some_and(|root| match root.revision.cmp(tried) {
                Ordering::Less => true,
                Ordering::Equal => !state.pin_refused(Some((*tenant, *handle))),
                Ordering::Greater => false,
            })
        });
        let used =
            |(tenant, root): &&Own| state.tenant(*tenant).is_some_and(|tenant| tenant.roots.contains(root));
        here.keys().filter(used).copied().map(Some).collect()
    }

    /// Takes out those of these roots that are kept: they are asked now, and what the cluster is not told of them is to
    /// be kept again.
    pub fn take(&self, roots: &[WhichRoot]) -> BTreeMap<Own, LogIndex> {
        let mut here = self.lock();
        roots.iter().flatten().filter_map(|own| here.remove_entry(own)).collect()
    }

    /// Keeps these, unless a later description of one was refused meanwhile.
    pub fn keep(&self, roots: impl IntoIterator<Item = AsDescribed>) {
        let mut here = self.lock();
        for (own, tried) in roots {
            let kept = here.entry(own).or_insert(tried);
            *kept = tried.max(*kept);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Own, LogIndex>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
