//! Resampling to another voxel size as a widely used segmentation tool does it.

use volkit_core::{Affine, Volume};

use crate::grid::check_spacing;
use crate::resample::along_axes;
use crate::{Gaussian, GeomError, Grid, Outside, Resampling, Sample};

const OP: &str = "spacing resize";
/// Standard deviation of the blur before sampling, in new voxels.
const BLUR: f64 = 0.25;

/// How values are taken at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SpacingMethod {
    /// Linear.
    #[default]
    Linear,
    /// The nearest voxel, the lower one of two that are equally near.
    Nearest,
}

/// Brings a volume to another spacing along its own axes.
///
/// With `f = old spacing / new spacing` per axis: blur with sigma `0.25 / f` voxels where `f <= 1` (also where it is
/// exactly 1), none where `f > 1`, edges reflected; sample at `-(f - 1) / (2 f) + o / f`, clamped to the grid, for
/// `o` in `0..ceil(n f)`; the linear part of the affine becomes `M' = M / f` per column and the translation
/// loses `M' * 0.5 (f - 1)`. The number of samples is counted as an integer; [`SpacingResize::literal_count`] evaluates
/// the tool's own floating-point stop, which now and then gives one more.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpacingResize {
    /// How values are taken; default linear.
    pub method: SpacingMethod,
    /// Blur before sampling down; default on.
    pub blur: bool,
    /// Count the samples as `ceil((stop - start) / step)` in floating point; default off.
    pub literal_count: bool,
    size: [usize; 3],
    factor: [f64; 3],
    affine: Affine,
}

impl SpacingResize {
    /// From voxels of `affine.spacing()` to `new_spacing_mm`.
    ///
    /// # Errors
    /// [`GeomError::Parameter`] for a spacing that is not positive and finite or too fine for the grid to be counted.
    pub fn new(grid: &Grid, new_spacing_mm: [f64; 3]) -> Result<Self, GeomError> {
        Self::between(grid, grid.spacing_mm(), new_spacing_mm)
    }

    /// The same where the old spacing is given, not that of the affine.
    ///
    /// # Errors
    /// As [`SpacingResize::new`].
    pub fn between(grid: &Grid, old_spacing_mm: [f64; 3], new_spacing_mm: [f64; 3]) -> Result<Self, GeomError> {
        check_spacing(OP, old_spacing_mm)?;
        check_spacing(OP, new_spacing_mm)?;
        let factor: [f64; 3] = std::array::from_fn(|axis| old_spacing_mm[axis] / new_spacing_mm[axis]);
        let countable = |axis: usize| factor[axis] > 0.0 && grid.size[axis] as f64 * factor[axis] < 1e12;
        if !(0..3).all(countable) {
            let why = "makes a grid that can not be counted";
            return Err(GeomError::Parameter { op: OP, name: "factor", value: format!("{factor:?}"), why });
        }
        let defaults = (SpacingMethod::default(), true, false);
        let (method, blur, literal_count) = defaults;
        Ok(Self { method, blur, literal_count, size: grid.size, factor, affine: grid.affine })
    }

    /// The same with another way to take values.
    #[must_use]
    pub fn with_method(self, method: SpacingMethod) -> Self {
        Self { method, ..self }
    }

    /// The same with or without the blur.
    #[must_use]
    pub fn with_blur(self, blur: bool) -> Self {
        Self { blur, ..self }
    }

    /// The same with another way to count samples.
    #[must_use]
    pub fn with_literal_count(self, literal_count: bool) -> Self {
        Self { literal_count, ..self }
    }

    /// Standard deviation of the blur along each axis, in old voxels.
    #[must_use]
    pub fn blur_sigma(&self) -> [f64; 3] {
        self.factor.map(|f| if self.blur && f <= 1.0 { BLUR / f } else { 0.0 })
    }

    /// Sample positions along `axis`, in old voxels.
    #[must_use]
    pub fn positions(&self, axis: usize) -> Vec<f64> {
        let (f, n) = (self.factor[axis], self.size[axis] as f64);
        let (start, step) = (-(f - 1.0) / (2.0 * f), 1.0 / f);
        let count = (n * f).ceil();
        let last = (n - 1.0).max(0.0);
        if !self.literal_count {
            return (0..count as usize).map(|o| (start + o as f64 * step).clamp(0.0, last)).collect();
        }
        let stop = start + step * count;
        let delta = (start + step) - start;
        (0..((stop - start) / step).ceil() as usize).map(|o| (start + o as f64 * delta).clamp(0.0, last)).collect()
    }

    /// The new grid.
    #[must_use]
    pub fn grid(&self) -> Grid {
        let linear = self.affine.linear().map(|row| std::array::from_fn(|c| row[c] / self.factor[c]));
        let shift = Affine::from_parts(linear, [0.0; 3]).apply_linear(self.factor.map(|f| 0.5 * (f - 1.0)));
        let old = self.affine.translation();
        let translation = std::array::from_fn(|r| old[r] - shift[r]);
        let size = std::array::from_fn(|axis| self.positions(axis).len());
        Grid::new(size, Affine::from_parts(linear, translation))
    }

    /// The values on the new grid.
    ///
    /// # Errors
    /// [`GeomError::Length`], [`GeomError::Empty`], [`GeomError::TooLarge`].
    pub fn apply_slice<T: Sample>(&self, values: &[T]) -> Result<Vec<T>, GeomError> {
        let mut positions: [Vec<f64>; 3] = std::array::from_fn(|axis| self.positions(axis));
        let how = match self.method {
            SpacingMethod::Linear => Resampling::linear(),
            SpacingMethod::Nearest => {
                let lower = |p: &mut f64| *p = if *p - p.floor() <= 0.5 { p.floor() } else { p.floor() + 1.0 };
                positions.iter_mut().flatten().for_each(lower);
                Resampling::nearest()
            }
        }
        .with_outside(Outside::Nearest);
        let sigma = self.blur_sigma();
        if sigma == [0.0; 3] {
            return along_axes(values, self.size, &positions, &how);
        }
        let blurred = Gaussian::new(sigma).apply_slice(values, self.size)?;
        along_axes(&blurred, self.size, &positions, &how)
    }

    /// A volume of the grid given to [`SpacingResize::new`], brought to the new grid; its values become f64.
    ///
    /// # Errors
    /// As [`SpacingResize::apply_slice`]; [`GeomError::Length`] for a volume with axes past the third that are longer
    /// than 1; colours and complex numbers.
    pub fn apply(&self, volume: &Volume) -> Result<Volume, GeomError> {
        let values = self.apply_slice(&volume.to_real::<f64>()?)?;
        Ok(Volume::new(self.grid().size, values, self.grid().affine)?)
    }
}
