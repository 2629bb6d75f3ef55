//! Mean and scatter of repeated measurements.

use serde::{Deserialize, Serialize};

/// Mean and scatter of repeated measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spread {
    /// `sum x / n`.
    pub mean: f64,
    /// Standard deviation of the sample, `sqrt(sum (x - mean)^2 / (n - 1))`; 0 for one value.
    pub sd: f64,
    /// Coefficient of variation, `sd / mean`; 0 where the mean is 0.
    pub cv: f64,
    /// Middle value in order; the mean of the two in the middle of an even number.
    pub median: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Spread {
    /// The spread of some values; none for no value.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let (&first, rest) = values.split_first()?;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        let sd = if rest.is_empty() { 0.0 } else { (squares / (n - 1.0)).sqrt() };
        let cv = if mean == 0.0 { 0.0 } else { sd / mean };
        let min = rest.iter().fold(first, |a, &b| a.min(b));
        let max = rest.iter().fold(first, |a, &b| a.max(b));
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { mean, sd, cv, median: 0.5 * (low + high), min, max })
    }
}
