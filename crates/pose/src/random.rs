//! Random numbers for a purpose.

use volkit_core::Random;

/// The sequence of a purpose, told by numbers: seed, epoch, step.
pub(crate) fn sequence(numbers: &[u64]) -> Random {
    let next = |mut random: Random, number: &u64| Random::new(random.next_u64() ^ number);
    numbers.iter().fold(Random::new(0), next)
}

#[cfg(test)]
mod tests {
    use super::sequence;

    #[test]
    fn purposes_have_their_own_sequences() {
        assert_eq!(sequence(&[1, 2]).uniform(), sequence(&[1, 2]).uniform());
        assert_ne!(sequence(&[1, 2]).uniform(), sequence(&[2, 1]).uniform());
    }
}
