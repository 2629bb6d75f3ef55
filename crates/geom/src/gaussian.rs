//! Gaussian smoothing.

use rayon::prelude::*;
use volkit_core::{Affine, DType, Volume, Voxels};

use crate::error::{check_len, zeros};
use crate::resample::by_frame;
use crate::taps::AxisRule;
use crate::{GeomError, Outside, Sample};

const OP: &str = "gaussian";
/// Axes with a smaller sigma are left alone.
const NO_BLUR: f64 = 1e-15;
/// Rows that one task takes at least.
const MIN_ROWS: usize = 16;

/// Standard deviation of the Gaussian with that full width at half maximum: `fwhm / sqrt(8 ln 2)`.
#[must_use]
pub fn fwhm_to_sigma(fwhm: f64) -> f64 {
    fwhm / (8.0 * std::f64::consts::LN_2).sqrt()
}

/// A length in millimetres as voxels along each axis of a grid with that affine.
#[must_use]
pub fn sigma_voxels(sigma_mm: f64, affine: &Affine) -> [f64; 3] {
    affine.spacing().map(|spacing| sigma_mm / spacing)
}

/// Standard deviation, in old voxels, of the blur before a volume is sampled at a coarser spacing:
/// `sqrt((new / old)^2 - 1) / sqrt(8 ln 2)` along axes that become coarser, 0 along the others.
///
/// A voxel as wide as the old spacing (full width at half maximum) becomes as wide as the new one; what is finer than
/// the new grid can show is averaged instead of showing up as something else.
///
/// ```
/// let sigma = volkit_geom::coarsening_sigma([1.0, 1.0, 2.0], [2.0, 1.0, 1.0]);
/// assert!((sigma[0] - 0.7355).abs() < 1e-4 && sigma[1..] == [0.0, 0.0]);
/// ```
#[must_use]
pub fn coarsening_sigma(old_mm: [f64; 3], new_mm: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|axis| {
        let ratio = new_mm[axis] / old_mm[axis];
        if ratio > 1.0 { fwhm_to_sigma((ratio * ratio - 1.0).sqrt()) } else { 0.0 }
    })
}

/// Separable Gaussian filter: weights `exp(-x^2 / (2 sigma^2))`, `|x| <= floor(truncate * sigma + 0.5)`, that sum to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Gaussian {
    /// Standard deviation along each axis, in voxels; 0 leaves the axis alone.
    pub sigma: [f64; 3],
    /// Values past the ends; default [`Outside::Reflect`].
    pub outside: Outside,
    /// Standard deviations after which the kernel ends; default 4.
    pub truncate: f64,
}

impl Gaussian {
    /// That standard deviation, in voxels, with reflected edges.
    #[must_use]
    pub fn new(sigma: [f64; 3]) -> Self {
        Self { sigma, outside: Outside::Reflect, truncate: 4.0 }
    }

    /// The same with other values past the ends. The two constants mean the same here; so do the two wraps.
    #[must_use]
    pub fn with_outside(self, outside: Outside) -> Self {
        Self { outside, ..self }
    }

    /// The same with another end of the kernel.
    #[must_use]
    pub fn with_truncate(self, truncate: f64) -> Self {
        Self { truncate, ..self }
    }

    /// The weights along an axis, from the middle outwards; one weight where nothing is blurred.
    fn half_kernel(&self, axis: usize) -> Result<Vec<f64>, GeomError> {
        let (sigma, truncate) = (self.sigma[axis], self.truncate);
        let radius = (truncate * sigma + 0.5).floor();
        if !(sigma >= 0.0 && truncate >= 0.0 && radius < 1e6) {
            let (value, why) = (format!("{sigma} (truncate {truncate})"), "must be finite and not negative");
            return Err(GeomError::Parameter { op: OP, name: "sigma", value, why });
        }
        if sigma < NO_BLUR {
            return Ok(vec![1.0]);
        }
        let weight = |x: usize| (-0.5 / (sigma * sigma) * (x * x) as f64).exp();
        let half: Vec<f64> = (0..=radius as usize).map(weight).collect();
        let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
        Ok(half.into_iter().map(|w| w / sum).collect())
    }

    /// The volume smoothed. f64 volumes stay f64, all others become f32. Axes past the third are smoothed one by one.
    ///
    /// # Errors
    /// [`GeomError::Parameter`]; colours and complex numbers.
    pub fn apply(&self, volume: &Volume) -> Result<Volume, GeomError> {
        let size = volume.meta().spatial_size();
        fn frames<T: Sample>(values: &[T], size: [usize; 3], filter: &Gaussian) -> Result<Voxels, GeomError> {
            let smoothed = by_frame(values, size, size, |frame, out| {
                out.copy_from_slice(&filter.apply_slice(frame, size)?);
                Ok(())
            })?;
            Ok(T::into_voxels(smoothed))
        }
        let voxels = if volume.dtype() == DType::F64 {
            frames(&volume.to_real::<f64>()?, size, self)?
        } else {
            frames(&volume.to_real::<f32>()?, size, self)?
        };
        Ok(Volume::from_meta(volume.meta().clone(), voxels)?)
    }

