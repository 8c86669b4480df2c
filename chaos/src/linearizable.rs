//! Whether a history of reads and writes of one register could have happened one after the other.
//!
//! The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with Lowe's memory of what
//! was tried ("Testing for linearizability", 2017): histories are split by register first, since a whole
//! is linearizable exactly if each register is (Herlihy and Wing, 1990). A write of unknown outcome may take
//! effect at any later time, or never.

use std::collections::HashSet;

/// What an operation did, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Set the register.
    Write(u64),
    /// Found this in it.
    Read(u64),
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What.
    pub action: Action,
    /// A moment before the request was sent.
    pub begun: u64,
    /// A moment after the answer came; `None` for a write of unknown outcome.
    pub ended: Option<u64>,
}

/// Operations of one register a search may look at: far more than a run makes, and a bound on its memory.
const OPERATIONS_MAX: usize = 4_096;

/// Whether there is an order of these operations in which each takes effect between its beginning and its
/// end, and every read finds what the last write before it set; the register holds `initial` at first.
///
/// # Panics
/// If there are more operations than 4,096.
#[must_use]
pub fn is_linearizable(initial: u64, history: &[Operation]) -> bool {
    assert!(history.len() <= OPERATIONS_MAX, "split the history by register first");
    let mut history = history.to_vec();
    history.sort_by_key(|operation| operation.begun);
    Search { done: vec![false; history.len()], first: 0, tried: HashSet::new(), history: &history }
        .from(initial)
}

struct Search<'a> {
    history: &'a [Operation],
    done: Vec<bool>,
    /// Everything before it is done.
    first: usize,
    tried: HashSet<(usize, Vec<usize>, u64)>,
}

impl Search<'_> {
    /// Tries every order, depth first; an explicit stack, because histories are longer than call stacks.
    fn from(&mut self, initial: u64) -> bool {
        let mut value = initial;
        let mut path: Vec<(usize, u64)> = Vec::new();
        let mut next = 0;
        loop {
            if self.is_complete() {
                return true;
            }
            match self.candidate(next, value) {
                Some((at, after)) => {
                    self.set(at, true);
                    if self.is_new(after) {
                        path.push((at, value));
                        (value, next) = (after, 0);
                    } else {
                        self.set(at, false);
                        next = at + 1;
                    }
                }
                None => {
                    let Some((at, before)) = path.pop() else { return false };
                    self.set(at, false);
                    (value, next) = (before, at + 1);
                }
            }
        }
    }

    /// Nothing is left that must have happened.
    fn is_complete(&self) -> bool {
        self.left().all(|at| self.history[at].ended.is_none())
    }

    /// The first operation from `next` on that may come now, and what the register then holds: one that
    /// began before every operation still to come had ended.
    fn candidate(&self, next: usize, value: u64) -> Option<(usize, u64)> {
        let horizon = self.left().filter_map(|at| self.history[at].ended).min().unwrap_or(u64::MAX);
        let left = self.left().skip_while(|at| *at < next);
        left.take_while(|at| self.history[*at].begun < horizon).find_map(|at| match self.history[at].action {
            Action::Write(written) => Some((at, written)),
            Action::Read(read) => (read == value).then_some((at, value)),
        })
    }

    fn left(&self) -> impl Iterator<Item = usize> {
        (self.first..self.history.len()).filter(|at| !self.done[*at])
    }

    fn set(&mut self, at: usize, done: bool) {
        self.done[at] = done;
        self.first = if done { self.first } else { self.first.min(at) };
        while self.done.get(self.first) == Some(&true) {
            self.first += 1;
        }
    }

    /// Whether this set of operations with this outcome was not tried before.
    fn is_new(&mut self, value: u64) -> bool {
        let beyond = (self.first..self.history.len()).filter(|at| self.done[*at]).collect();
        self.tried.insert((self.first, beyond, value))
    }
}

#[cfg(test)]
mod tests {
    use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
    use stateright::semantics::{ConsistencyTester as _, LinearizabilityTester};

    use super::*;
    use crate::random::Random;

    fn write(value: u64, begun: u64, ended: u64) -> Operation {
        Operation { action: Action::Write(value), begun, ended: Some(ended) }
    }

    fn lost(value: u64, begun: u64) -> Operation {
        Operation { action: Action::Write(value), begun, ended: None }
    }

