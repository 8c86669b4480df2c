//! Several actions in one entry, all or none: a key pair with its links, a re-key, a batch that may be undone.

use serde::{Deserialize, Serialize};

use crate::command::{Action, Answer, Apply};
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};
use crate::time::ClusterTime;

/// Most actions of one entry: an apply touches a bounded number of rows, and no request holds more items.
pub const TOGETHER_MAX: usize = 256;

/// Takes effect as a whole, in order, each action on what the ones before it left; refused as a whole with
/// the first refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitTogether {
    /// In order; each is about an object, all of one tenant.
    pub actions: Vec<Action>,
}

impl CommitTogether {
    /// Whether any of the actions withdraws.
    pub(crate) fn withdraws_at(&self, now: ClusterTime) -> bool {
        self.actions.iter().any(|action| action.withdraws(now))
    }

    fn is_sound(&self) -> bool {
        let tenant = |action: &Action| action.object().map(|uid| uid.header.fields().tenant);
        let Some(first) = self.actions.first().and_then(tenant) else { return false };
        self.actions.len() <= TOGETHER_MAX && self.actions.iter().all(|action| tenant(action) == Some(first))
    }

    fn each<'a>(&'a self, at: &At) -> impl Iterator<Item = (&'a Action, At)> {
        let at = *at;
        self.actions.iter().zip(0..).map(move |(action, item)| (action, At { item, ..at }))
    }
}

/// A refusal by what an earlier action of the same list would have done: that never happens, so nobody may
/// wait for it or read it.
fn own(refusal: Refusal, at: &At) -> Refusal {
    match refusal {
        Refusal::RevisionConflict { now } if now == at.index => Refusal::Contradiction,
        other if other.withdrawal() == Some(at.index) => Refusal::Contradiction,
        other => other,
    }
}

impl Apply for CommitTogether {
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
        if !self.is_sound() {
            return Err(Refusal::BadTogether { max: TOGETHER_MAX as u64 });
        }
        // The maps share their structure: the copy costs what the actions change.
        let mut copy = state.clone();
        for (action, at) in self.each(at) {
            action.check(&copy, &at).map_err(|refusal| own(refusal, &at))?;
            action.apply(&mut copy, &at, &mut Changes::default());
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        for (action, at) in self.each(at) {
            action.apply(state, &at, changes);
        }
        Answer::Done
    }
}
