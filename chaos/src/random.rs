//! Choices that a seed decides: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014). Our own twenty lines, so that a seed means the same with every version of
//! every dependency.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// A stream of choices.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of one part of the run: parts do not disturb each other's choices.
    pub const fn new(seed: u64, part: u64) -> Self {
        let mut random = Self(seed ^ part.wrapping_mul(0xD1B5_4A32_D192_ED03));
        random.next();
        random
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is above zero. The bias of the remainder is far below what a run
    /// could notice.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An index into a list that is not empty.
    pub fn index(&mut self, length: usize) -> usize {
        let bound = u64::try_from(length).expect("lists fit into memory");
        usize::try_from(self.below(bound)).expect("below a usize")
    }

    /// A time between two, in milliseconds.
    pub const fn between_ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }
}

/// A seed nobody chose.
pub fn fresh_seed() -> u64 {
    RandomState::new().hash_one("chaos") % 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides() {
        let draw = |seed, part| {
            let mut random = Random::new(seed, part);
            [random.next(), random.next(), random.below(10)]
        };
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(2, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert!(Random::new(7, 0).between_ms(5, 9) <= Duration::from_millis(9));
    }
}
