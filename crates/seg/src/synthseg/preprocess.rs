//! From a scan to the volume that a network sees.

use rayon::prelude::*;
use volkit_core::{Affine, Volume, VolumeMeta};
use volkit_geom::{
    Grid, NanRule, SpacingResize, axis_map_by_inverse, bounding_box, clip, percentiles, reorient_slice, rescale_unit,
};

use super::placement::{Bounds, Placement};
use super::scan_shape::{ScanVolume, check_scan};
use crate::SegError;

/// Sizes of network volumes are multiples of this, whatever the depth of the network.
pub const SIZE_MULTIPLE: usize = 32;
/// Smallest network volume along each axis.
pub const SMALLEST_SIZE: usize = 128;
/// Voxel size that the published networks were trained on, in mm.
const TARGET_MM: f64 = 1.0;
/// Relative difference from the network's voxel size up to which a scan is not resampled.
const SPACING_TOLERANCE: f64 = 0.05;
/// Percentiles that become 0 and 1.
const PERCENTILES: [f64; 2] = [0.5, 99.5];
/// Range of Hounsfield units in which brains differ.
const CT_RANGE: [f64; 2] = [0.0, 80.0];
/// Longest last axis that padding in the reference program takes for channels.
const MOST_CHANNELS: usize = 10;

/// How a scan is prepared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PreprocessOptions {
    /// Analyse the middle of the scan only: voxels along x, y and z in RAS, each rounded up to a multiple of 32. Then
    /// also the least size of the network's volume.
    pub crop: Option<[usize; 3]>,
    /// Analyse the box of what is not background; not together with `crop`.
    pub autocrop: bool,
    /// The scan is a CT: clip to 0 to 80 Hounsfield units first.
    pub ct: bool,
    /// Least size of the network's volume along each axis, rounded up to a multiple of 32; default 128.
    pub smallest_size: usize,
    /// Voxel size of the network's volume in mm; default 1.
    pub spacing_mm: f64,
    /// Keep the resampled scan.
    pub keep_resampled: bool,
    /// Refuse what the reference program fails on: few slices, and more than 10 volumes.
    pub compat: bool,
    /// The file's header stores three voxel sizes whatever the number of axes is, as MGH does; with `compat` only.
    pub three_spacings: bool,
}

impl Default for PreprocessOptions {
    fn default() -> Self {
        Self {
            crop: None,
            autocrop: false,
            ct: false,
            smallest_size: SMALLEST_SIZE,
            spacing_mm: TARGET_MM,
            keep_resampled: false,
            compat: false,
            three_spacings: false,
        }
    }
}

impl PreprocessOptions {
    /// The defaults of the published program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with another part to analyse.
    #[must_use]
    pub fn with_crop(self, crop: Option<[usize; 3]>) -> Self {
        Self { crop, ..self }
    }

    /// The same with or without looking for the part to analyse.
    #[must_use]
    pub fn with_autocrop(self, autocrop: bool) -> Self {
        Self { autocrop, ..self }
    }

    /// The same for a CT or not.
    #[must_use]
    pub fn with_ct(self, ct: bool) -> Self {
        Self { ct, ..self }
    }

    /// The same with another least size.
    #[must_use]
    pub fn with_smallest_size(self, smallest_size: usize) -> Self {
        Self { smallest_size, ..self }
    }

    /// The same with another voxel size of the network's volume.
    #[must_use]
    pub fn with_spacing_mm(self, spacing_mm: f64) -> Self {
        Self { spacing_mm, ..self }
    }

    /// The same, keeping the resampled scan or not.
    #[must_use]
    pub fn with_keep_resampled(self, keep_resampled: bool) -> Self {
        Self { keep_resampled, ..self }
    }

    /// The same, refusing what the reference program fails on or not.
    #[must_use]
    pub fn with_compat(self, compat: bool) -> Self {
        Self { compat, ..self }
    }

    /// The same for a format that always stores three voxel sizes.
    #[must_use]
    pub fn with_three_spacings(self, three_spacings: bool) -> Self {
        Self { three_spacings, ..self }
    }

    /// Least size of the network's volume along each axis, before it is rounded up.
    fn least_size(&self) -> [usize; 3] {
        self.crop.unwrap_or([self.smallest_size; 3])
    }

    /// Checks what can be checked without a scan.
    ///
    /// # Errors
    /// [`SegError::Option`] for `crop` together with `autocrop`, a crop of 0 and sizes that can not be counted.
    pub fn validate(&self) -> Result<(), SegError> {
        let refuse = |name, value: String, why| Err(SegError::Option { name, value, why });
        let countable = |n: usize| n < 1 << 20;
        if let Some(crop) = self.crop {
            if self.autocrop {
                return refuse("autocrop", "true".into(), "can not be together with crop");
            }
            if crop.contains(&0) || !crop.into_iter().all(countable) {
                return refuse("crop", format!("{crop:?}"), "is from 1 to 2^20 along each axis");
            }
        }
        if !(0.05..=50.0).contains(&self.spacing_mm) {
            return refuse("spacing_mm", self.spacing_mm.to_string(), "is from 0.05 to 50");
        }
        if !countable(self.smallest_size) {
            return refuse("smallest_size", self.smallest_size.to_string(), "is at most 2^20");
        }
        Ok(())
    }
}

