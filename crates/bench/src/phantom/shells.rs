//! Concentric shells: label maps whose volumes are known by formula.

use super::{Grid, Phantom, finish};
use crate::BenchError;

/// Concentric spherical shells around the centre of the grid.
///
/// A voxel whose centre lies at distance `r` from the origin has label `k` (1 for the innermost) where `r` is at most
/// `radii_mm[k - 1]` and above the radius before, 0 outside; its intensity is `100 * label`. The volume of shell `k`
/// tends to `4/3 pi (r_k^3 - r_{k-1}^3)` as the spacing shrinks.
///
/// ```
/// use volkit_bench::{Grid, ShellsPhantom};
/// let phantom = ShellsPhantom::new(Grid::new([9, 9, 9])).with_radii(vec![1.0, 3.0]).generate()?;
/// let labels = phantom.labels.as_slice::<u8>().unwrap();
/// assert_eq!(labels.iter().filter(|&&label| label == 1).count(), 7); // The centre and its six neighbours.
/// # Ok::<(), volkit_bench::BenchError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ShellsPhantom {
    /// Voxels and their place.
    pub grid: Grid,
    /// Outer radii of the shells in millimetres, increasing, 255 at most (default 20, 40, 60).
    pub radii_mm: Vec<f64>,
}

impl ShellsPhantom {
    /// Shells of 20, 40 and 60 mm.
    #[must_use]
    pub fn new(grid: Grid) -> Self {
        Self { grid, radii_mm: vec![20.0, 40.0, 60.0] }
    }

    /// The same with other radii.
    #[must_use]
    pub fn with_radii(self, radii_mm: Vec<f64>) -> Self {
        Self { radii_mm, ..self }
    }

    /// Makes the volume.
    ///
    /// # Errors
    /// [`BenchError::Parameter`] for a grid that can not be, or radii that do not increase from above 0.
    pub fn generate(&self) -> Result<Phantom, BenchError> {
        let increasing = self.radii_mm.windows(2).all(|pair| pair[0] < pair[1]);
        let positive = self.radii_mm.iter().all(|r| r.is_finite() && *r > 0.0);
        if !increasing || !positive || self.radii_mm.len() > usize::from(u8::MAX) {
            let value = format!("{:?}", self.radii_mm);
            return Err(BenchError::Parameter { name: "radii", value, why: "up to 255 increasing radii above 0 mm" });
        }
        let mut labels = Vec::new();
        self.grid.for_each(|p| {
            let radius = (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt();
            let shell = self.radii_mm.partition_point(|outer| *outer < radius);
            labels.push(if shell < self.radii_mm.len() { shell as u8 + 1 } else { 0 });
        })?;
        let intensity: Vec<f32> = labels.iter().map(|&label| 100.0 * f32::from(label)).collect();
        finish(&self.grid, &intensity, labels)
    }
}
