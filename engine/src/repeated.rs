//! Requests of administrators that are repeated: each gets the answer it had, whatever has become of things since.
//!
//! The state machine gives that answer before it judges anything. What is judged outside of it, whether a root passes
//! its test, whether a tenant is as somebody read it, what the cluster survives, would come before that, and would
//! refuse a request for what it has itself brought about. Whoever judges outside the state machine therefore asks here
//! first; there is no other place where the record of a key is looked up.

use model::command::{Answer, IdempotencyKey};
use model::id::{LogIndex, TenantHandle};

use crate::admin::Administrator;
use crate::engine::Engine;
use crate::refused::Refused;

impl Engine {
    /// What this request was answered when it came first, to whatever node, and leaves a record of it. `None` if it is
    /// new, or carries no key: judge it then, and propose it under its key.
    ///
    /// # Errors
    /// [`Refused::Refused`] if the key was another request's; [`Refused::NotNow`].
    pub async fn answered_before(
        &self,
        who: &Administrator,
        name: &'static str,
        tenant: Option<TenantHandle>,
        target: &str,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Option<Answer>, Refused> {
        let Some(key) = idempotency else { return Ok(None) };
        let generation = self.store.read_index().await?;
        let Some(answer) = at_once(generation.state.repeated(key, self.store.now())) else { return Ok(None) };
        let tenant = about(tenant, answer.as_ref().ok());
        self.note_admin(who, name, tenant, target, answer.as_ref().map(|_| None)).await?;
        answer.map(Some)
    }
}

/// The answer that may be given without asking the state machine. One from which its caller concludes that a withdrawal
/// holds passes that withdrawal's barrier again, so the state machine gives it (CONSISTENCY 3).
fn at_once(repeated: Option<(Answer, Option<LogIndex>)>) -> Option<Result<Answer, Refused>> {
    match repeated? {
        (_, Some(_)) => None,
        (Answer::Refused(refusal), None) => Some(Err(refusal.into())),
        (answer, None) => Some(Ok(answer)),
    }
}

/// Whose record it is: a tenant that its request made is known by the answer alone, and has the record of the first
/// request too.
fn about(asked: Option<TenantHandle>, answer: Option<&Answer>) -> Option<TenantHandle> {
    match answer {
        Some(Answer::Tenant(made)) => Some(*made),
        _ => asked,
    }
}

#[cfg(test)]
mod tests {
    use model::refusal::Refusal;

    use super::*;

    #[test]
    fn a_repeated_request_is_answered_at_once_unless_it_withdrew() {
        let tenant = Answer::Tenant(TenantHandle([1; 4]));
        assert_eq!(at_once(None), None, "it is new");
        assert_eq!(at_once(Some((tenant.clone(), None))), Some(Ok(tenant)));
        assert_eq!(at_once(Some((Answer::Done, Some(LogIndex(7))))), None, "its barrier is passed again");
        let reused = Refusal::IdempotencyKeyReused;
        let told = at_once(Some((Answer::Refused(reused.clone()), None)));
        assert_eq!(told, Some(Err(Refused::Refused(reused))), "the key is another request's");
    }
    #[test]
    fn the_record_of_a_repeated_request_is_its_tenants() {
        let (asked, made) = (TenantHandle([1; 4]), TenantHandle([2; 4]));
        assert_eq!(about(None, Some(&Answer::Tenant(made))), Some(made), "as that of the first");
        assert_eq!(about(Some(asked), Some(&Answer::Done)), Some(asked));
        assert_eq!(about(None, None), None, "the key was another request's");
    }
}