/// A scan as the networks see it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prepared {
    /// Values in `[0, 1]` of the network's volume (`placement.padded_size`), RAS, x fastest.
    pub net_input: Vec<f32>,
    /// The way back to the scan.
    pub placement: Placement,
    /// The scan at 1 mm, before it was turned: where it was resampled and `keep_resampled` asks for it.
    pub resampled: Option<Volume>,
    /// What was unusual about the scan.
    pub warnings: Vec<String>,
}

/// Prepares a scan: its first volume, resampled to 1 mm where a recorded voxel size (`scan.meta().spacing()`) differs
/// by more than 0.05 from that, turned to RAS, cropped, clipped, its 0.5th to 99.5th percentiles brought to `[0, 1]`,
/// padded with 0 to multiples of 32. Computed in f64.
///
/// Values that are not finite count as the smallest finite one.
///
/// # Errors
/// [`SegError::Scan`] for colours, complex numbers, a singular affine, fewer than 3 axes, 2 or 3 slices, a fifth axis,
/// no finite value; with `compat` also for what the reference program fails on. [`SegError::Option`] as
/// [`PreprocessOptions::validate`]. [`SegError::Geom`] for sizes that memory can not hold.
pub fn preprocess(scan: &Volume, options: &PreprocessOptions) -> Result<Prepared, SegError> {
    options.validate()?;
    let ScanVolume { size, spacing_mm, values, warnings } =
        ScanVolume::of(scan, options.compat, options.three_spacings)?;
    let mut grid = Grid::new(size, *scan.affine());
    let mut spacing_mm = spacing_mm;
    let mut values = values;
    let mut kept_scan = None;
    let resize = resize_of(&grid, spacing_mm, options.spacing_mm)?;
    let resampled = resize.is_some();
    if let Some(resize) = resize {
        values = resize.apply_slice(&values)?;
        (grid, spacing_mm) = (resize.grid(), [options.spacing_mm; 3]);
        if options.keep_resampled {
            kept_scan = Some(Volume::new(grid.size, values.clone(), grid.affine)?);
        }
    }
    let flips = axis_map_by_inverse(&grid.affine, &Affine::IDENTITY)?;
    let aligned_size = flips.new_size(grid.size);
    if !flips.is_identity() {
        values = reorient_slice(&values, grid.size, &flips)?;
    }
    let mut crop = options.crop.map(|crop| middle(aligned_size, crop.map(up_to_multiple)));
    if let Some(crop) = &crop {
        values = crop.cut(&values, aligned_size);
    }
    rescale(&mut values, options.ct)?;
    if options.autocrop {
        crop = foreground(&values, aligned_size)?;
        if let Some(crop) = &crop {
            values = crop.cut(&values, aligned_size);
        }
    }
    let part_size = crop.map_or(aligned_size, |crop| crop.size());
    if options.compat && part_size[2] <= MOST_CHANNELS {
        let value = format!("{part_size:?}");
        let why = "at most 10 slices from bottom to top count as channels when the volume is padded";
        return Err(SegError::Scan { field: "size in RAS", value, why });
    }
    let (padded_size, kept) = padding(part_size, options.least_size());
    let placement = Placement { affine: grid.affine, resampled, spacing_mm, aligned_size, crop, padded_size, kept };
    let net_input = pad(&values, &placement);
    Ok(Prepared { net_input, placement, resampled: kept_scan, warnings })
}

/// Voxels of the network's volume by what a scan's header tells, see [`SynthSeg::network_size`](super::SynthSeg).
pub(super) fn network_size(scan: &VolumeMeta, options: &PreprocessOptions) -> Result<[usize; 3], SegError> {
    options.validate()?;
    check_scan(scan, options.compat && !options.three_spacings, &mut Vec::new())?;
    let grid = Grid::new(scan.spatial_size(), *scan.affine());
    let spacing_mm = std::array::from_fn(|axis| scan.spacing()[axis]);
    let grid = resize_of(&grid, spacing_mm, options.spacing_mm)?.map_or(grid, |resize| resize.grid());
    let aligned_size = axis_map_by_inverse(&grid.affine, &Affine::IDENTITY)?.new_size(grid.size);
    let part = options.crop.map(|crop| middle(aligned_size, crop.map(up_to_multiple)));
    Ok(padding(part.map_or(aligned_size, |part| part.size()), options.least_size()).0)
}