    fn read(value: u64, begun: u64, ended: u64) -> Operation {
        Operation { action: Action::Read(value), begun, ended: Some(ended) }
    }

    #[test]
    fn histories_of_the_textbook() {
        let check = |history: &[Operation], expected| {
            assert_eq!(is_linearizable(0, history), expected, "{history:?}")
        };
        check(&[], true);
        check(&[read(0, 1, 2)], true);
        check(&[read(1, 1, 2)], false);
        check(&[write(1, 1, 2), read(0, 3, 4)], false); // stale
        check(&[write(1, 1, 4), read(0, 2, 3)], true); // meanwhile, either is right
        check(&[write(1, 1, 4), read(1, 2, 3)], true);
        check(&[write(1, 1, 6), read(1, 2, 3), read(0, 4, 5)], false); // seen and gone again
        check(&[write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)], false);
        check(&[write(1, 1, 4), write(2, 2, 3), read(1, 5, 6)], true);
    }

    #[test]
    fn an_unknown_write_may_happen_late_or_never() {
        let check = |history: &[Operation], expected| {
            assert_eq!(is_linearizable(0, history), expected, "{history:?}")
        };
        check(&[lost(1, 1), read(0, 9, 10)], true);
        check(&[lost(1, 1), read(0, 9, 10), read(1, 11, 12)], true);
        check(&[lost(1, 1), read(1, 9, 10), read(0, 11, 12)], false);
        check(&[read(1, 1, 2), lost(1, 3)], false); // not before it was asked for
    }

    #[test]
    fn long_histories_are_quick() {
        let step = |n: u64| [write(n, 10 * n, 10 * n + 15), read(n, 10 * n + 6, 10 * n + 9)];
        let history: Vec<Operation> = (1..1_000).flat_map(step).collect();
        assert!(is_linearizable(0, &history));
        let mut wrong = history;
        let last = wrong.len() - 1;
        wrong[last].action = Action::Read(1);
        assert!(!is_linearizable(0, &wrong));
    }

    /// A few clients, each one thing after the other, some of whose answers get lost; what they read is anyone's guess.
    /// The same for our search and for stateright's, which takes the events in turn.
    fn small_history(random: &mut Random) -> (Vec<Operation>, LinearizabilityTester<usize, Register<u64>>) {
        const CLIENTS: usize = 3;
        const EVENTS: u64 = 14;
        let mut theirs = LinearizabilityTester::new(Register(0));
        let mut ours: Vec<Operation> = Vec::new();
        let mut waits_for: [Option<usize>; CLIENTS] = [None; CLIENTS];
        for now in 1..=EVENTS {
            let client = random.index(CLIENTS);
            let Some(at) = waits_for[client] else {
                let value = random.below(3);
                let (action, asked) = match random.below(2) {
                    0 => (Action::Write(value), RegisterOp::Write(value)),
                    _ => (Action::Read(value), RegisterOp::Read),
                };
                theirs.on_invoke(client, asked).unwrap();
                waits_for[client] = Some(ours.len());
                ours.push(Operation { action, begun: now, ended: None });
                continue;
            };
            let answer = match ours[at].action {
                Action::Write(_) if random.below(4) == 0 => continue, // it never comes, or comes later
                Action::Write(_) => RegisterRet::WriteOk,
                Action::Read(value) => RegisterRet::ReadOk(value),
            };
            theirs.on_return(client, answer).unwrap();
            ours[at].ended = Some(now);
            waits_for[client] = None;
        }
        // A read without an answer says nothing.
        ours.retain(|operation| operation.ended.is_some() || matches!(operation.action, Action::Write(_)));
        (ours, theirs)
    }

    #[test]
    fn stateright_judges_small_histories_the_same() {
        let seed = std::env::var("HISTORIES_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
        println!("replay: HISTORIES_SEED={seed} cargo test --release -p chaos stateright_judges");
        let mut random = Random::new(seed, 0);
        let mut linearizable = 0;
        const HISTORIES: usize = 10_000;
        for _ in 0..HISTORIES {
            let (ours, theirs) = small_history(&mut random);
            let verdict = is_linearizable(0, &ours);
            assert_eq!(verdict, theirs.is_consistent(), "{ours:?}");
            linearizable += usize::from(verdict);
        }
        assert!(
            (HISTORIES / 20..HISTORIES * 19 / 20).contains(&linearizable),
            "{linearizable}: both verdicts"
        );
    }
}
