//! A head as a scanner might show it: the shape of `head_shape`, blurred, shaded and noisy.

use super::head_shape::{HEAD_TISSUES, HeadShape};
use super::{Grid, Phantom, finish};
use crate::{BenchError, Random};

/// A head with scalp, skull, folded cortex, white matter, ventricles, deep nuclei, cerebellum and brain stem, in a
/// T1-like contrast.
///
/// The head fills about 190 mm in every direction. Labels are those of [`HEAD_TISSUES`]. The image is the intensity of
/// the label at each voxel centre, smoothed by `[1 2 1] / 4` along each axis (partial volume), times the bias field
/// `exp(bias * b(p))`, `b` a sum of slow cosines with values from -1 to 1, with Rician noise: the length of the vector
/// `(value + n1, n2)` with `n1`, `n2` normal of standard deviation `noise`. The same settings give the same volume (the
/// last bit of a sine may differ between operating systems).
///
/// ```
/// use volkit_bench::{Grid, HeadPhantom};
/// let grid = Grid::new([24, 24, 24]).with_spacing([8.0; 3]).with_orientation("LIA");
/// let phantom = HeadPhantom::new(grid).with_seed(7).generate()?;
/// assert_eq!(phantom.image.shape(), phantom.labels.shape());
/// # Ok::<(), volkit_bench::BenchError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HeadPhantom {
    /// Voxels and their place.
    pub grid: Grid,
    /// Which head: small changes of position, size and folding, of the bias field and of the noise (default 0).
    pub seed: u64,
    /// Standard deviation of the noise, where white matter has 160 (default 4).
    pub noise: f64,
    /// Strength of the bias field; 0 is none (default 0.15).
    pub bias: f64,
}

impl HeadPhantom {
    /// A head on that grid with the default noise and bias.
    #[must_use]
    pub fn new(grid: Grid) -> Self {
        Self { grid, seed: 0, noise: 4.0, bias: 0.15 }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same with another standard deviation of the noise.
    #[must_use]
    pub fn with_noise(self, noise: f64) -> Self {
        Self { noise, ..self }
    }

    /// The same with another strength of the bias field.
    #[must_use]
    pub fn with_bias(self, bias: f64) -> Self {
        Self { bias, ..self }
    }

    /// Makes the volume.
    ///
    /// # Errors
    /// [`BenchError::Parameter`] for a grid that can not be, or a noise or bias that is negative or not finite.
    pub fn generate(&self) -> Result<Phantom, BenchError> {
        for (name, value) in [("noise", self.noise), ("bias", self.bias)] {
            if !value.is_finite() || value < 0.0 {
                return Err(BenchError::Parameter { name, value: value.to_string(), why: "it must be 0 or above" });
            }
        }
        let mut random = Random::new(self.seed);
        let shape = HeadShape::new(&mut random);
        let field = BiasField::new(&mut random, self.bias);
        let mut labels = Vec::new();
        let mut intensity = Vec::new();
        self.grid.for_each(|p| {
            let tissue = &HEAD_TISSUES[shape.tissue(p)];
            labels.push(tissue.label);
            intensity.push(tissue.intensity);
        })?;
        for axis in 0..3 {
            smooth(&mut intensity, self.grid.size, axis);
        }
        let mut voxel = intensity.iter_mut();
        self.grid.for_each(|p| {
            if let Some(value) = voxel.next() {
                let [n1, n2] = random.normal_pair().map(|n| n * self.noise);
                let shaded = f64::from(*value) * field.at(p);
                *value = (shaded + n1).hypot(n2) as f32;
            }
        })?;
        finish(&self.grid, &intensity, labels)
    }
}

/// A smooth field around 1.
struct BiasField {
    strength: f64,
    waves: [([f64; 3], f64); 3],
}

impl BiasField {
    fn new(random: &mut Random, strength: f64) -> Self {
        // Wavelengths of 250 mm and more: slower than the head.
        let mut component = || random.range(-1.0, 1.0) * std::f64::consts::TAU / 250.0;
        let directions: [[f64; 3]; 3] = std::array::from_fn(|_| std::array::from_fn(|_| component()));
        let waves = directions.map(|direction| (direction, random.range(0.0, std::f64::consts::TAU)));
        Self { strength, waves }
    }

    fn at(&self, p: [f64; 3]) -> f64 {
        let cosine = |(k, phase): &([f64; 3], f64)| (k[0] * p[0] + k[1] * p[1] + k[2] * p[2] + phase).cos();
        (self.strength * self.waves.iter().map(cosine).sum::<f64>() / self.waves.len() as f64).exp()
    }
}

/// Smooths by `[1 2 1] / 4` along an axis, the border voxel repeated.
fn smooth(values: &mut [f32], size: [usize; 3], axis: usize) {
    let stride: usize = size[..axis].iter().product();
    let n = size[axis];
    let mut line = vec![0.0f32; n];
    for block in values.chunks_exact_mut(stride * n) {
        for offset in 0..stride {
            for (i, value) in line.iter_mut().enumerate() {
                *value = block[offset + i * stride];
            }
            for i in 0..n {
                let (before, after) = (line[i.saturating_sub(1)], line[(i + 1).min(n - 1)]);
                block[offset + i * stride] = 0.25 * before + 0.5 * line[i] + 0.25 * after;
            }
        }
    }
}
