//! Which scans SynthSeg takes: the rules of dimensions and channels.

use volkit_core::{Region, Volume, VolumeMeta, read_vec};

use crate::SegError;

/// Longest last axis that counts as channels.
const MOST_CHANNELS: usize = 10;
/// Fewest slices: a volume of fewer is a picture, maybe with colours.
const FEWEST_SLICES: usize = 4;

/// The volume of a scan that is segmented.
#[derive(Debug)]
pub(crate) struct ScanVolume {
    pub(crate) size: [usize; 3],
    /// Voxel size as recorded.
    pub(crate) spacing_mm: [f64; 3],
    pub(crate) values: Vec<f64>,
    pub(crate) warnings: Vec<String>,
}

fn refuse<T>(field: &'static str, value: String, why: &'static str) -> Result<T, SegError> {
    Err(SegError::Scan { field, value, why })
}

impl ScanVolume {
    /// Takes the first volume of a scan. `three_spacings`: the header stores three voxel sizes whatever the axes are.
    pub(crate) fn of(scan: &Volume, compat: bool, three_spacings: bool) -> Result<Self, SegError> {
        let mut warnings = Vec::new();
        check_scan(scan.meta(), compat && !three_spacings, &mut warnings)?;
        let size = scan.meta().spatial_size();
        let spacing_mm = std::array::from_fn(|axis| scan.meta().spacing()[axis]);
        let mut first = vec![1; scan.shape().len()];
        first[..3].copy_from_slice(&size);
        let first = Region::new(vec![0; first.len()], first)?;
        let mut values = read_vec(scan, &first).map_err(|error| match error.downcast() {
            Ok(core) => SegError::Core(*core),
            Err(source) => SegError::ReadTensor { tensor: "scan".into(), source },
        })?;
        fill_gaps(&mut values, &mut warnings)?;
        Ok(Self { size, spacing_mm, values, warnings })
    }
}

/// Whether a scan with that header can be segmented; `strict` as in [`check_axes`].
pub(crate) fn check_scan(scan: &VolumeMeta, strict: bool, warnings: &mut Vec<String>) -> Result<(), SegError> {
    if !scan.dtype().is_real() {
        return refuse("element type", scan.dtype().to_string(), "a scan has one real number a voxel");
    }
    let affine = scan.affine();
    if !affine.is_finite() || affine.inverse().is_err() {
        return refuse("affine", format!("{:?}", affine.rows()), "is singular or not finite");
    }
    check_axes(scan.shape(), strict, warnings)
}

/// Whether a scan of that shape can be segmented; `strict` refuses what the reference program stumbles over.
fn check_axes(shape: &[usize], strict: bool, warnings: &mut Vec<String>) -> Result<(), SegError> {
    let text = || format!("{shape:?}");
    if shape.contains(&0) {
        return refuse("shape", text(), "a scan has voxels");
    }
    let axes: Vec<usize> = shape.iter().copied().filter(|&n| n != 1).collect();
    if axes.len() < 3 || shape[..3].contains(&1) {
        return refuse("shape", text(), "a scan has 3 dimensions; this one is a single slice");
    }
    let last = axes[axes.len() - 1];
    match axes.len() {
        3 if last < FEWEST_SLICES => refuse(
            "shape",
            text(),
            "either a picture with several channels or a volume of at most 3 slices: nothing good can come of it",
        ),
        3 if last <= MOST_CHANNELS && strict => {
            refuse("shape", text(), "at most 10 slices count as channels, so that 2 voxel sizes are left for 3 axes")
        }
        3 => {
            if last <= MOST_CHANNELS {
                warnings.push(format!("the scan has {last} slices only"));
            }
            Ok(())
        }
        4 if last > MOST_CHANNELS && strict => {
            refuse("shape", text(), "more than 10 volumes count as a fourth axis, so that 4 voxel sizes meet 3 axes")
        }
        4 => {
            warnings.push(format!("the scan holds {last} volumes; the first one is segmented"));
            Ok(())
        }
        _ => refuse("shape", text(), "a scan has 3 dimensions and at most one more"),
    }
}

/// Sets values that are not finite to the smallest finite one.
fn fill_gaps(values: &mut [f64], warnings: &mut Vec<String>) -> Result<(), SegError> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (count, low) = finite.fold((0usize, f64::INFINITY), |(count, low), value| (count + 1, low.min(value)));
    if count == values.len() {
        return Ok(());
    }
    if count == 0 {
        return refuse("values", format!("{} voxels, none finite", values.len()), "there is nothing to segment");
    }
    warnings.push(format!("{} voxels are NaN or infinite; they count as {low}, the minimum", values.len() - count));
    values.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = low);
    Ok(())
}
