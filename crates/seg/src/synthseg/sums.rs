//! Sums in the order of the reference program, which decide thresholds and figures to the last bit.

/// Partial sums that run side by side.
const LANES: usize = 8;

/// Sum of the channels of a voxel in f32: eight interleaved partial sums, joined pairwise, then what is left over.
///
/// The order of the reference program's array library for 8 to 128 numbers; fewer are added one after another.
#[inline]
pub(crate) fn pairwise(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<LANES>();
    let Some((first, others)) = blocks.split_first() else {
        return rest.iter().fold(0.0, |sum, value| sum + value);
    };
    let mut lanes = *first;
    for block in others {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    let joined = ((a + b) + (c + d)) + ((e + f) + (g + h));
    rest.iter().fold(joined, |sum, value| sum + value)
}

/// A number as the reference program's f32 arrays round it to three decimals.
pub(crate) fn round_f32(value: f32) -> f32 {
    (value * 1000.0).round_ties_even() / 1000.0
}

/// A number rounded to three decimals, half to even.
pub(crate) fn round_f64(value: f64) -> f64 {
    (value * 1000.0).round_ties_even() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::{pairwise, round_f32, round_f64};

    #[test]
    fn sums_follow_the_lanes() {
        let values: Vec<f32> = (0..33).map(|i| i as f32).collect();
        for n in 0..=33 {
            assert_eq!(pairwise(&values[..n]), (0..n).sum::<usize>() as f32);
        }
        // 1 is lost beside 2^24 unless it is joined with another 1 first.
        let big = 16_777_216.0;
        assert_eq!(pairwise(&[big, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]), big + 2.0);
        assert_eq!(pairwise(&[big, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), big);
    }

    #[test]
    fn rounding_is_half_to_even() {
        assert_eq!((round_f64(0.062_5), round_f64(0.187_5), round_f64(12.0)), (0.062, 0.188, 12.0));
        assert_eq!((round_f32(0.062_5), round_f32(0.187_5)), (0.062, 0.188));
    }
}