/// How a scan is brought to voxels of `target` mm, where they are not about that.
fn resize_of(grid: &Grid, spacing_mm: [f64; 3], target: f64) -> Result<Option<SpacingResize>, SegError> {
    let is_off = |mm: &f64| {
        let ratio = *mm / target;
        !(1.0 - SPACING_TOLERANCE..=1.0 + SPACING_TOLERANCE).contains(&ratio)
    };
    if !spacing_mm.iter().any(is_off) {
        return Ok(None);
    }
    Ok(Some(SpacingResize::new(grid, [target; 3])?.with_literal_count(true)))
}

fn up_to_multiple(n: usize) -> usize {
    n.next_multiple_of(SIZE_MULTIPLE)
}

/// The middle of a volume, at most `wanted` large.
fn middle(size: [usize; 3], wanted: [usize; 3]) -> Bounds {
    let start = std::array::from_fn(|axis| size[axis].saturating_sub(wanted[axis]) / 2);
    Bounds { start, end: std::array::from_fn(|axis| (start[axis] + wanted[axis]).min(size[axis])) }
}

/// The box of positive values, grown to multiples of 32 where the volume allows it.
fn foreground(values: &[f64], size: [usize; 3]) -> Result<Option<Bounds>, SegError> {
    // Values are at least 0 here, so that what differs from 0 is positive.
    let Some(found) = bounding_box(values, size)? else { return Ok(None) };
    let mut bounds = Bounds::whole(size);
    for (axis, length) in size.into_iter().enumerate() {
        let (low, extent) = (found.start()[axis], found.size()[axis] + 1);
        let wanted = up_to_multiple(extent);
        bounds.start[axis] = low.saturating_sub((wanted - extent) / 2);
        bounds.end[axis] = (bounds.start[axis] + wanted).min(length);
    }
    Ok(Some(bounds))
}

fn rescale(values: &mut [f64], ct: bool) -> Result<(), SegError> {
    if ct {
        clip(values, CT_RANGE[0], CT_RANGE[1])?;
    }
    let ends = percentiles(values, &PERCENTILES, NanRule::Propagate)?;
    Ok(rescale_unit(values, ends[0], ends[1])?)
}

/// Size of the network's volume and where the part lies in it.
fn padding(size: [usize; 3], least: [usize; 3]) -> ([usize; 3], Bounds) {
    let padded: [usize; 3] = std::array::from_fn(|axis| up_to_multiple(size[axis].max(least[axis])));
    let start = std::array::from_fn(|axis| (padded[axis] - size[axis]) / 2);
    (padded, Bounds { start, end: std::array::from_fn(|axis| start[axis] + size[axis]) })
}

fn pad(values: &[f64], placement: &Placement) -> Vec<f32> {
    let ([px, py, pz], kept) = (placement.padded_size, placement.kept);
    let [nx, ny, nz] = kept.size();
    let mut padded = vec![0.0f32; px * py * pz];
    padded.par_chunks_exact_mut(px * py).enumerate().skip(kept.start[2]).take(nz).for_each(|(pz, plane)| {
        let z = pz - kept.start[2];
        for y in 0..ny {
            let row = &mut plane[(y + kept.start[1]) * px + kept.start[0]..][..nx];
            for (to, from) in row.iter_mut().zip(&values[(z * ny + y) * nx..]) {
                *to = *from as f32;
            }
        }
    });
    padded
}

#[cfg(test)]
mod tests {
    use super::{foreground, middle, padding};
    use crate::synthseg::Bounds;

    #[test]
    fn the_middle_is_cut_and_padded() {
        let cut = middle([40, 32, 36], [32, 32, 64]);
        assert_eq!(cut, Bounds { start: [4, 0, 0], end: [36, 32, 36] });
        assert_eq!(middle([41, 33, 35], [32; 3]).start, [4, 0, 1]);
        let (padded, kept) = padding([47, 49, 38], [32; 3]);
        assert_eq!((padded, kept.start, kept.end), ([64; 3], [8, 7, 13], [55, 56, 51]));
        assert_eq!(padding([32, 32, 36], [32, 20, 40]).0, [32, 32, 64]);
        assert_eq!(padding([129, 1, 128], [128; 3]).0, [160, 128, 128]);
    }

    #[test]
    fn the_foreground_box_grows_to_multiples() {
        let size = [70, 64, 40];
        let mut values = vec![0.0; 70 * 64 * 40];
        assert_eq!(foreground(&values, size).unwrap(), None);
        // One voxel at (30, 2, 39): extent 2, 32 wanted, 15 before.
        values[30 + 70 * (2 + 64 * 39)] = 0.5;
        let found = foreground(&values, size).unwrap().unwrap();
        assert_eq!(found, Bounds { start: [15, 0, 24], end: [47, 32, 40] });
    }
}
