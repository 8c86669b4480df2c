//! Activate, Revoke, Destroy and attribute changes: small writes about a found object.

use model::commands::{ActivateObject, ChangeAttributes, Dates, DestroyObject, RevokeObject};
use model::object::{KeyState, Name, Revocation, StoredAttribute};

use crate::objects::Found;
use crate::refused::Refused;
use crate::turn::Turn;

impl Turn<'_> {
    /// The object's state now, dates that have come included.
    #[must_use]
    pub fn state_of(&self, found: &Found) -> KeyState {
        found.object.lifecycle.state_at(self.now())
    }

    /// Whether Get may answer: not for a destroyed object, nor for a revoked one where the service's
    /// policy says so.
    ///
    /// # Errors
    /// [`Refused::Destroyed`], [`Refused::Denied`].
    pub fn may_get(&self, found: &Found) -> Result<(), Refused> {
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
        self.change(ActivateObject { uid: *found.uid() }).await
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
        self.change(RevokeObject { uid: *found.uid(), reason, compromise_occurrence_date }).await
    }

    /// Destroys the key; returns when no node answers with it any more.
    ///
    /// # Errors
    /// [`Refused::WrongState`], [`Refused::NotEverywhereYet`], and what the state refuses.
    pub async fn destroy(&mut self, found: &Found) -> Result<(), Refused> {
        self.change(DestroyObject { uid: *found.uid() }).await
    }

    /// Replaces names, attributes and dates, if the object is still as it was found.
    ///
    /// # Errors
    /// [`model::refusal::Refusal::RevisionConflict`] inside [`Refused::Refused`]: find it again.
    pub async fn change_attributes(
        &mut self,
        found: &Found,
        names: Vec<Name>,
        attributes: Vec<StoredAttribute>,
        dates: Dates,
        withdraws: bool,
    ) -> Result<(), Refused> {
        let if_revision = found.object.revision;
        let uid = *found.uid();
        self.change(ChangeAttributes { uid, if_revision, names, attributes, dates, withdraws }).await
    }
}
