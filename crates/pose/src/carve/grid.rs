//! The points that are carved.

use serde::{Deserialize, Serialize};

use crate::PoseError;
use crate::matrix::{about_z, apply, product};
use crate::rig::RigCamera;

/// Every edge of a crop is a multiple of this: the network halves it four times.
pub(crate) const CROP_STEP: usize = 16;

/// Where the animal is in a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Centre in the frame of the world.
    pub centre: [f64; 3],
    /// Heading: angle about +z, in radians.
    pub angle: f64,
}

/// A cube of `size`^3 points around the animal, turned with it, of which a box is kept: `-edge / 2 + i edge / (size - 1)`
/// along each axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CarveGrid {
    /// Edge of the cube in the frame of the world.
    pub edge: f64,
    /// Points along it.
    pub size: usize,
    /// Half-open intervals of points that are kept.
    pub crop: [[usize; 2]; 3],
}

impl CarveGrid {
    /// All points of the cube.
    #[must_use]
    pub fn new(edge: f64, size: usize) -> Self {
        Self { edge, size, crop: [[0, size]; 3] }
    }

    /// The points of a box of the cube.
    ///
    /// # Errors
    /// [`PoseError::Parameter`] for an interval that is empty, leaves the cube or is no multiple of 16 long.
    pub fn with_crop(self, crop: [[usize; 2]; 3]) -> Result<Self, PoseError> {
        for [first, end] in crop {
            if first >= end || end > self.size || (end - first) % CROP_STEP != 0 {
                let value = format!("{crop:?} of {}", self.size);
                return Err(PoseError::parameter(
                    "volume_idx",
                    value,
                    "intervals inside the grid, multiples of 16 long",
                ));
            }
        }
        Ok(Self { crop, ..self })
    }

    /// Distance of neighbouring points.
    #[must_use]
    pub fn spacing(&self) -> f64 {
        self.edge / (self.size.max(2) - 1) as f64
    }

    /// Points kept along each axis.
    #[must_use]
    pub fn dims(&self) -> [usize; 3] {
        self.crop.map(|[first, end]| end - first)
    }

    /// How many points are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The three numbers of kept point `index`, the last axis fastest.
    #[must_use]
    pub fn unravel(&self, index: usize) -> [usize; 3] {
        let [_, n1, n2] = self.dims();
        [index / (n1 * n2), index / n2 % n1, index % n2]
    }

    /// Kept point `index` in the frame of the animal.
    #[must_use]
    pub fn point(&self, index: usize) -> [f64; 3] {
        let at = self.unravel(index);
        std::array::from_fn(|axis| self.coordinate(axis, at[axis]))
    }

    fn coordinate(&self, axis: usize, i: usize) -> f64 {
        -0.5 * self.edge + (self.crop[axis][0] + i) as f64 * self.spacing()
    }

    /// Takes `(i, j, k, 1)` to `(u w, v w, w)` of a camera, the animal being at `pose`.
    pub(crate) fn projection(&self, camera: &RigCamera, pose: &Pose) -> [[f64; 4]; 3] {
        let p = camera.projection();
        let turn = about_z(pose.angle);
        let linear = product(&p.map(|[x, y, z, _]| [x, y, z]), &turn.map(|row| row.map(|x| x * self.spacing())));
        let first = apply(&turn, std::array::from_fn(|axis| self.coordinate(axis, 0)));
        let corner: [f64; 3] = std::array::from_fn(|k| first[k] + pose.centre[k]);
        std::array::from_fn(|r| {
            let shift = (0..3).map(|k| p[r][k] * corner[k]).sum::<f64>() + p[r][3];
            [linear[r][0], linear[r][1], linear[r][2], shift]
        })
    }
}
