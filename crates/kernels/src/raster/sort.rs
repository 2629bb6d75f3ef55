//! A stable sort by 32-bit keys.

/// Bits of a digit; three digits make a key.
const BITS: u32 = 11;
const DIGITS: usize = 3;

/// Pairs of key and index, and the room to sort them.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) pairs: Vec<[u32; 2]>,
    room: Vec<[u32; 2]>,
}

impl Keys {
    /// Sorts by key; equal keys keep their order.
    pub(super) fn sort(&mut self) {
        let n = self.pairs.len();
        self.room.resize(n, [0; 2]);
        let bucket = |pair: &[u32; 2], digit: usize| (pair[0] >> (digit as u32 * BITS)) as usize & ((1 << BITS) - 1);
        let mut counts = [[0u32; 1 << BITS]; DIGITS];
        for pair in &self.pairs {
            for (digit, counts) in counts.iter_mut().enumerate() {
                counts[bucket(pair, digit)] += 1;
            }
        }
        for (digit, next) in counts.iter_mut().enumerate() {
            if next.iter().any(|count| *count as usize == n) {
                // One bucket has all: nothing to do.
                continue;
            }
            let mut start = 0;
            for n in &mut *next {
                start += std::mem::replace(n, start);
            }
            for pair in &self.pairs {
                let place = &mut next[bucket(pair, digit)];
                self.room[*place as usize] = *pair;
                *place += 1;
            }
            std::mem::swap(&mut self.pairs, &mut self.room);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        (self.pairs.capacity() + self.room.capacity()) * size_of::<[u32; 2]>()
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn equals_the_stable_sort_of_the_library() {
        let mut state = 7u32;
        for n in [0, 1, 2, 1000, 5000] {
            let mut keys = Keys::default();
            for i in 0..n {
                state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                // Some keys are equal.
                keys.pairs.push([if i % 3 == 0 { state } else { state >> 25 }, i]);
            }
            let mut wanted = keys.pairs.clone();
            wanted.sort_by_key(|pair| pair[0]);
            keys.sort();
            assert_eq!(keys.pairs, wanted);
        }
    }
}
