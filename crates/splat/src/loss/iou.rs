//! Overlap of a rendered silhouette with a mask.

use crate::SplatError;

use super::check_pair;

/// `1 - sum(a m) / sum(a + m - a m)` of an alpha image `a` and a mask `m`, both in 0..1; adds `weight` times its gradient
/// by `a` to `gradient`. 0 where both are empty everywhere.
///
/// # Errors
/// [`SplatError::Length`] for arrays of different lengths.
pub fn iou_loss(alpha: &[f32], mask: &[f32], weight: f32, gradient: &mut [f32]) -> Result<f64, SplatError> {
    check_pair(alpha, mask, gradient)?;
    let (mut both, mut either) = (0.0, 0.0);
    for (a, m) in alpha.iter().zip(mask) {
        let (a, m) = (f64::from(*a), f64::from(*m));
        both += a * m;
        either += a + m - a * m;
    }
    if either <= 0.0 {
        return Ok(0.0);
    }
    // d(both) = m, d(either) = 1 - m.
    let (by_both, by_either) = (-f64::from(weight) / either, f64::from(weight) * both / (either * either));
    for (g, m) in gradient.iter_mut().zip(mask) {
        let m = f64::from(*m);
        *g += (by_both * m + by_either * (1.0 - m)) as f32;
    }
    Ok(1.0 - both / either)
}

#[cfg(test)]
mod tests {
    use super::iou_loss;

    #[test]
    fn by_hand() {
        let (a, m) = ([1.0, 0.5, 0.0], [1.0, 1.0, 0.0]);
        let mut g = [0.0; 3];
        assert_eq!(iou_loss(&a, &m, 1.0, &mut g).unwrap(), 0.25);
        // both = 1.5, either = 2: -1/2 inside the mask, 1.5/4 outside.
        assert_eq!(g, [-0.5, -0.5, 0.375]);
        assert_eq!(iou_loss(&[0.0; 2], &[0.0; 2], 1.0, &mut [0.0; 2]).unwrap(), 0.0);
        assert_eq!(iou_loss(&[], &[], 1.0, &mut []).unwrap(), 0.0);
        assert!(iou_loss(&a, &m[..2], 1.0, &mut g).is_err());
    }
}