    /// The smoothed values, in a new vector. Axes in the order 0, 1, 2, sums in f64, stored in `T` after each axis.
    ///
    /// # Errors
    /// [`GeomError::Length`], [`GeomError::Parameter`], [`GeomError::TooLarge`].
    pub fn apply_slice<T: Sample>(&self, values: &[T], size: [usize; 3]) -> Result<Vec<T>, GeomError> {
        check_len(OP, size, values.len())?;
        let mut smoothed: Option<Vec<T>> = None;
        for axis in 0..3 {
            let kernel = self.half_kernel(axis)?;
            if kernel.len() == 1 {
                continue;
            }
            let mut next = zeros(OP, size)?;
            self.along(smoothed.as_deref().unwrap_or(values), size, axis, &kernel, &mut next);
            smoothed = Some(next);
        }
        Ok(smoothed.unwrap_or_else(|| values.to_vec()))
    }

    fn along<T: Sample>(&self, values: &[T], size: [usize; 3], axis: usize, kernel: &[f64], out: &mut [T]) {
        let [nx, ny, _] = size;
        if out.is_empty() {
            return;
        }
        let outside = match self.outside {
            Outside::GridConstant(value) => Outside::Constant(value),
            Outside::Wrap => Outside::GridWrap,
            other => other,
        };
        let edge = Ends { rule: AxisRule::new(size[axis], 0, outside), outside };
        let radius = kernel.len() - 1;
        let row_at = |j: usize, k: usize| &values[(k * ny + j) * nx..][..nx];
        let scratch = || (vec![0.0f64; nx], vec![0.0f64; nx + 2 * radius]);
        let rows = out.par_chunks_mut(nx).enumerate().with_min_len(MIN_ROWS);
        rows.for_each_init(scratch, |(sums, padded), (r, target)| {
            let (j, k) = (r % ny, r / ny);
            if axis == 0 {
                let row = row_at(j, k);
                for (value, sample) in padded[radius..].iter_mut().zip(row) {
                    *value = sample.to_f64();
                }
                for x in (0..radius).chain(radius + nx..nx + 2 * radius) {
                    padded[x] = edge.index(x as i64 - radius as i64).map_or(edge.constant(), |i| row[i].to_f64());
                }
                convolve(padded, kernel, sums);
            } else {
                let along = if axis == 1 { j } else { k } as i64;
                let line = |i: i64| edge.index(i).map(|i| if axis == 1 { row_at(i, k) } else { row_at(j, i) });
                accumulate(line, along, kernel, edge.constant(), sums);
            }
            for (voxel, &sum) in target.iter_mut().zip(sums.iter()) {
                *voxel = T::from_f64(sum);
            }
        });
    }
}

/// The ends of a row.
#[derive(Clone, Copy)]
struct Ends {
    rule: AxisRule,
    outside: Outside,
}

impl Ends {
    /// The sample that stands for index `i`; `None` where a constant does.
    fn index(&self, i: i64) -> Option<usize> {
        let n = self.rule.n as i64;
        match self.outside {
            Outside::Constant(_) => (0..n).contains(&i).then_some(i as usize),
            Outside::Nearest => Some(i.clamp(0, n - 1) as usize),
            _ => Some(self.rule.fold(i)),
        }
    }

    fn constant(&self) -> f64 {
        if let Outside::Constant(value) = self.outside { value } else { 0.0 }
    }
}

fn convolve(padded: &[f64], kernel: &[f64], sums: &mut [f64]) {
    let (radius, n) = (kernel.len() - 1, sums.len());
    for (sum, &sample) in sums.iter_mut().zip(&padded[radius..]) {
        *sum = kernel[0] * sample;
    }
    for (x, &weight) in kernel.iter().enumerate().skip(1) {
        let (left, right) = (&padded[radius - x..][..n], &padded[radius + x..][..n]);
        for ((sum, &a), &b) in sums.iter_mut().zip(left).zip(right) {
            *sum += weight * (a + b);
        }
    }
}

fn accumulate<'a, T: Sample>(
    line: impl Fn(i64) -> Option<&'a [T]>,
    along: i64,
    kernel: &[f64],
    constant: f64,
    sums: &mut [f64],
) {
    sums.fill(0.0);
    for (x, &weight) in kernel.iter().enumerate() {
        let x = x as i64;
        match (line(along - x), line(along + x)) {
            (Some(a), _) if x == 0 => add(sums, weight, a.iter().map(|v| v.to_f64())),
            (Some(a), Some(b)) => add(sums, weight, a.iter().zip(b).map(|(a, b)| a.to_f64() + b.to_f64())),
            (Some(a), None) | (None, Some(a)) => add(sums, weight, a.iter().map(|v| v.to_f64() + constant)),
            (None, None) => add(sums, weight, std::iter::repeat(constant + constant)),
        }
    }
}

#[inline(always)]
fn add(sums: &mut [f64], weight: f64, samples: impl Iterator<Item = f64>) {
    for (sum, sample) in sums.iter_mut().zip(samples) {
        *sum += weight * sample;
    }
}

/// The volume smoothed with that standard deviation (millimetres, edges reflected); see [`Gaussian::apply`].
///
/// # Errors
/// [`GeomError::Parameter`]; colours and complex numbers.
pub fn gaussian(volume: &Volume, sigma_mm: f64) -> Result<Volume, GeomError> {
    Gaussian::new(sigma_voxels(sigma_mm, volume.affine())).apply(volume)
}
