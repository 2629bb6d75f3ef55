//! Reproducible random numbers.

/// A small generator of random numbers that gives the same sequence for the same seed on every machine.
///
/// `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): the state
/// advances by a fixed odd number and is hashed to 64 bits. It is meant for phantoms and test data, not for secrets.
///
/// ```
/// let mut random = volkit_core::Random::new(0);
/// assert_eq!(random.next_u64(), 0xE220_A839_7B1D_CDAF); // The first number of the published generator.
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A uniform number in `[0, 1)` with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A uniform number in `[low, high)`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A uniform whole number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    /// Puts values into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }

    /// Two independent normal numbers with mean 0 and standard deviation 1 (Box and Muller).
    pub fn normal_pair(&mut self) -> [f64; 2] {
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        [radius * cos, radius * sin]
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn moments_of_the_distributions() {
        let mut random = Random::new(1);
        let n = 200_000;
        let (mut mean, mut square, mut uniform) = (0.0, 0.0, 0.0);
        for _ in 0..n / 2 {
            for x in random.normal_pair() {
                mean += x / f64::from(n);
                square += x * x / f64::from(n);
            }
            let u = random.range(-1.0, 3.0);
            assert!((-1.0..3.0).contains(&u));
            uniform += u / f64::from(n / 2);
        }
        // Five standard errors of each estimate.
        assert!(mean.abs() < 5.0 / f64::from(n).sqrt(), "{mean}");
        assert!((square - 1.0).abs() < 5.0 * (2.0 / f64::from(n)).sqrt(), "{square}");
        assert!((uniform - 1.0).abs() < 5.0 * (16.0 / 12.0 / f64::from(n / 2)).sqrt(), "{uniform}");
    }

    #[test]
    fn an_order_has_every_value_once() {
        let mut order: Vec<usize> = (0..50).collect();
        Random::new(3).shuffle(&mut order);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        assert_eq!(Random::new(1).below(1), 0);
        Random::new(1).shuffle::<u8>(&mut []);
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(Random::new(1).next_u64(), Random::new(2).next_u64());
        assert_eq!(Random::new(7).normal_pair(), Random::new(7).normal_pair());
    }
}
