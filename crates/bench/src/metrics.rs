//! How far two results are apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::BenchError;

/// Overlap of one label between two label maps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LabelDice {
    /// The label.
    pub label: i64,
    /// `2 |A and B| / (|A| + |B|)`, from 0 (nothing in common) to 1 (the same voxels).
    pub dice: f64,
    /// Voxels with the label on the left, `|A|`.
    pub n_left: u64,
    /// Voxels with the label on the right, `|B|`.
    pub n_right: u64,
    /// Voxels with the label on both sides, `|A and B|`.
    pub n_both: u64,
}

/// Dice coefficient (Dice 1945) of every label that occurs in either map, sorted by label; 0 is a label like any other.
///
/// # Errors
/// [`BenchError::Lengths`] when the maps hold different numbers of voxels.
///
/// ```
/// let overlap = volkit_bench::dice(&[0i64, 1, 1, 2], &[0i64, 1, 0, 0])?;
/// assert_eq!(overlap[1].dice, 2.0 / 3.0); // Label 1: one voxel in common, two and one in all.
/// assert_eq!(overlap[2].dice, 0.0);
/// # Ok::<(), volkit_bench::BenchError>(())
/// ```
pub fn dice<T: Copy + Into<i64>>(left: &[T], right: &[T]) -> Result<Vec<LabelDice>, BenchError> {
    same_length("dice", left.len(), right.len())?;
    let mut counts: BTreeMap<i64, [u64; 3]> = BTreeMap::new();
    let mut add = |pair: (i64, i64), n: u64| {
        counts.entry(pair.0).or_default()[0] += n;
        counts.entry(pair.1).or_default()[1] += n;
        if pair.0 == pair.1 {
            counts.entry(pair.0).or_default()[2] += n;
        }
    };
    // Label maps are runs of equal pairs, so the map is touched once a run and not once a voxel.
    let mut run: Option<((i64, i64), u64)> = None;
    for (&a, &b) in left.iter().zip(right) {
        let pair = (a.into(), b.into());
        match &mut run {
            Some((current, n)) if *current == pair => *n += 1,
            _ => {
                if let Some((done, n)) = run.replace((pair, 1)) {
                    add(done, n);
                }
            }
        }
    }
    if let Some((done, n)) = run {
        add(done, n);
    }
    let overlap = |(label, [n_left, n_right, n_both]): (i64, [u64; 3])| {
        let dice = 2.0 * n_both as f64 / (n_left + n_right) as f64;
        LabelDice { label, dice, n_left, n_right, n_both }
    };
    Ok(counts.into_iter().map(overlap).collect())
}

/// Number of voxels whose labels differ.
///
/// # Errors
/// [`BenchError::Lengths`] when the maps hold different numbers of voxels.
pub fn different_labels<T: PartialEq>(left: &[T], right: &[T]) -> Result<u64, BenchError> {
    same_length("different_labels", left.len(), right.len())?;
    Ok(left.iter().zip(right).filter(|(a, b)| a != b).count() as u64)
}

/// Number of pairs that differ by more than `tolerance`; NaN differs from every number, not from NaN.
///
/// # Errors
/// [`BenchError::Lengths`] when the arrays hold different numbers of values.
pub fn different_values<T: Copy + Into<f64>>(left: &[T], right: &[T], tolerance: f64) -> Result<u64, BenchError> {
    same_length("different_values", left.len(), right.len())?;
    let differs = |(&a, &b): (&T, &T)| {
        let (a, b): (f64, f64) = (a.into(), b.into());
        let within = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance;
        !within
    };
    Ok(left.iter().zip(right).filter(|pair| differs(*pair)).count() as u64)
}

/// Differences between two arrays of numbers.
///
/// Two values are equal when they are the same number, or both NaN. A pair of which exactly one is NaN, or whose
/// difference is not finite (an infinity against a number), counts as a mismatch and stays out of the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Difference {
    /// Pairs.
    pub n: u64,
    /// Pairs whose values are not equal.
    pub n_different: u64,
    /// Pairs that are not equal and have no finite difference.
    pub n_mismatch: u64,
    /// Largest `|a - b|`.
    pub max: f64,
    /// Mean absolute error, `sum |a - b| / n`.
    pub mean_absolute: f64,
    /// Mean squared error, `sum (a - b)^2 / n`.
    pub mean_squared: f64,
    /// Mean signed difference, `sum (a - b) / n`.
    pub mean: f64,
}

impl Difference {
    /// The largest difference, infinite where pairs have none that is finite.
    #[must_use]
    pub fn worst(&self) -> f64 {
        if self.n_mismatch > 0 { f64::INFINITY } else { self.max }
    }

    /// Takes in the difference of one more pair; sums wait for [`Difference::divided`].
    pub(crate) fn add(&mut self, difference: f64) {
        if difference == 0.0 {
            return;
        }
        self.n_different += 1;
        if !difference.is_finite() {
            self.n_mismatch += 1;
            return;
        }
        self.max = self.max.max(difference.abs());
        self.mean_absolute += difference.abs();
        self.mean_squared += difference * difference;
        self.mean += difference;
    }

    /// Sums become means.
    pub(crate) fn divided(self) -> Self {
        let n = (self.n as f64).max(1.0);
        Self { mean_absolute: self.mean_absolute / n, mean_squared: self.mean_squared / n, mean: self.mean / n, ..self }
    }
}

/// Differences between two arrays; all zero for empty ones.
///
/// # Errors
/// [`BenchError::Lengths`] when the arrays hold different numbers of values.
pub fn compare<T: Copy + Into<f64>>(left: &[T], right: &[T]) -> Result<Difference, BenchError> {
    same_length("compare", left.len(), right.len())?;
    let mut sums = Difference { n: left.len() as u64, ..Difference::default() };
    for (&a, &b) in left.iter().zip(right) {
        let (a, b): (f64, f64) = (a.into(), b.into());
        if !(a == b || (a.is_nan() && b.is_nan())) {
            sums.add(a - b);
        }
    }
    Ok(sums.divided())
}

/// Peak signal-to-noise ratio in decibels, `10 log10(peak^2 / MSE)`; infinite for equal arrays.
///
/// `peak` is the range of the signal (255 for 8-bit pictures).
///
/// # Errors
/// [`BenchError::Lengths`] when the arrays hold different numbers of values, [`BenchError::Parameter`] for a peak that
/// is not positive.
pub fn psnr<T: Copy + Into<f64>>(left: &[T], right: &[T], peak: f64) -> Result<f64, BenchError> {
    if peak.is_nan() || peak <= 0.0 {
        return Err(BenchError::Parameter { name: "peak", value: peak.to_string(), why: "it must be above 0" });
    }
    let difference = compare(left, right)?;
    if difference.n_mismatch > 0 {
        return Ok(f64::NEG_INFINITY);
    }
    Ok(10.0 * (peak * peak / difference.mean_squared).log10())
}

pub(crate) fn same_length(op: &'static str, left: usize, right: usize) -> Result<(), BenchError> {
    if left == right { Ok(()) } else { Err(BenchError::Lengths { op, left, right }) }
}
