//! Mean absolute difference.

use crate::SplatError;

use super::check_pair;

/// The mean of `|prediction - target|`; adds `weight` times its gradient to `gradient`. 0 for empty arrays.
///
/// # Errors
/// [`SplatError::Length`] for arrays of different lengths.
pub fn l1_loss(prediction: &[f32], target: &[f32], weight: f32, gradient: &mut [f32]) -> Result<f64, SplatError> {
    check_pair(prediction, target, gradient)?;
    let n = prediction.len().max(1) as f64;
    let step = (f64::from(weight) / n) as f32;
    let mut sum = 0.0;
    for ((p, t), g) in prediction.iter().zip(target).zip(gradient) {
        let difference = p - t;
        sum += f64::from(difference.abs());
        *g += if difference == 0.0 { 0.0 } else { step.copysign(difference) };
    }
    Ok(sum / n)
}

#[cfg(test)]
mod tests {
    use super::l1_loss;

    #[test]
    fn by_hand() {
        let mut g = [1.0, 0.0, 0.0, 0.0];
        let loss = l1_loss(&[1.0, 2.0, 3.0, 0.5], &[0.0, 2.0, 5.0, 0.0], 2.0, &mut g).unwrap();
        assert_eq!((loss, g), (3.5 / 4.0, [1.5, 0.0, -0.5, 0.5]));
        assert_eq!(l1_loss(&[], &[], 1.0, &mut []).unwrap(), 0.0);
        assert!(l1_loss(&[1.0], &[], 1.0, &mut [0.0]).is_err());
        assert!(l1_loss(&[1.0], &[1.0], 1.0, &mut []).is_err());
    }
}
