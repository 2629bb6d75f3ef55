//! The loss that scenes are trained with.

use std::sync::Arc;

use volkit_kernels::Threads;

use crate::SplatError;

use super::{Ssim, SsimBorder, l1_loss};

/// Share of dissimilarity in the published loss.
const SSIM_SHARE: f32 = 0.2;

/// `(1 - share) mean |C - C*| + share (1 - mean ssim)`, the share being 0.2 as published.
#[derive(Debug)]
pub struct PhotometricLoss {
    ssim: Ssim,
    share: f32,
}

/// Value of a [`PhotometricLoss`] and its parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhotometricValue {
    /// Mean absolute difference.
    pub l1: f64,
    /// Mean similarity; 1 is the best.
    pub ssim: f64,
    /// The loss.
    pub total: f64,
}

impl PhotometricLoss {
    /// The published loss with that border of the similarity.
    #[must_use]
    pub fn new(border: SsimBorder, threads: Arc<Threads>) -> Self {
        Self { ssim: Ssim::new(border, threads), share: SSIM_SHARE }
    }

    /// The same with another share of dissimilarity, 0 to 1. Without any, similarity is not computed and told as NaN.
    #[must_use]
    pub fn with_share(self, share: f32) -> Self {
        Self { share, ..self }
    }

    /// The loss of two pictures `[H, W, 3]` of `size` rows and columns; writes its gradient by the first to `gradient`.
    ///
    /// # Errors
    /// Those of [`l1_loss`] and [`Ssim::evaluate`].
    pub fn evaluate(
        &mut self,
        size: [usize; 2],
        pictures: [&[f32]; 2],
        gradient: &mut [f32],
    ) -> Result<PhotometricValue, SplatError> {
        gradient.fill(0.0);
        let l1 = l1_loss(pictures[0], pictures[1], 1.0 - self.share, gradient)?;
        let share = f64::from(self.share);
        if self.share == 0.0 {
            return Ok(PhotometricValue { l1, ssim: f64::NAN, total: l1 });
        }
        let ssim = self.ssim.evaluate(size, pictures, -self.share, gradient)?;
        Ok(PhotometricValue { l1, ssim, total: (1.0 - share) * l1 + share * (1.0 - ssim) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{PhotometricLoss, SsimBorder};
    use volkit_kernels::Threads;

    #[test]
    fn parts_add_up() {
        let (x, y) = ([0.25f32; 48], [0.75f32; 48]);
        let mut gradient = [7.0; 48];
        let loss = || PhotometricLoss::new(SsimBorder::Same, Arc::new(Threads::single()));
        let value = loss().evaluate([4, 4], [&x, &y], &mut gradient).unwrap();
        assert_eq!(value.l1, 0.5);
        assert!((value.total - (0.4 + 0.2 * (1.0 - value.ssim))).abs() < 1e-7);
        assert!(gradient.iter().all(|g| *g < 0.0));
        let mut l1 = loss().with_share(0.0);
        let value = l1.evaluate([4, 4], [&x, &y], &mut gradient).unwrap();
        assert!(value.ssim.is_nan() && value.total == 0.5 && gradient == [-1.0 / 48.0; 48]);
    }
}
