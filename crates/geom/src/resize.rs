//! Another number of voxels in the same box.

use volkit_core::{Affine, Volume, Voxels, with_real_voxels};

use crate::resample::{along_axes, by_frame};
use crate::{GeomError, Grid, Order, Outside, Resampling, Sample};

const OP: &str = "resize";

/// Where the voxels of the resized volume lie among those of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResizeRule {
    /// Centres of the first and last voxels stay: `p = o (n - 1) / (m - 1)`.
    Corner,
    /// The outer faces of the grid stay: `p = (o + 0.5) n / m - 0.5`.
    Centre,
}

impl ResizeRule {
    /// Position in a row of `n` voxels of each voxel of a row of `m`.
    fn positions(self, n: usize, m: usize) -> Vec<f64> {
        let (n, count) = (n as f64, m as f64);
        let position = |o: f64| match self {
            Self::Corner if m < 2 => 0.0,
            Self::Corner => o * (n - 1.0) / (count - 1.0),
            Self::Centre => (o + 0.5) * n / count - 0.5,
        };
        (0..m).map(|o| position(o as f64)).collect()
    }

    /// `old_from_new` of voxel indices.
    fn index_map(self, size: [usize; 3], new_size: [usize; 3]) -> Affine {
        let start = |axis: usize| self.positions(size[axis], new_size[axis]).first().copied().unwrap_or(0.0);
        let step = |axis: usize| {
            let (n, m) = (size[axis] as f64, new_size[axis] as f64);
            match self {
                Self::Corner if new_size[axis] < 2 || size[axis] < 2 => 1.0,
                Self::Corner => (n - 1.0) / (m - 1.0),
                Self::Centre => n / m,
            }
        };
        Affine::from_scale([step(0), step(1), step(2)]).with_translation([start(0), start(1), start(2)])
    }
}

/// Size after a zoom of each axis: `n * zoom`, rounded half to even.
///
/// # Errors
/// [`GeomError::Parameter`] for a zoom that is not positive and finite, or that leaves an axis without voxels.
pub fn zoomed_size(size: [usize; 3], zoom: [f64; 3]) -> Result<[usize; 3], GeomError> {
    let zoomed: [f64; 3] = std::array::from_fn(|axis| (size[axis] as f64 * zoom[axis]).round_ties_even());
    let usable = |axis: usize| zoom[axis].is_finite() && zoom[axis] > 0.0 && (1.0..1e15).contains(&zoomed[axis]);
    if (0..3).all(usable) {
        return Ok(zoomed.map(|n| n as usize));
    }
    let why = "must be positive and leave at least one voxel on each axis";
    Err(GeomError::Parameter { op: OP, name: "zoom", value: format!("{zoom:?}"), why })
}

/// The values resized to `new_size`, the outside taken as the nearest edge.
///
/// # Errors
/// [`GeomError::Length`], [`GeomError::Empty`], [`GeomError::TooLarge`].
pub fn resize_slice<T: Sample>(
    values: &[T],
    size: [usize; 3],
    new_size: [usize; 3],
    rule: ResizeRule,
    order: Order,
) -> Result<Vec<T>, GeomError> {
    let positions = std::array::from_fn(|axis| rule.positions(size[axis], new_size[axis]));
    along_axes(values, size, &positions, &Resampling::new(order).with_outside(Outside::Nearest))
}

/// The volume resized to `new_size`, with the affine that keeps it where it was. Axes past the third are resized one by
/// one.
///
/// # Errors
/// As [`resize_slice`], and [`GeomError::DType`] for colours and complex numbers.
pub fn resize(volume: &Volume, new_size: [usize; 3], rule: ResizeRule, order: Order) -> Result<Volume, GeomError> {
    let size = volume.meta().spatial_size();
    let grid = Grid::new(new_size, volume.affine().compose(&rule.index_map(size, new_size)));
    let refused = GeomError::DType { op: OP, dtype: volume.dtype() };
    let voxels = with_real_voxels!(
        Voxels,
        volume.voxels(),
        values => Voxels::from(by_frame(values, size, new_size, |frame, out| {
            out.copy_from_slice(&resize_slice(frame, size, new_size, rule, order)?);
            Ok(())
        })?),
        return Err(refused)
    );
    Ok(Volume::from_meta(grid.meta_like(volume.meta())?, voxels)?)
}
