//! Denies certificates, and allows them again.

use serde::{Deserialize, Serialize};

use crate::certificate::{CertificateId, DENIAL_REASON_BYTES_MAX, DENIED_MAX, DENIED_TOGETHER_MAX, Denial};
use crate::command::{Answer, Apply};
use crate::refusal::{Limit, Refusal};
use crate::state::{At, Changes, State};

/// From here on no request by these certificates is answered, on open connections either. One that is denied
/// already keeps its denial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenyCertificates {
    /// Which.
    pub certificates: Vec<CertificateId>,
    /// For people.
    pub reason: String,
}

/// Takes denials back; certificates that are not denied are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowCertificates {
    /// Which.
    pub certificates: Vec<CertificateId>,
}

impl Apply for DenyCertificates {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        check_count(&self.certificates)?;
        Limit::DenialReason.check(self.reason.len() as u64, 0..=DENIAL_REASON_BYTES_MAX as u64)?;
        let new = self.certificates.iter().filter(|id| state.denial(id).is_none()).count();
        if state.denied.len() + new > DENIED_MAX {
            return Err(Refusal::LimitReached { what: Limit::Denied, max: DENIED_MAX as u64 });
        }
        Ok(())
    }

    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
        for id in &self.certificates {
            if state.denial(id).is_none() {
                let denial = Denial { at: at.index, since: at.time, reason: self.reason.clone() };
                state.put_denial(*id, Some(denial), changes);
            }
        }
        Answer::Done
    }
}

impl Apply for AllowCertificates {
    fn check(&self, _: &State, _: &At) -> Result<(), Refusal> {
        check_count(&self.certificates)
    }

    fn apply(&self, state: &mut State, _: &At, changes: &mut Changes) -> Answer {
        for id in &self.certificates {
            if state.denial(id).is_some() {
                state.put_denial(*id, None, changes);
            }
        }
        Answer::Done
    }
}

fn check_count(certificates: &[CertificateId]) -> Result<(), Refusal> {
    Limit::Certificates.check(certificates.len() as u64, 1..=DENIED_TOGETHER_MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Action, Applied, Command, Stamp};
    use crate::id::{CommandId, LogIndex};
    use crate::time::ClusterTime;

    fn apply(state: &mut State, index: u64, action: impl Into<Action>) -> Applied {
        let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(index) };
        state.apply(LogIndex(index), &Command { stamp, idempotency: None, action: action.into() })
    }

    fn key(number: u8) -> CertificateId {
        CertificateId::Key { spki: [number; 32] }
    }

    fn deny(certificates: Vec<CertificateId>) -> DenyCertificates {
        DenyCertificates { certificates, reason: "stolen".to_owned() }
    }

    #[test]
    fn a_denial_stands_until_it_is_taken_back() {
        let mut state = State::new("eu");
        let applied = apply(&mut state, 3, deny(vec![key(1)]));
        assert_eq!((applied.answer, applied.withdrawal), (Answer::Done, Some(LogIndex(3))));
        let again = apply(&mut state, 4, deny(vec![key(1), key(2)]));
        assert_eq!(again.withdrawal, Some(LogIndex(4)));
        let at = |state: &State, id| state.denial(&id).map(|denial| denial.at);
        assert_eq!(at(&state, key(1)), Some(LogIndex(3)), "the first denial stands");
        assert_eq!(at(&state, key(2)), Some(LogIndex(4)));
        assert_eq!(State::from_rows(state.rows()).as_ref(), Ok(&state));
        apply(&mut state, 5, AllowCertificates { certificates: vec![key(1), key(9)] });
        assert_eq!(state.denials().map(|(id, _)| *id).collect::<Vec<_>>(), [key(2)]);
        assert_eq!(State::from_rows(state.rows()), Ok(state));
    }

    #[test]
    fn lists_and_reasons_are_bounded() {
        let mut state = State::new("eu");
        let refused = |state: &mut State, action: DenyCertificates| {
            matches!(apply(state, 1, action).answer, Answer::Refused(Refusal::OutOfRange { .. }))
        };
        assert!(refused(&mut state, deny(Vec::new())));
        assert!(refused(&mut state, deny(vec![key(1); DENIED_TOGETHER_MAX + 1])));
        let reason = "r".repeat(DENIAL_REASON_BYTES_MAX + 1);
        assert!(refused(&mut state, DenyCertificates { certificates: vec![key(1)], reason }));
    }
}
