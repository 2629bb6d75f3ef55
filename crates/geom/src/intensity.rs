//! Clipping and rescaling of intensities, and what there is to know of them.

use rayon::prelude::*;

use crate::sample::Accumulator;
use crate::{GeomError, Sample};

/// Values of one task; the same for any number of threads, so that sums are.
const TASK: usize = 1 << 16;

/// Clips to `[low, high]`; NaN stays.
///
/// # Errors
/// [`GeomError::Parameter`] when `low <= high` does not hold.
pub fn clip<T: Sample>(values: &mut [T], low: f64, high: f64) -> Result<(), GeomError> {
    check_range("clip", low, high)?;
    values.par_chunks_mut(TASK).flatten_iter().for_each(|value| {
        let x = value.to_f64();
        if x < low {
            *value = T::from_f64(low);
        } else if x > high {
            *value = T::from_f64(high);
        }
    });
    Ok(())
}

/// Clips to `[low, high]` and maps that range to `[0, 1]`: `(clip(v) - low) / (high - low)`, in the arithmetic of f32 or
/// f64 as [`Sample::Acc`] says; all zeros when `low == high`. NaN stays.
///
/// # Errors
/// [`GeomError::Parameter`] when `low <= high` does not hold or one is infinite.
pub fn rescale_unit<T: Sample<Acc = T> + Accumulator + PartialOrd + std::ops::Div<Output = T>>(
    values: &mut [T],
    low: f64,
    high: f64,
) -> Result<(), GeomError> {
    check_range("rescale", low, high)?;
    check_range("rescale", -f64::MAX, low)?;
    check_range("rescale", high, f64::MAX)?;
    if low == high {
        values.fill(T::default());
        return Ok(());
    }
    let (low, high) = (T::narrow(low), T::narrow(high));
    let range = high - low;
    values.par_chunks_mut(TASK).flatten_iter().for_each(|value| {
        let clipped = if *value < low {
            low
        } else if *value > high {
            high
        } else {
            *value
        };
        *value = (clipped - low) / range;
    });
    Ok(())
}

fn check_range(op: &'static str, low: f64, high: f64) -> Result<(), GeomError> {
    if low <= high {
        return Ok(());
    }
    let value = format!("[{low}, {high}]");
    Err(GeomError::Parameter { op, name: "range", value, why: "has no finite low and high with low <= high" })
}

/// Extremes and moments of the finite values, and how many are not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Finite values.
    pub n_finite: usize,
    /// NaN values.
    pub n_nan: usize,
    /// Infinite values of either sign.
    pub n_infinite: usize,
    /// Least finite value; NaN when there is none.
    pub min: f64,
    /// Greatest finite value; NaN when there is none.
    pub max: f64,
    /// Mean of the finite values; NaN when there is none.
    pub mean: f64,
    /// Standard deviation of the finite values (divided by their number); NaN when there is none.
    pub standard_deviation: f64,
}

impl Statistics {
    /// The statistics of `values`. The same for any number of threads.
    #[must_use]
    pub fn of<T: Sample>(values: &[T]) -> Self {
        let parts: Vec<Self> = values.par_chunks(TASK).map(Self::of_part).collect();
        parts.into_iter().fold(Self::of_part::<T>(&[]), Self::merged)
    }

    fn of_part<T: Sample>(values: &[T]) -> Self {
        let (mut low, mut high, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        let (mut n_finite, mut n_nan) = (0, 0);
        for x in values.iter().map(|value| value.to_f64()) {
            if x.is_finite() {
                (low, high, sum, n_finite) = (low.min(x), high.max(x), sum + x, n_finite + 1);
            } else {
                n_nan += usize::from(x.is_nan());
            }
        }
        let n_infinite = values.len() - n_finite - n_nan;
        if n_finite == 0 {
            let (min, max, mean, standard_deviation) = (f64::NAN, f64::NAN, f64::NAN, f64::NAN);
            return Self { n_finite, n_nan, n_infinite, min, max, mean, standard_deviation };
        }
        let mean = sum / n_finite as f64;
        let finite = values.iter().map(|value| value.to_f64()).filter(|x| x.is_finite());
        let squares: f64 = finite.map(|x| (x - mean) * (x - mean)).sum();
        let standard_deviation = (squares / n_finite as f64).sqrt();
        Self { n_finite, n_nan, n_infinite, min: low, max: high, mean, standard_deviation }
    }

    fn merged(self, other: Self) -> Self {
        let counted = |mut keep: Self, from: Self| {
            keep.n_nan += from.n_nan;
            keep.n_infinite += from.n_infinite;
            keep
        };
        if self.n_finite == 0 {
            return counted(other, self);
        }
        if other.n_finite == 0 {
            return counted(self, other);
        }
        let n_finite = self.n_finite + other.n_finite;
        let share = other.n_finite as f64 / n_finite as f64;
        let gap = other.mean - self.mean;
        let (a, b) = (self.standard_deviation.powi(2), other.standard_deviation.powi(2));
        let variance = a * (1.0 - share) + b * share + gap * gap * share * (1.0 - share);
        Self {
            n_finite,
            n_nan: self.n_nan + other.n_nan,
            n_infinite: self.n_infinite + other.n_infinite,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            mean: self.mean + gap * share,
            standard_deviation: variance.sqrt(),
        }
    }
}
