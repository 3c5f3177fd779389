//! Chance that can be repeated.

use std::hash::{BuildHasher as _, RandomState};

/// A generator whose seed was printed. Run with `SEED=<number>` to repeat a failure.
pub(crate) struct Chance(u64);

impl Chance {
    /// Prints the seed under `name`.
    pub(crate) fn printed(name: &str) -> Self {
        let given = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(name));
        println!("{name}: SEED={seed}");
        Self(seed)
    }

    /// Below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// One of them; there is at least one.
    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len() as u64);
        choices[usize::try_from(index).expect("an index of a slice")]
    }
}
