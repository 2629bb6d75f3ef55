//! Differences of voxels of any real types, exact where f64 is not.

use volkit_core::{CoreError, DType, VoxelsRef};

use crate::metrics::{Difference, compare, different_values};
use crate::{BenchError, metrics};

/// Differences of two sets of voxels, and the number of pairs that differ by more than `tolerance`.
///
/// 64-bit integers are compared as they are, with each other and with any other type: f64 has 53 bits, so that
/// `2^53` and `2^53 + 1` would be the same. A difference is exact and then rounded to f64. All else goes through f64,
/// which holds it exactly (but for 128-bit floats, which are rounded).
///
/// # Errors
/// [`BenchError::Lengths`] when the numbers of voxels differ, [`BenchError::Core`] for colours and complex numbers.
///
/// ```
/// use volkit_core::Voxels;
/// let (a, b) = (Voxels::from(vec![1i64 << 53]), Voxels::from(vec![(1u64 << 53) + 1]));
/// let (difference, beyond) = volkit_bench::compare_voxels(a.view(), b.view(), 0.0)?;
/// assert_eq!((difference.n_different, difference.max, beyond), (1, 1.0, 1));
/// # Ok::<(), volkit_bench::BenchError>(())
/// ```
pub fn compare_voxels(
    left: VoxelsRef<'_>,
    right: VoxelsRef<'_>,
    tolerance: f64,
) -> Result<(Difference, u64), BenchError> {
    if !is_wide(left.dtype()) && !is_wide(right.dtype()) {
        let (left, right) = (left.to_real::<f64>()?, right.to_real::<f64>()?);
        return Ok((compare(&left, &right)?, different_values(&left, &right, tolerance)?));
    }
    metrics::same_length("compare_voxels", left.len(), right.len())?;
    let (left, right) = (Numbers::new(left)?, Numbers::new(right)?);
    let mut sums = Difference { n: left.len() as u64, ..Difference::default() };
    let mut beyond = 0;
    for at in 0..left.len() {
        let difference = left.at(at).minus(right.at(at));
        sums.add(difference);
        // A difference that is no number is beyond any tolerance.
        beyond += u64::from(difference.is_nan() || difference.abs() > tolerance);
    }
    Ok((sums.divided(), beyond))
}

/// Whether f64 can not hold every value of a type of integers.
fn is_wide(dtype: DType) -> bool {
    matches!(dtype, DType::U64 | DType::I64)
}

/// One number, exact.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    /// The difference, rounded once; 0 only for equal numbers.
    fn minus(self, other: Self) -> f64 {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => (a - b) as f64,
            (Self::Whole(a), Self::Real(b)) => whole_minus_real(a, b),
            (Self::Real(a), Self::Whole(b)) => -whole_minus_real(b, a),
            (Self::Real(a), Self::Real(b)) => a - b,
        }
    }
}

fn whole_minus_real(whole: i128, real: f64) -> f64 {
    /// Beyond it a float is far from every 64-bit integer.
    const FAR: f64 = 1e30;
    if real.fract() == 0.0 && real.abs() < FAR {
        (whole - real as i128) as f64
    } else {
        // A float with a fraction is below 2^52, so an integer that is rounded here is not near it.
        whole as f64 - real
    }
}

/// Voxels of which single ones are asked for.
enum Numbers<'a> {
    Signed(&'a [i64]),
    Unsigned(&'a [u64]),
    Real(Vec<f64>),
}

impl<'a> Numbers<'a> {
    fn new(voxels: VoxelsRef<'a>) -> Result<Self, CoreError> {
        Ok(match voxels {
            VoxelsRef::I64(values) => Self::Signed(values),
            VoxelsRef::U64(values) => Self::Unsigned(values),
            other => Self::Real(other.to_real()?),
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Signed(values) => values.len(),
            Self::Unsigned(values) => values.len(),
            Self::Real(values) => values.len(),
        }
    }

    fn at(&self, index: usize) -> Number {
        match self {
            Self::Signed(values) => Number::Whole(i128::from(values[index])),
            Self::Unsigned(values) => Number::Whole(i128::from(values[index])),
            Self::Real(values) => Number::Real(values[index]),
        }
    }
}

#[cfg(test)]
mod tests {
    use volkit_core::Voxels;

    use super::compare_voxels;
    use crate::BenchError;

    fn compared(a: impl Into<Voxels>, b: impl Into<Voxels>, tolerance: f64) -> (u64, f64, u64, u64) {
        let (a, b) = (a.into(), b.into());
        let (d, beyond) = compare_voxels(a.view(), b.view(), tolerance).unwrap();
        (d.n_different, d.max, d.n_mismatch, beyond)
    }

    #[test]
    fn wide_integers_are_not_rounded() {
        let big = 1i64 << 60;
        assert_eq!(compared(vec![big, -big, 7], vec![big + 1, -big, 7], 0.0), (1, 1.0, 0, 1));
        assert_eq!(compared(vec![big], vec![big + 1], 1.0), (1, 1.0, 0, 0));
        assert_eq!(compared(vec![u64::MAX], vec![u64::MAX - 1], 0.0), (1, 1.0, 0, 1));
        assert_eq!(compared(vec![-1i64], vec![u64::MAX], 0.0), (1, 18_446_744_073_709_551_616.0, 0, 1));
        assert_eq!(compared(vec![i64::MIN], vec![i64::MAX], 0.0).1, 18_446_744_073_709_551_615.0);
    }

    #[test]
    fn wide_integers_against_floats() {
        let big = (1i64 << 53) + 1;
        assert_eq!(compared(vec![big], vec![(1i64 << 53) as f64], 0.5), (1, 1.0, 0, 1));
        assert_eq!(compared(vec![3i64, 3], vec![3.25f32, 3.0], 0.25), (1, 0.25, 0, 0));
        assert_eq!(compared(vec![f64::NAN, f64::INFINITY], vec![3u64, 3], 9.0), (2, 0.0, 2, 2));
        assert_eq!(compared(vec![1e300], vec![i64::MAX], 0.0).1, 1e300);
    }

    #[test]
    fn other_types_go_through_f64_and_lengths_must_agree() {
        assert_eq!(compared(vec![1u8, 2], vec![1.0f32, 2.5], 0.4), (1, 0.5, 0, 1));
        assert_eq!(compared(Vec::<i64>::new(), Vec::<f32>::new(), 0.0), (0, 0.0, 0, 0));
        let (a, b) = (Voxels::from(vec![1i64]), Voxels::from(vec![1i64, 2]));
        assert!(matches!(compare_voxels(a.view(), b.view(), 0.0), Err(BenchError::Lengths { .. })));
        let colour = Voxels::from(vec![[1u8, 2, 3]]);
        assert!(matches!(compare_voxels(a.view(), colour.view(), 0.0), Err(BenchError::Core(_))));
    }
}
