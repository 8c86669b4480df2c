//! Activate, Revoke, Destroy and attribute changes: small writes about a found object.

use model::commands::{
    ActivateObject, ArchiveObject, ChangeAttributes, Dates, DestroyObject, MarkServed, RecoverObject,
    RevokeObject,
};
use model::object::{KeyState, Name, Revocation, StoredAttribute, Usage};

use crate::objects::Found;
use crate::refused::Refused;
use crate::turn::Turn;

impl Turn<'_> {
    /// The object's state now, dates that have come included.
    #[must_use]
    pub fn state_of(&self, found: &Found) -> KeyState {
        found.object.lifecycle.state_at(self.now())
    }

    /// Whether Get may answer: not for an archived or destroyed object, nor for a revoked one where the service's
    /// policy says so.
    ///
    /// # Errors
    /// [`Refused::Archived`], [`Refused::Destroyed`], [`Refused::Denied`].
    pub fn may_get(&self, found: &Found) -> Result<(), Refused> {
        found.on_line()?;
        match self.state_of(found) {
            KeyState::Destroyed | KeyState::DestroyedCompromised => Err(Refused::Destroyed),
            KeyState::Deactivated | KeyState::Compromised if !self.service.policy.get_after_revoke => {
                Err(Refused::Denied { reason: "the service's policy ends Get with Revoke" })
            }
            KeyState::PreActive | KeyState::Active | KeyState::Deactivated | KeyState::Compromised => Ok(()),
        }
    }

    /// From Pre-Active to Active.
    ///
    /// # Errors
    /// [`Refused::WrongState`], and what the state refuses.
    pub async fn activate(&mut self, found: &Found) -> Result<(), Refused> {
        self.commit(vec![ActivateObject { uid: *found.uid() }.into()]).await
    }

    /// To Deactivated or Compromised; returns when no node treats the key as usable any more.
    ///
    /// # Errors
    /// [`Refused::WrongState`], [`Refused::NotEverywhereYet`], and what the state refuses.
    pub async fn revoke(
        &mut self,
        found: &Found,
        reason: Revocation,
        compromise_occurrence_date: Option<u64>,
    ) -> Result<(), Refused> {
        let revoke = RevokeObject { uid: *found.uid(), reason, compromise_occurrence_date };
        self.commit(vec![revoke.into()]).await
    }

    /// Destroys the key; returns when no node answers with it any more.
    ///
    /// # Errors
    /// [`Refused::WrongState`], [`Refused::NotEverywhereYet`], and what the state refuses.
    pub async fn destroy(&mut self, found: &Found) -> Result<(), Refused> {
        self.commit(vec![DestroyObject { uid: *found.uid() }.into()]).await
    }

    /// Takes the object off-line; returns when no node answers with it any more.
    ///
    /// # Errors
    /// [`Refused::Archived`], [`Refused::NotEverywhereYet`], and what the state refuses.
    pub async fn archive(&mut self, found: &Found) -> Result<(), Refused> {
        self.commit(vec![ArchiveObject { uid: *found.uid() }.into()]).await
    }

    /// Brings an archived object back.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn recover(&mut self, found: &Found) -> Result<(), Refused> {
        self.commit(vec![RecoverObject { uid: *found.uid() }.into()]).await
    }

    /// Notes that a Get served the object: it is no longer fresh.
    ///
    /// # Errors
    /// What the state refuses, and that it cannot be asked now.
    pub async fn mark_served(&mut self, found: &Found) -> Result<(), Refused> {
        self.commit(vec![MarkServed { uid: *found.uid() }.into()]).await
    }

    /// Replaces names, attributes, dates and usage limit, if the object is still as it was found.
    ///
    /// # Errors
    /// [`model::refusal::Refusal::RevisionConflict`] inside [`Refused::Refused`]: find it again.
    pub async fn change_attributes(&mut self, found: &Found, change: Change) -> Result<(), Refused> {
        self.commit(vec![change.of(found).into()]).await
    }
}

/// What an object's names, attributes, dates and usage limit are to be from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// All names.
    pub names: Vec<Name>,
    /// All attributes the state does not judge.
    pub attributes: Vec<StoredAttribute>,
    /// Dates.
    pub dates: Dates,
    /// What it may still protect.
    pub usage: Option<Usage>,
    /// Whether the attributes can turn an allowed answer into a refusal (CONSISTENCY 3).
    pub withdraws: bool,
}

impl Change {
    /// The action, for [`Turn::commit`]: refused if the object is no longer as it was found.
    #[must_use]
    pub fn of(self, found: &Found) -> ChangeAttributes {
        let Self { names, attributes, dates, usage, withdraws } = self;
        let (uid, if_revision) = (*found.uid(), found.object.revision);
        ChangeAttributes { uid, if_revision, names, attributes, dates, usage, withdraws }
    }
}
