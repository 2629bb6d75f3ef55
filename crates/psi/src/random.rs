//! Random numbers addressed by seed and place, so that no state has to be kept.

use volkit_core::Random;

/// The finaliser of `SplitMix64`: a bijection of 64 bits.
pub(crate) fn mix(z: u64) -> u64 {
    Random::new(z).next_u64()
}

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Draws(Random);

impl Draws {
    /// The sequence of a seed at a place: other places, other sequences.
    pub(crate) fn at(seed: u64, place: &[u64]) -> Self {
        Self(Random::new(place.iter().fold(mix(seed), |state, &word| mix(state ^ mix(word)))))
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.uniform()
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn range(&mut self, [low, high]: [f64; 2]) -> f64 {
        self.0.range(low, high)
    }

    /// A whole number below `n`, which is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // The high half of a product: no bias that any image would show.
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Normal, mean 0 and standard deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        self.0.normal_pair()[0]
    }
}
