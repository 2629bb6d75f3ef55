//! The self-supervised loss: the images that a height would give, beside those that were taken.

use volkit_core::RealElement;
use volkit_kernels::Threads;

use super::smoothness::laplacian;
use crate::{Interferometer, PsiError};

/// Parts of a [`FringeLoss`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LossParts {
    /// `mean((I(h) - I)^2)` over batch, channels and pixels.
    pub data: f64,
    /// `mean((lap h)^2)` over batch and pixels, without its weight.
    pub smooth: f64,
    /// `data + weight smooth`.
    pub total: f64,
}

/// `mean((I(h) - I)^2) + weight mean((lap h)^2)`: predicted heights `[N, 1, H, W]` in um against images
/// `[N, C, H, W]`, no true height needed.
///
/// `lap` is the five-point Laplacian with zeros around the image. The data term has a minimum every half wavelength: it
/// refines a height that is right to a quarter of one, and can not find one that is not. All sums are in f64; the value and
/// its gradient are computed together, without a graph.
#[derive(Clone, Debug)]
pub struct FringeLoss {
    instrument: Interferometer,
    smoothness_weight: f64,
}

impl FringeLoss {
    /// A loss for the images of an interferometer.
    ///
    /// # Errors
    /// [`PsiError::Option`] for an interferometer that is not valid or a weight that is negative.
    pub fn new(instrument: Interferometer, smoothness_weight: f64) -> Result<Self, PsiError> {
        instrument.validate()?;
        if !(smoothness_weight.is_finite() && smoothness_weight >= 0.0) {
            let why = "expected 0 or more".to_owned();
            return Err(PsiError::Option { name: "smoothness_weight", value: smoothness_weight.to_string(), why });
        }
        Ok(Self { instrument, smoothness_weight })
    }

    /// Images of a stack.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.instrument.channels()
    }

    /// Weight of the Laplacian.
    #[must_use]
    pub fn smoothness_weight(&self) -> f64 {
        self.smoothness_weight
    }

    /// Value and gradient with respect to the heights, for `[N, H, W]` = `size`. The result does not depend on the threads.
    ///
    /// # Errors
    /// [`PsiError::Length`] for arrays that the size does not fit.
    pub fn evaluate<H: RealElement, I: RealElement>(
        &self,
        heights: &[H],
        images: &[I],
        size: [usize; 3],
        threads: &Threads,
    ) -> Result<(LossParts, Vec<H>), PsiError> {
        let [n, height, width] = size;
        let (pixels, channels) = (height * width, self.channels());
        if heights.len() != n * pixels {
            return Err(PsiError::Length { what: "heights", got: heights.len(), wanted: n * pixels });
        }
        if images.len() != n * pixels * channels {
            return Err(PsiError::Length { what: "images", got: images.len(), wanted: n * pixels * channels });
        }
        let mut gradient = vec![0.0f64; heights.len()];
        let count = heights.len().max(1) as f64;
        let (data_scale, smooth_scale) = (1.0 / (count * channels as f64), 1.0 / count);
        // A task a row; rows are added in order afterwards.
        let mut rows: Vec<_> =
            gradient.chunks_mut(width.max(1)).enumerate().map(|(row, gradient)| (row, gradient, 0.0)).collect();
        threads.for_each_mut(&mut rows, |(row, gradient, sum)| {
            let (sample, y) = (*row / height.max(1), *row % height.max(1));
            for (x, gradient) in gradient.iter_mut().enumerate() {
                let h = heights[*row * width + x].to_f64();
                let first = sample * channels * pixels + y * width + x;
                let [square, slope] = self.pixel(h, |channel| images[first + channel * pixels].to_f64());
                *sum += square;
                *gradient = slope * data_scale;
            }
        });
        let data = rows.iter().map(|(_, _, sum)| sum).sum::<f64>() * data_scale;
        let mut smooth = 0.0;
        let [mut own, mut first, mut second] = [0, 1, 2].map(|_| vec![0.0; pixels]);
        for (heights, gradient) in heights.chunks(pixels.max(1)).zip(gradient.chunks_mut(pixels.max(1))) {
            own.iter_mut().zip(heights).for_each(|(to, h)| *to = h.to_f64());
            laplacian(&own, [height, width], &mut first);
            smooth += first.iter().map(|l| l * l).sum::<f64>();
            // The kernel is symmetric and so is the border: the transpose is the Laplacian itself.
            laplacian(&first, [height, width], &mut second);
            let scale = 2.0 * self.smoothness_weight * smooth_scale;
            gradient.iter_mut().zip(&second).for_each(|(to, l)| *to += scale * l);
        }
        let smooth = smooth * smooth_scale;
        let parts = LossParts { data, smooth, total: data + self.smoothness_weight * smooth };
        Ok((parts, gradient.into_iter().map(H::from_f64).collect()))
    }

    /// Sum over the channels of `(I(h) - I)^2`, and its derivative.
    fn pixel(&self, h: f64, grey: impl Fn(usize) -> f64) -> [f64; 2] {
        let Interferometer { phase_steps, background, modulation, .. } = &self.instrument;
        let [mut square, mut slope] = [0.0; 2];
        let mut channel = 0;
        for k in self.instrument.wave_numbers() {
            for delta in phase_steps {
                let (sin, cos) = (k * h + delta).sin_cos();
                let error = background + modulation * cos - grey(channel);
                square += error * error;
                slope -= 2.0 * error * modulation * k * sin;
                channel += 1;
            }
        }
        [square, slope]
    }
}
