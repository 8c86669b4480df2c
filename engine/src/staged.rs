//! A batch that may be undone: its writes are tried on a copy of the state and committed as one entry at its
//! end, or never. Nothing is published, erased or waited for before (KMIP 1.4, 6.15: Undo).

use model::command::Action;
use model::commands::{CommitTogether, TOGETHER_MAX};
use model::refusal::Refusal;
use model::state::State;
use model::time::ClusterTime;

use crate::refused::Refused;
use crate::turn::Turn;

/// What a batch has done so far.
pub(crate) struct Staged {
    state: State,
    actions: Vec<Action>,
}

impl Staged {
    /// The state as the batch would leave it.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Tries actions on the copy, all or none.
    fn try_all(&mut self, actions: Vec<Action>, now: ClusterTime) -> Result<(), Refusal> {
        if self.actions.len() + actions.len() > TOGETHER_MAX {
            return Err(Refusal::BadTogether { max: TOGETHER_MAX as u64 });
        }
        let mut copy = self.state.clone();
        for (action, item) in actions.iter().zip(self.actions.len()..) {
            copy.stage(action, now, u16::try_from(item).unwrap_or(u16::MAX))?;
        }
        self.state = copy;
        self.actions.extend(actions);
        Ok(())
    }
}

impl Turn<'_> {
    /// From here on writes of this turn are staged; what it reads is what they would leave.
    ///
    /// # Errors
    /// As [`Turn::refresh`]: the copy is taken from a state not older than this call.
    pub async fn stage(&mut self) -> Result<(), Refused> {
        self.refresh().await?;
        let state = self.generation.state.clone();
        self.staged = Some(Box::new(Staged { state, actions: Vec::new() }));
        Ok(())
    }

    /// Commits everything staged as one entry, and waits for its barrier where it withdraws.
    ///
    /// # Errors
    /// What the state refuses meanwhile, and that it cannot be asked now; nothing has then happened.
    pub async fn commit_staged(&mut self) -> Result<(), Refused> {
        match self.staged.take() {
            Some(staged) if !staged.actions.is_empty() => self.commit(staged.actions).await,
            _ => Ok(()),
        }
    }

    /// Forgets everything staged.
    pub fn discard_staged(&mut self) {
        self.staged = None;
    }

    /// Makes several changes about objects of this tenant, all or none, in one entry.
    ///
    /// # Errors
    /// The first refusal; nothing has then happened.
    pub async fn commit(&mut self, mut actions: Vec<Action>) -> Result<(), Refused> {
        let now = self.now();
        if let Some(staged) = &mut self.staged {
            return Ok(staged.try_all(actions, now)?);
        }
        match actions.len() {
            1 => self.propose(actions.remove(0)).await,
            _ => self.propose(CommitTogether { actions }.into()).await,
        }
    }
}
