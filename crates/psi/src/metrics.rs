//! How far a height map is from the truth.

use crate::PsiError;

/// Below it a true height in um is taken as 0, which has no relative error.
const LEAST_HEIGHT_UM: f64 = 1e-10;

/// Errors of one height map.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HeightErrors {
    /// Root mean square, in um.
    pub rmse_um: f64,
    /// Mean absolute, in um.
    pub mae_um: f64,
    /// Largest absolute, in um.
    pub max_um: f64,
    /// Mean of |error| / |truth| over pixels whose truth is not 0 (1e-10 um), in percent.
    pub mape_percent: f64,
}

impl HeightErrors {
    /// Compares two maps of heights in um; without pixels all errors are 0.
    ///
    /// # Errors
    /// [`PsiError::Length`] for maps of different lengths.
    pub fn of(got_um: &[f64], truth_um: &[f64]) -> Result<Self, PsiError> {
        if got_um.len() != truth_um.len() {
            return Err(PsiError::Length { what: "height map", got: got_um.len(), wanted: truth_um.len() });
        }
        let (mut squares, mut sum, mut max, mut parts, mut n_parts) = (0.0, 0.0, 0.0f64, 0.0, 0usize);
        for (got, truth) in got_um.iter().zip(truth_um) {
            let error = (got - truth).abs();
            squares += error * error;
            sum += error;
            // A NaN must show.
            max = if error > max || error.is_nan() { error } else { max };
            if truth.abs() > LEAST_HEIGHT_UM {
                parts += error / truth.abs();
                n_parts += 1;
            }
        }
        let n = got_um.len().max(1) as f64;
        let mape_percent = 100.0 * parts / n_parts.max(1) as f64;
        Ok(Self { rmse_um: (squares / n).sqrt(), mae_um: sum / n, max_um: max, mape_percent })
    }
}

/// Spread of a number over samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of these samples (divided by their number).
    pub std: f64,
    /// Least.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl Summary {
    /// Of some numbers; none without any.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        let min = values.iter().copied().reduce(f64::min)?;
        let max = values.iter().copied().reduce(f64::max)?;
        Some(Self { mean, std: variance.sqrt(), min, max })
    }
}
