//! Random numbers that depend on the seed and on what they are for, not on who draws first.

use volkit_core::Random as Sequence;

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Random {
    sequence: Sequence,
    /// The second number of a normal pair.
    spare: Option<f64>,
}

/// What numbers of a sample are drawn for. Each has a sequence of its own, so that one setting does not shift the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Map = 1,
    Affine,
    Elastic,
    Crop,
    Flip,
    Intensities,
    Noise,
    Bias,
    Gamma,
    Resolution,
}

/// What the state of the generator advances by.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// 64 bits mixed: the first number of the sequence that begins one step before `z`.
fn hashed(z: u64) -> u64 {
    Sequence::new(z.wrapping_sub(STEP)).next_u64()
}

impl Random {
    /// The sequence of a seed and of words that tell it from others of the same seed.
    pub(super) fn new(seed: u64, words: &[u64]) -> Self {
        let mix = |state: u64, word: &u64| hashed(state.wrapping_add(STEP) ^ hashed(word.wrapping_add(STEP)));
        Self { sequence: Sequence::new(words.iter().fold(hashed(seed), mix)), spare: None }
    }

    /// The sequence of a purpose in sample `index`.
    pub(super) fn of(seed: u64, index: u64, purpose: Purpose) -> Self {
        Self::new(seed, &[index, purpose as u64])
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.sequence.next_u64()
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        self.sequence.uniform()
    }

    /// Uniform in `[low, high)`.
    pub(super) fn uniform(&mut self, [low, high]: [f64; 2]) -> f64 {
        self.sequence.range(low, high)
    }

    /// Whether something of that probability happens.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// Normal with mean 0 and deviation 1 (Box and Muller).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let [first, second] = self.sequence.normal_pair();
        self.spare = Some(second);
        first
    }

    /// Two independent normal numbers in f32, 24 random bits each: for voxels.
    pub(super) fn normal_pair(&mut self) -> [f32; 2] {
        let bits = self.next_u64();
        let unit = |bits: u64| (bits & 0xFF_FFFF) as f32 * (1.0 / 16_777_216.0);
        // Half a step above 0, where the logarithm is finite.
        let radius = (-2.0 * (unit(bits >> 40) + 0.5 / 16_777_216.0).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * unit(bits)).sin_cos();
        [radius * cos, radius * sin]
    }
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Random};

    #[test]
    fn sequences_differ_and_repeat() {
        let first = |seed, index, purpose| Random::of(seed, index, purpose).next_u64();
        assert_eq!(first(1, 2, Purpose::Bias), first(1, 2, Purpose::Bias));
        let others = [first(1, 2, Purpose::Crop), first(1, 3, Purpose::Bias), first(2, 2, Purpose::Bias)];
        assert!(others.iter().all(|other| *other != first(1, 2, Purpose::Bias)));
        assert_ne!(Random::new(0, &[1, 2]).next_u64(), Random::new(0, &[2, 1]).next_u64());
    }

    #[test]
    fn moments() {
        let mut random = Random::new(5, &[]);
        let n = 100_000;
        let (mut sum, mut square, mut fourth, mut wide) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..n / 2 {
            for value in random.normal_pair() {
                let value = f64::from(value);
                sum += value;
                square += value * value;
                fourth += value.powi(4);
            }
            wide += random.normal();
        }
        let n = f64::from(n);
        // Five standard errors: of the mean 1, of the square sqrt 2, of the fourth power sqrt 96.
        assert!((sum / n).abs() < 5.0 / n.sqrt(), "{sum}");
        assert!((square / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{square}");
        assert!((fourth / n - 3.0).abs() < 5.0 * (96.0 / n).sqrt(), "{fourth}");
        assert!((wide / (n / 2.0)).abs() < 5.0 / (n / 2.0).sqrt(), "{wide}");
    }

    #[test]
    fn ranges() {
        let mut random = Random::new(9, &[3]);
        let hits = (0..10_000).filter(|_| random.happens(0.25)).count();
        assert!((2_280..2_720).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| (-2.0..3.0).contains(&random.uniform([-2.0, 3.0])) && random.below(3) < 3));
        assert_eq!(random.uniform([4.0, 4.0]), 4.0);
        assert_eq!(random.below(1), 0);
    }
}
