//! Where the voxels of a phantom lie.

use volkit_core::Affine;

use crate::BenchError;

/// Most voxels of a phantom: 2048^3.
const MAX_VOXELS: usize = 1 << 33;

/// A grid of voxels whose centre is the origin of world space.
///
/// Phantoms are shapes in millimetres (RAS+), so the same phantom on two grids shows the same object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Grid {
    /// Voxels along each axis.
    pub size: [usize; 3],
    /// Millimetres between voxel centres along each axis (default 1).
    pub spacing_mm: [f64; 3],
    /// Where each voxel axis leads, as three of the letters `RLAPSI` (default `RAS`).
    pub orientation: String,
}

impl Grid {
    /// A grid of that size with a spacing of 1 mm and the orientation `RAS`.
    #[must_use]
    pub fn new(size: [usize; 3]) -> Self {
        Self { size, spacing_mm: [1.0; 3], orientation: "RAS".to_owned() }
    }

    /// The same with another spacing.
    #[must_use]
    pub fn with_spacing(self, spacing_mm: [f64; 3]) -> Self {
        Self { spacing_mm, ..self }
    }

    /// The same with another orientation, as `LIA`.
    #[must_use]
    pub fn with_orientation(self, orientation: impl Into<String>) -> Self {
        Self { orientation: orientation.into(), ..self }
    }

    /// World position of voxel centres; index `(n - 1) / 2` of every axis lies at 0.
    ///
    /// # Errors
    /// [`BenchError::Parameter`] for a size of 0 or of more than 2^33 voxels, a spacing that is not positive and
    /// finite, or letters that do not name three different axes.
    pub fn affine(&self) -> Result<Affine, BenchError> {
        let n_voxels = self.size.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if n_voxels.is_none_or(|n| n == 0 || n > MAX_VOXELS) {
            let value = format!("{:?}", self.size);
            return Err(BenchError::Parameter {
                name: "size",
                value,
                why: "every axis needs 1 voxel, all 2^33 at most",
            });
        }
        if self.spacing_mm.iter().any(|mm| !mm.is_finite() || *mm <= 0.0) {
            let value = format!("{:?}", self.spacing_mm);
            return Err(BenchError::Parameter { name: "spacing", value, why: "millimetres above 0" });
        }
        let axes = self.world_axes()?;
        let mut linear = [[0.0; 3]; 3];
        let mut origin = [0.0; 3];
        for (axis, (row, sign)) in axes.into_iter().enumerate() {
            linear[row][axis] = sign * self.spacing_mm[axis];
            origin[row] = -linear[row][axis] * (self.size[axis] - 1) as f64 / 2.0;
        }
        Ok(Affine::from_parts(linear, origin))
    }

    /// World axis and direction of each voxel axis.
    fn world_axes(&self) -> Result<[(usize, f64); 3], BenchError> {
        let wrong = || BenchError::Parameter {
            name: "orientation",
            value: self.orientation.clone(),
            why: "three letters, one of R or L, one of A or P, one of S or I, in any order",
        };
        let mut axes = [(3, 0.0); 3];
        let mut letters = self.orientation.chars();
        for axis in 0..3 {
            let direction = match letters.next().map(|letter| letter.to_ascii_uppercase()) {
                Some('R') => (0, 1.0),
                Some('L') => (0, -1.0),
                Some('A') => (1, 1.0),
                Some('P') => (1, -1.0),
                Some('S') => (2, 1.0),
                Some('I') => (2, -1.0),
                _ => return Err(wrong()),
            };
            if axes[..axis].iter().any(|(row, _)| *row == direction.0) {
                return Err(wrong());
            }
            axes[axis] = direction;
        }
        if letters.next().is_some() { Err(wrong()) } else { Ok(axes) }
    }

    /// Calls `each` with the world position of every voxel, first axis fastest.
    pub(super) fn for_each(&self, mut each: impl FnMut([f64; 3])) -> Result<(), BenchError> {
        let affine = self.affine()?;
        let [nx, ny, nz] = self.size;
        let step = affine.column(0);
        for k in 0..nz {
            for j in 0..ny {
                let row = affine.apply([0.0, j as f64, k as f64]);
                for i in 0..nx {
                    let i = i as f64;
                    each([row[0] + i * step[0], row[1] + i * step[1], row[2] + i * step[2]]);
                }
            }
        }
        Ok(())
    }
}
