//! Usage limits: what a key may still protect, counted exactly and without a log entry for each use.
//!
//! A node takes a block from the limit through Raft and counts uses down from it by itself. A block is a small
//! share of what is left, so that blocks shrink as the limit nears its end; below [`EXACT_BELOW`] there are none and
//! every use is an entry of the log. What a node does not use it gives back after a pause and at a clean stop, or
//! loses with the process.
//!
//! Invariant: what nodes hold and have used together with what the state says is left never exceeds the limit. A block
//! is worth nothing once the limit was set anew: that change is a withdrawal, and a turn reads the limit's age from
//! the generation its lease vouches for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::command::Answer;
use model::commands::{LeaseUsage, ReturnUsage, TakeUsage};
use model::id::LogIndex;
use model::object::Usage;
use model::refusal::Refusal;
use model::uid::Uid;

use crate::engine::Engine;
use crate::objects::Found;
use crate::refused::Refused;
use crate::turn::Turn;

/// With less than this left every use is counted in the log: clients see a small limit fall one by one on every
/// node, and no use is refused because another node holds the last of it.
const EXACT_BELOW: u64 = 65_536;
/// A block is this share of what is left: with five nodes at most one part in fifty is out at a time.
const BLOCK_SHARE: u64 = 256;
/// Most blocks of one node, a small row each; keys beyond that are counted in the log.
const BLOCKS_MAX: usize = 4_096;

/// What one node may use of one limit.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// When the limit was set that it was taken from.
    since: LogIndex,
    left: u64,
    touched: Instant,
}

/// The blocks of one node.
#[derive(Default)]
pub(crate) struct Blocks(Mutex<HashMap<Uid, Block>>);

impl Blocks {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<Uid, Block>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Pays the whole amount, or nothing.
    fn pay(&self, uid: &Uid, since: LogIndex, amount: u64) -> bool {
        self.with(|blocks| match blocks.get_mut(uid) {
            Some(block) if block.since == since && block.left >= amount => {
                (block.left, block.touched) = (block.left - amount, Instant::now());
                true
            }
            _ => false,
        })
    }

    /// Takes all that is left, up to an amount.
    fn drain(&self, uid: &Uid, since: LogIndex, up_to: u64) -> u64 {
        self.with(|blocks| match blocks.get_mut(uid) {
            Some(block) if block.since == since => {
                let taken = block.left.min(up_to);
                block.left -= taken;
                taken
            }
            _ => 0,
        })
    }

    /// Adds to a block. One of an earlier limit is void and gives way; one of a later limit stays.
    fn add(&self, uid: &Uid, since: LogIndex, amount: u64) {
        self.with(|blocks| {
            let touched = Instant::now();
            let block = blocks.entry(*uid).or_insert(Block { since, left: 0, touched });
            if block.since < since {
                *block = Block { since, left: 0, touched };
            }
            if block.since == since {
                (block.left, block.touched) = (block.left.saturating_add(amount), touched);
            }
        });
    }

    fn left(&self, uid: &Uid, since: LogIndex) -> u64 {
        self.with(|blocks| blocks.get(uid).filter(|block| block.since == since).map_or(0, |block| block.left))
    }

    fn has_room_for(&self, uid: &Uid) -> bool {
        self.with(|blocks| blocks.len() < BLOCKS_MAX || blocks.contains_key(uid))
    }

    /// Takes out what nobody used for so long.
    fn take_idle(&self, idle: Duration) -> Vec<(Uid, Block)> {
        self.with(|blocks| blocks.extract_if(|_, block| block.touched.elapsed() >= idle).collect())
    }
}

/// The block a node takes when so much would be left.
const fn block_of(left: u64) -> u64 {
    if left < EXACT_BELOW { 0 } else { left / BLOCK_SHARE }
}

