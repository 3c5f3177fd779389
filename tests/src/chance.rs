//! Chance that can be repeated.

use std::hash::{BuildHasher as _, RandomState};

/// A generator (SplitMix64; Steele, Lea, Flood 2014): the same seed, the same run.
pub struct Chance(u64);

impl Chance {
    /// From a seed that follows from the test.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From the environment's `SEED`, else fresh; printed under `name`, so that a failed run can be repeated.
    pub fn printed(name: &str) -> Self {
        let given = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(name));
        println!("{name}: SEED={seed}");
        Self(seed)
    }

    /// Below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A position in something of this length, which is not zero.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// One of them; there is at least one.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}
