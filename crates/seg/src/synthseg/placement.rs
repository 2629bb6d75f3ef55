//! Where the volume that a network sees lies in the scan.

use volkit_core::{Affine, AxisMap, Element};
use volkit_geom::{axis_map_by_inverse, reorient_slice};

use crate::SegError;

/// A box of voxels: from `start` up to, not including, `end` along x, y and z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First voxel.
    pub start: [usize; 3],
    /// One past the last voxel.
    pub end: [usize; 3],
}

impl Bounds {
    /// The whole of a volume.
    #[must_use]
    pub const fn whole(size: [usize; 3]) -> Self {
        Self { start: [0; 3], end: size }
    }

    /// Voxels along each axis.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.end[axis].saturating_sub(self.start[axis]))
    }

    /// Number of voxels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.size().iter().product()
    }

    /// Whether there is no voxel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the box lies in a volume of `size`.
    #[must_use]
    pub fn is_inside(&self, size: [usize; 3]) -> bool {
        (0..3).all(|axis| self.start[axis] <= self.end[axis] && self.end[axis] <= size[axis])
    }

    /// Position in a volume of `size` (x fastest) of the first voxel of row `(y, z)` of the box.
    pub(crate) fn row_start(&self, size: [usize; 3], y: usize, z: usize) -> usize {
        self.start[0] + size[0] * (self.start[1] + y + size[1] * (self.start[2] + z))
    }

    /// The values of the box, x fastest, out of those of a volume of `size`.
    pub(crate) fn cut<T: Copy>(&self, values: &[T], size: [usize; 3]) -> Vec<T> {
        let [nx, ny, nz] = self.size();
        let mut part = Vec::with_capacity(self.len());
        for (y, z) in (0..nz).flat_map(|z| (0..ny).map(move |y| (y, z))) {
            let at = self.row_start(size, y, z);
            part.extend_from_slice(&values[at..at + nx]);
        }
        part
    }

    /// Writes values of the box, x fastest, into those of a volume of `size`.
    pub(crate) fn paste<T: Copy>(&self, part: &[T], whole: &mut [T], size: [usize; 3]) {
        let [nx, ny, _] = self.size();
        for (row, values) in part.chunks_exact(nx.max(1)).enumerate() {
            let at = self.row_start(size, row % ny, row / ny);
            whole[at..at + nx].copy_from_slice(values);
        }
    }
}

/// How the volume that a network sees came from the scan, and the way back.
///
/// The scan, resampled to 1 mm where its voxels were not about that, has `affine`; turned to RAS it has `aligned_size`
/// voxels; `crop` cuts the part that is analysed; with zeros around it, it is the `padded_size` volume of the network,
/// in which it fills `kept`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Placement {
    /// World position of voxel centres of the scan after resampling, before it is turned to RAS.
    pub affine: Affine,
    /// Whether the scan was resampled.
    pub resampled: bool,
    /// Voxel size in mm, in the order of the scan's axes: 1 where resampled, otherwise as recorded.
    pub spacing_mm: [f64; 3],
    /// Voxels of the scan in RAS.
    pub aligned_size: [usize; 3],
    /// Part of the scan in RAS that is analysed, where it is not the whole.
    pub crop: Option<Bounds>,
    /// Voxels of the network's volume.
    pub padded_size: [usize; 3],
    /// Where the analysed part lies in the network's volume.
    pub kept: Bounds,
}

impl Placement {
    /// A volume of `size` in RAS with that affine, neither resampled nor cropped nor padded.
    #[must_use]
    pub fn whole(size: [usize; 3], affine: Affine) -> Self {
        let kept = Bounds::whole(size);
        let spacing_mm = affine.spacing();
        Self { affine, resampled: false, spacing_mm, aligned_size: size, crop: None, padded_size: size, kept }
    }

    /// The same where the network's volume is larger than the part that is analysed.
    ///
    /// # Errors
    /// [`SegError::Option`] when `kept` does not lie in `padded_size`; then the whole of the scan is what `kept` holds.
    pub fn padded(self, padded_size: [usize; 3], kept: Bounds) -> Result<Self, SegError> {
        if !kept.is_inside(padded_size) {
            let value = format!("{:?} to {:?}", kept.start, kept.end);
            return Err(SegError::Option { name: "kept", value, why: "does not lie in the padded volume" });
        }
        let aligned_size = if self.crop.is_none() { kept.size() } else { self.aligned_size };
        Ok(Self { padded_size, kept, aligned_size, ..self })
    }

    /// The flips and swaps from RAS back to the axes of the scan.
    ///
    /// # Errors
    /// An affine that has no inverse.
    pub fn scan_from_aligned(&self) -> Result<AxisMap, SegError> {
        Ok(axis_map_by_inverse(&Affine::IDENTITY, &self.affine)?)
    }

    /// Voxels of the output: the scan's axes, after resampling.
    ///
    /// # Errors
    /// As [`Placement::scan_from_aligned`].
    pub fn output_size(&self) -> Result<[usize; 3], SegError> {
        Ok(self.scan_from_aligned()?.new_size(self.aligned_size))
    }

    /// Where the analysed part lies in the scan in RAS.
    #[must_use]
    pub fn analysed(&self) -> Bounds {
        self.crop.unwrap_or(Bounds::whole(self.aligned_size))
    }

    /// Volume of a voxel in mm3.
    #[must_use]
    pub fn voxel_mm3(&self) -> f64 {
        self.spacing_mm.iter().product()
    }

    /// Values of the analysed part (x fastest) on the output's grid, `background` elsewhere.
    pub(crate) fn output_of<T: Element>(&self, part: Vec<T>, background: T) -> Result<Vec<T>, SegError> {
        let aligned = match &self.crop {
            None => part,
            Some(crop) => {
                let mut whole = vec![background; self.aligned_size.iter().product()];
                crop.paste(&part, &mut whole, self.aligned_size);
                whole
            }
        };
        let back = self.scan_from_aligned()?;
        if back.is_identity() {
            return Ok(aligned);
        }
        Ok(reorient_slice(&aligned, self.aligned_size, &back)?)
    }
}
