//! Brings the answers of a commit back to those who wait for them.
//!
//! Waking a task from a thread outside the runtime takes a lock that all workers share, and often a system
//! call. So the audit thread wakes one task, the herald, and that one wakes the others from within: there a
//! wake-up is a push onto the worker's own queue.
//!
//! Invariant: every answer is delivered, whatever becomes of the herald or its runtime.

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::log::{AuditError, Durable};

/// Where a request waits for its answer.
pub(crate) type Answer = oneshot::Sender<Result<Durable, AuditError>>;

/// So many answers pay for the detour: below it, waking each costs less than waking the herald first.
const DETOUR_FROM: usize = 4;

/// The answers of one commit. Dropping them delivers them.
pub(crate) struct Answers(Vec<(Answer, Durable)>);

impl Drop for Answers {
    fn drop(&mut self) {
        for (answer, durable) in self.0.drain(..) {
            // A requester that has gone away is no error: its record stands.
            let _ = answer.send(Ok(durable));
        }
    }
}

/// The way to the herald, if there is a runtime for one.
pub(crate) struct Herald(Option<mpsc::UnboundedSender<Answers>>);

impl Herald {
    /// Starts one in the current runtime. Its channel needs no bound: it holds no more answers than there
    /// are requests waiting, and the audit thread's queue bounds those.
    pub(crate) fn start() -> Self {
        let Ok(runtime) = Handle::try_current() else { return Self(None) };
        let (sender, mut commits) = mpsc::unbounded_channel();
        runtime.spawn(async move {
            while let Some(answers) = commits.recv().await {
                drop::<Answers>(answers);
            }
        });
        Self(Some(sender))
    }

    /// Delivers the answers of one commit, by the shorter way.
    pub(crate) fn deliver(&self, answers: Vec<(Answer, Durable)>) {
        let answers = Answers(answers);
        match &self.0 {
            Some(herald) if answers.0.len() >= DETOUR_FROM => {
                // Without a herald the answers come back in the error, and dropping it delivers them.
                let _ = herald.send(answers);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Wait = oneshot::Receiver<Result<Durable, AuditError>>;

    fn waiting(count: u64) -> (Vec<Wait>, Vec<(Answer, Durable)>) {
        (0..count)
            .map(|n| {
                let (answer, wait) = oneshot::channel();
                (wait, (answer, Durable { first: n, last: n }))
            })
            .unzip()
    }

    fn check(waits: Vec<Wait>) {
        for (n, wait) in (0..).zip(waits) {
            assert_eq!(wait.blocking_recv().unwrap().unwrap().first(), n);
        }
    }

    #[test]
    fn answers_arrive_with_a_runtime_and_without() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let heralds = [Herald::start(), runtime.block_on(async { Herald::start() })];
        assert!(heralds[0].0.is_none() && heralds[1].0.is_some());
        for herald in &heralds {
            for count in [1, 3, 4, 100] {
                let (waits, answers) = waiting(count);
                herald.deliver(answers);
                check(waits);
            }
        }
    }

    #[test]
    fn answers_arrive_although_the_runtime_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let herald = runtime.block_on(async { Herald::start() });
        let (before, answers) = waiting(50);
        herald.deliver(answers);
        drop(runtime);
        check(before);
        let (after, answers) = waiting(50);
        herald.deliver(answers);
        check(after);
    }
}
