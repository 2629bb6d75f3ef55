//! Gradients of at most some length.

use crate::optimizer::in_range;
use crate::{Real, TrainError};

/// How the length of a gradient is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Norm {
    /// The sum of the absolute values.
    One,
    /// The root of the sum of the squares.
    #[default]
    Two,
    /// The largest absolute value.
    Infinity,
}

impl Norm {
    fn of(self, values: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::One => values.map(f64::abs).sum(),
            Self::Two => values.map(|x| x * x).sum::<f64>().sqrt(),
            // NaN must not be lost, as it is in `f64::max`.
            Self::Infinity => values.map(f64::abs).fold(0.0, |most, x| if x > most || x.is_nan() { x } else { most }),
        }
    }
}

/// Scales all gradients by `min(1, max_norm / (total + 1e-6))`, `total` being the norm of the norms of the arrays, and
/// returns `total`. Norms are summed in f64.
///
/// # Errors
/// [`TrainError::Option`] for a `max_norm` that is negative or not finite.
pub fn clip_grad_norm<T: Real>(gradients: &mut [&mut [T]], max_norm: f64, norm: Norm) -> Result<f64, TrainError> {
    in_range("clip_grad_norm", ("max_norm", max_norm), 0.0.., "not negative")?;
    let total = norm.of(gradients.iter().map(|array| norm.of(array.iter().map(|g| g.to_f64()))));
    let factor = max_norm / (total + 1e-6);
    if factor < 1.0 || factor.is_nan() {
        let factor = T::from_f64(factor);
        gradients.iter_mut().flat_map(|array| array.iter_mut()).for_each(|g| *g *= factor);
    }
    Ok(total)
}
