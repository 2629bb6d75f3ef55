//! IEEE binary128 values, which Rust has no stable type for.

use bytemuck::{Pod, Zeroable};

/// An IEEE binary128 number kept as its 16 little-endian bytes: 1 sign bit, 15 exponent bits (bias 16383), 112
/// fraction bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct F128([u8; 16]);

const FRACTION_BITS: u32 = 112;
const BIAS: i32 = 16383;
const F64_FRACTION_BITS: u32 = 52;
const F64_BIAS: i32 = 1023;

impl F128 {
    /// The number with these little-endian bytes.
    #[must_use]
    pub const fn from_le_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its little-endian bytes.
    #[must_use]
    pub const fn to_le_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The nearest f64, ties to even; overflow gives an infinity, NaN stays NaN (quiet, payload dropped).
    #[must_use]
    pub fn to_f64(self) -> f64 {
        let bits = u128::from_le_bytes(self.0);
        let sign = if bits >> 127 == 1 { -1.0 } else { 1.0 };
        let exponent = ((bits >> FRACTION_BITS) & 0x7fff) as i32;
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        if exponent == 0x7fff {
            return if fraction == 0 { sign * f64::INFINITY } else { f64::NAN };
        }
        // Every binary128 subnormal is far below half of the smallest f64.
        if exponent == 0 {
            return sign * 0.0;
        }
        sign * round_to_f64(fraction | 1 << FRACTION_BITS, exponent - BIAS)
    }

    /// The binary128 number equal to `value` (every f64 is one).
    #[must_use]
    pub fn from_f64(value: f64) -> Self {
        let bits = value.to_bits();
        let sign = u128::from(bits >> 63) << 127;
        let exponent = ((bits >> F64_FRACTION_BITS) & 0x7ff) as i32;
        let fraction = u128::from(bits & ((1 << F64_FRACTION_BITS) - 1));
        let magnitude = if exponent == 0x7ff {
            0x7fff << FRACTION_BITS | fraction << (FRACTION_BITS - F64_FRACTION_BITS)
        } else if exponent == 0 && fraction == 0 {
            0
        } else {
            // A subnormal f64 is fraction * 2^-1074: move its leading bit to the implicit place.
            let (significand, exponent) = if exponent == 0 { (fraction, 1) } else { (fraction | 1 << 52, exponent) };
            let shift = significand.leading_zeros() - (127 - F64_FRACTION_BITS);
            let biased = (exponent - F64_BIAS - shift as i32 + BIAS) as u128;
            let normal = significand << (shift + FRACTION_BITS - F64_FRACTION_BITS);
            biased << FRACTION_BITS | normal & ((1 << FRACTION_BITS) - 1)
        };
        Self((sign | magnitude).to_le_bytes())
    }
}

/// `significand * 2^(exponent - 112)` as the nearest f64, where `significand` has its leading bit at 112.
fn round_to_f64(significand: u128, exponent: i32) -> f64 {
    if exponent > F64_BIAS {
        return f64::INFINITY;
    }
    // Below the normal range fewer bits survive: shift further by what is missing to 2^-1022.
    let missing = (1 - F64_BIAS - exponent).max(0) as u32;
    let shift = FRACTION_BITS - F64_FRACTION_BITS + missing;
    if shift > FRACTION_BITS + 1 {
        return 0.0;
    }
    let kept = (significand >> shift) as u64;
    let rest = significand & ((1 << shift) - 1);
    let half = 1u128 << (shift - 1);
    let round_up = rest > half || (rest == half && kept & 1 == 1);
    // A carry out of the fraction lands in the exponent field, which is what rounding up to the next binade means.
    let implicit = if missing == 0 { ((exponent + F64_BIAS - 1) as u64) << F64_FRACTION_BITS } else { 0 };
    f64::from_bits(implicit + kept + u64::from(round_up))
}

#[cfg(test)]
mod tests {
    use super::F128;
    use proptest::prelude::*;

    fn f128(sign: u128, exponent: u128, fraction: u128) -> F128 {
        F128::from_le_bytes((sign << 127 | exponent << 112 | fraction).to_le_bytes())
    }

    #[test]
    fn known_values() {
        assert_eq!(f128(0, 16383, 0).to_f64(), 1.0);
        assert_eq!(f128(1, 16384, 1 << 111).to_f64(), -3.0);
        assert_eq!(f128(0, 0x7fff, 0).to_f64(), f64::INFINITY);
        assert!(f128(0, 0x7fff, 1).to_f64().is_nan());
        assert_eq!(f128(1, 0, 5).to_f64().to_bits(), (-0.0f64).to_bits());
    }

    #[test]
    fn ties_go_to_even_and_overflow_to_infinity() {
        let half_ulp = 1u128 << 59;
        assert_eq!(f128(0, 16383, half_ulp).to_f64(), 1.0);
        assert_eq!(f128(0, 16383, half_ulp + 1).to_f64(), 1.0 + f64::EPSILON);
        assert_eq!(f128(0, 16383, 3 * half_ulp).to_f64(), 1.0 + 2.0 * f64::EPSILON);
        let all_ones = (1u128 << 112) - 1;
        assert_eq!(f128(0, 16383 + 1023, all_ones).to_f64(), f64::INFINITY);
        assert_eq!(f128(0, 16383 + 1024, 0).to_f64(), f64::INFINITY);
        assert_eq!(f128(0, 16383, all_ones).to_f64(), 2.0);
    }

    #[test]
    fn smallest_subnormal_and_its_half() {
        assert_eq!(f128(0, 16383 - 1074, 0).to_f64(), f64::from_bits(1));
        assert_eq!(f128(0, 16383 - 1075, 0).to_f64(), 0.0);
        assert_eq!(f128(0, 16383 - 1075, 1).to_f64(), f64::from_bits(1));
        assert_eq!(f128(0, 16383 - 1076, 1).to_f64(), 0.0);
        assert_eq!(f128(0, 1, 1).to_f64(), 0.0);
    }

    proptest! {
        #[test]
        fn every_f64_survives(bits: u64) {
            let value = f64::from_bits(bits);
            let back = F128::from_f64(value).to_f64();
            prop_assert!(back.to_bits() == value.to_bits() || (back.is_nan() && value.is_nan()));
        }
    }
}
