//! Comparing two volumes.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::Serialize;
use volkit_bench::{LabelDice, compare_voxels, dice};
use volkit_core::{BoxError, Volume};
use volkit_io::read;

use crate::args::DiffArgs;
use crate::diff::Verdict;

/// A corner voxel that lies elsewhere by more than this, in millimetres, makes two volumes differ.
const PLACE_TOLERANCE_MM: f64 = 1e-3;
/// A volume with more values than this is no label map.
const MOST_LABELS: usize = 1000;

/// How two volumes differ.
#[derive(Debug, Serialize)]
pub(crate) struct VolumeDiff {
    same: bool,
    a: Side,
    b: Side,
    /// Largest distance between the places of the same corner voxel, in millimetres; none where shapes differ.
    largest_shift_mm: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voxels: Option<VoxelDiff>,
}

#[derive(Debug, Serialize)]
struct Side {
    file: String,
    shape: Vec<usize>,
    dtype: String,
}

/// How the voxels of two volumes of one shape differ.
#[derive(Debug, Serialize)]
struct VoxelDiff {
    n: u64,
    /// By more than the tolerance.
    different: u64,
    allowed: u64,
    tolerance: f64,
    /// None where the voxels are no real numbers.
    max_difference: Option<f64>,
    mean_absolute_difference: Option<f64>,
    /// Pairs of which one value is NaN or infinite and the other is not the same.
    not_finite: u64,
    /// Of label maps: every label of either.
    labels: Vec<LabelDice>,
}

pub(crate) fn compare_files(args: &DiffArgs) -> Result<VolumeDiff, BoxError> {
    let (a, b) = (read(&args.a)?.into_volume(), read(&args.b)?.into_volume());
    let mut report =
        VolumeDiff { same: false, a: side(&args.a, &a), b: side(&args.b, &b), largest_shift_mm: None, voxels: None };
    if a.shape() != b.shape() {
        return Ok(report);
    }
    let shift = largest_shift_mm(&a, &b);
    let voxels = voxel_differences(&a, &b, args)?;
    report.same = shift <= PLACE_TOLERANCE_MM && voxels.different <= voxels.allowed;
    report.largest_shift_mm = Some(shift);
    report.voxels = Some(voxels);
    Ok(report)
}

fn side(path: &Path, volume: &Volume) -> Side {
    Side { file: path.display().to_string(), shape: volume.shape().to_vec(), dtype: volume.dtype().to_string() }
}

/// Largest distance that a corner voxel of `a` has from the same voxel of `b`.
fn largest_shift_mm(a: &Volume, b: &Volume) -> f64 {
    let size = a.meta().spatial_size();
    let shift = |corner: usize| {
        let index =
            [0, 1, 2].map(|axis| if corner >> axis & 1 == 1 { size[axis].saturating_sub(1) as f64 } else { 0.0 });
        let (p, q) = (a.affine().apply(index), b.affine().apply(index));
        p.iter().zip(q).map(|(p, q)| (p - q) * (p - q)).sum::<f64>().sqrt()
    };
    (0..8).map(shift).fold(0.0, f64::max)
}

fn voxel_differences(a: &Volume, b: &Volume, args: &DiffArgs) -> Result<VoxelDiff, BoxError> {
    let n = a.meta().n_voxels() as u64;
    let mut report = VoxelDiff {
        n,
        different: n,
        allowed: args.max_different,
        tolerance: args.tolerance,
        max_difference: None,
        mean_absolute_difference: None,
        not_finite: 0,
        labels: Vec::new(),
    };
    if !a.dtype().is_real() || !b.dtype().is_real() {
        // Colours and complex numbers are the same or they are not.
        if a.dtype() == b.dtype() {
            let size = a.dtype().size();
            let (left, right) = (a.voxels().view().bytes(), b.voxels().view().bytes());
            let pairs = left.chunks_exact(size).zip(right.chunks_exact(size));
            report.different = pairs.filter(|(left, right)| left != right).count() as u64;
        }
        return Ok(report);
    }
    let (difference, different) = compare_voxels(a.voxels().view(), b.voxels().view(), args.tolerance)?;
    report.different = different;
    report.max_difference = Some(difference.max);
    report.mean_absolute_difference = Some(difference.mean_absolute);
    report.not_finite = difference.n_mismatch;
    // Labels are small, so f64 holds them whatever type they are stored in.
    let (left, right) = (a.to_real::<f64>()?, b.to_real::<f64>()?);
    if is_label_map(&left) && is_label_map(&right) {
        let labels = |values: &[f64]| values.iter().map(|&x| x as i64).collect::<Vec<_>>();
        report.labels = dice(&labels(&left), &labels(&right))?;
    }
    Ok(report)
}

/// Whether the values are few whole numbers.
fn is_label_map(values: &[f64]) -> bool {
    let mut labels = BTreeSet::new();
    let mut last = f64::NAN;
    for &value in values {
        if value == last {
            continue;
        }
        last = value;
        if value.fract() != 0.0 || value.abs() > 1e9 {
            return false;
        }
        labels.insert(value as i64);
        if labels.len() > MOST_LABELS {
            return false;
        }
    }
    true
}

impl Verdict for VolumeDiff {
    fn is_same(&self) -> bool {
        self.same
    }
}

impl fmt::Display for VolumeDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, side) in [("a", &self.a), ("b", &self.b)] {
            writeln!(f, "{name}: {} {:?} {}", side.file, side.shape, side.dtype)?;
        }
        let (Some(shift), Some(voxels)) = (self.largest_shift_mm, &self.voxels) else {
            return writeln!(f, "the shapes differ");
        };
        writeln!(f, "largest shift of a corner: {shift:.6} mm (tolerance {PLACE_TOLERANCE_MM} mm)")?;
        let percent = 100.0 * voxels.different as f64 / (voxels.n as f64).max(1.0);
        writeln!(
            f,
            "voxels that differ: {} of {} ({percent:.6} %), {} allowed, tolerance {}",
            voxels.different, voxels.n, voxels.allowed, voxels.tolerance
        )?;
        if let (Some(max), Some(mean)) = (voxels.max_difference, voxels.mean_absolute_difference) {
            writeln!(f, "largest difference: {max}, mean absolute difference: {mean:.6e}")?;
        }
        if voxels.not_finite > 0 {
            writeln!(f, "NaN or infinite on one side only: {}", voxels.not_finite)?;
        }
        if !voxels.labels.is_empty() {
            writeln!(f, "{:>8} {:>10} {:>10} {:>10}", "label", "voxels a", "voxels b", "Dice")?;
        }
        for label in &voxels.labels {
            writeln!(f, "{:>8} {:>10} {:>10} {:>10.6}", label.label, label.n_left, label.n_right, label.dice)?;
        }
        Ok(())
    }
}
