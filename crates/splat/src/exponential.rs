//! The exponential function without branches, so that loops over Gaussians become vector instructions.

/// Where the result leaves the range of normal `f64`.
const RANGE: [f64; 2] = [-708.0, 709.0];
/// What brings an integer's bits to the end of a float.
const BIAS: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts: the first has trailing zeros, so that an integer below 2048 times it is exact.
const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Taylor coefficients, highest power first.
const TAYLOR: [f64; 13] = [
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// `exp(x)` within 4e-16 of itself; the value at the end of the range beyond -708 and 709, NaN of NaN.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    let x = if x < RANGE[0] { RANGE[0] } else { x };
    let x = if x > RANGE[1] { RANGE[1] } else { x };
    let biased = x * std::f64::consts::LOG2_E + BIAS;
    let n = biased - BIAS;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut sum = TAYLOR[0];
    for c in &TAYLOR[1..] {
        sum = sum * r + c;
    }
    let scaled = f64::from_bits(sum.to_bits().wrapping_add(biased.to_bits() << 52));
    // Bits of NaN are not a number any more.
    if x.is_nan() { x } else { scaled }
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid(logit: f32) -> f64 {
    1.0 / (1.0 + exp(-f64::from(logit)))
}

#[cfg(test)]
mod tests {
    use super::{exp, sigmoid};

    #[test]
    fn exp_is_that_of_the_library() {
        for i in -70_800..=70_900 {
            let x = f64::from(i) * 1e-2 * 0.999_999;
            let (got, wanted) = (exp(x), x.exp());
            assert!((got - wanted).abs() <= 4e-16 * wanted, "{x}: {got:e} {wanted:e}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f64::NEG_INFINITY), exp(-708.0));
        assert_eq!(exp(f64::INFINITY), exp(709.0));
        assert!(exp(f64::NAN).is_nan());
    }

    #[test]
    fn sigmoids_by_hand() {
        assert_eq!([sigmoid(0.0), sigmoid(f32::INFINITY)], [0.5, 1.0]);
        assert!(sigmoid(f32::NEG_INFINITY) < 1e-300);
        assert!((sigmoid(2.0) - 0.880_797_077_977_882_3).abs() < 1e-15);
        assert!(sigmoid(f32::NAN).is_nan());
    }
}
