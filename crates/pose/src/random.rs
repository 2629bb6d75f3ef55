//! Random numbers for a purpose.

use volkit_core::Random as Sequence;

/// The sequence of a purpose.
#[derive(Clone, Debug)]
pub(crate) struct Random(Sequence);

impl Random {
    /// The sequence of a purpose, told by numbers: seed, epoch, step.
    pub(crate) fn of(numbers: &[u64]) -> Self {
        let next = |mut sequence: Sequence, number: &u64| Sequence::new(sequence.next_u64() ^ number);
        Self(numbers.iter().fold(Sequence::new(0), next))
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.uniform()
    }

    /// Uniform below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    /// Puts values into a random order.
    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn purposes_have_their_own_sequences() {
        assert_eq!(Random::of(&[1, 2]).uniform(), Random::of(&[1, 2]).uniform());
        assert_ne!(Random::of(&[1, 2]).uniform(), Random::of(&[2, 1]).uniform());
        let mut order: Vec<usize> = (0..50).collect();
        Random::of(&[3]).shuffle(&mut order);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