impl Turn<'_> {
    /// Pays for a use from the object's usage limit, in the limit's unit; call it before the use.
    ///
    /// # Errors
    /// [`Refusal::UsageSpent`] inside [`Refused::Refused`], and what else the state refuses.
    pub async fn take_usage(&mut self, found: &Found, amount: u64) -> Result<(), Refused> {
        let (uid, since) = (*found.uid(), found.object.usage_since);
        let blocks = &self.engine.usage;
        if self.staged.is_some() {
            return self.commit(vec![TakeUsage { uid, amount }.into()]).await;
        }
        if blocks.pay(&uid, since, amount) {
            return Ok(());
        }
        let left = found.object.usage.map_or(0, |usage| usage.left);
        let block = block_of(left.saturating_sub(amount));
        if block > 0 && blocks.has_room_for(&uid) {
            match self.propose(LeaseUsage { uid, since, amount: amount + block }.into()).await {
                Ok(()) => {
                    blocks.add(&uid, since, block);
                    return Ok(());
                }
                // Used up or set anew meanwhile: the exact way tells.
                Err(Refused::Refused(Refusal::UsageSpent { .. } | Refusal::AttributeUnknown)) => {}
                Err(other) => return Err(other),
            }
        }
        let own = blocks.drain(&uid, since, amount);
        let paid = self.propose(TakeUsage { uid, amount: amount - own }.into()).await;
        if let Err(Refused::Refused(_)) = paid {
            blocks.add(&uid, since, own);
        }
        paid
    }

    /// The object's usage limit, with what this node holds of it; what other nodes hold is not in it.
    #[must_use]
    pub fn usage_of(&self, found: &Found) -> Option<Usage> {
        let usage = found.object.usage?;
        let own = self.engine.usage.left(found.uid(), found.object.usage_since);
        Some(Usage { left: usage.left.saturating_add(own).min(usage.total), ..usage })
    }
}

impl Engine {
    /// Gives back what this node holds of usage limits and did not use for so long. What cannot be given back is
    /// lost: an outcome nobody knows must not be counted twice.
    pub async fn give_back_usage(&self, idle: Duration) {
        for (uid, Block { since, left: amount, .. }) in self.usage.take_idle(idle) {
            if amount == 0 {
                continue;
            }
            match self.store.propose(ReturnUsage { uid, since, amount }, None).await {
                Ok(proposed) if matches!(proposed.answer, Answer::Refused(_)) => {
                    tracing::debug!(%uid, amount, "a block of a usage limit was void");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%uid, amount, %error, "a block of a usage limit is lost"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: LogIndex = LogIndex(7);
    const NEW: LogIndex = LogIndex(9);

    fn uid() -> Uid {
        Uid::parse("ceabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkfx7vrsoov2uabn").unwrap()
    }

    #[test]
    fn a_block_pays_what_it_holds_and_no_more() {
        let blocks = Blocks::default();
        assert!(!blocks.pay(&uid(), OLD, 1), "no block, no payment");
        blocks.add(&uid(), OLD, 10);
        assert!(blocks.pay(&uid(), OLD, 6));
        assert!(!blocks.pay(&uid(), OLD, 5), "a payment is whole or not at all");
        assert_eq!((blocks.drain(&uid(), OLD, 5), blocks.left(&uid(), OLD)), (4, 0));
    }

    #[test]
    fn a_limit_set_anew_voids_every_block_of_the_one_before() {
        let blocks = Blocks::default();
        blocks.add(&uid(), OLD, 10);
        assert!(!blocks.pay(&uid(), NEW, 1));
        assert_eq!((blocks.left(&uid(), NEW), blocks.drain(&uid(), NEW, 1)), (0, 0));
        blocks.add(&uid(), NEW, 3);
        blocks.add(&uid(), OLD, 10);
        assert_eq!((blocks.left(&uid(), NEW), blocks.left(&uid(), OLD)), (3, 0));
    }

    #[test]
    fn blocks_shrink_to_nothing_near_the_end() {
        let mut left = u64::MAX / 2;
        while left >= EXACT_BELOW {
            let block = block_of(left);
            assert!(block > 0 && block <= left / BLOCK_SHARE);
            left /= 2;
        }
        assert_eq!([block_of(EXACT_BELOW - 1), block_of(16), block_of(0)], [0; 3]);
    }

    #[test]
    fn only_what_lay_idle_is_taken_out() {
        let blocks = Blocks::default();
        blocks.add(&uid(), OLD, 10);
        assert!(blocks.take_idle(Duration::from_secs(3_600)).is_empty());
        let idle = blocks.take_idle(Duration::ZERO);
        assert_eq!(idle.iter().map(|(_, block)| block.left).collect::<Vec<_>>(), [10]);
        assert_eq!(blocks.left(&uid(), OLD), 0, "what is given back is not used meanwhile");
    }
}
