//! Volumes of structures by their posteriors.

use super::placement::Placement;
use super::sums::{pairwise, round_f32, round_f64};
use super::tables::{CEREBRAL_WHITE, CORTEX, Structures};
use super::tissues::{Tissues, tissues_of};
use crate::SegError;

/// Sum of the posteriors of each channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sums {
    /// Added in f32, one voxel after another.
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// Volumes of the structures in mm3: the sum of their posteriors times the volume of a voxel.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SoftVolumes {
    /// All structures together, the fluid around the brain included; version 2 only.
    pub total: Option<f64>,
    /// Each structure in the order of the channels, from channel 1 on.
    pub structures: Vec<f64>,
    /// Each parcel in the order of its channels, from channel 1 on; scaled so that they add up to the cortex.
    pub parcels: Vec<f64>,
    /// Grey matter, white matter, fluid and brain.
    pub tissues: Tissues,
    /// Whether figures are those of f32 arithmetic and are printed as such.
    pub single: bool,
}

impl SoftVolumes {
    /// With `compat` the parcels are scaled in f32, in version 2 to the white matter as the reference program does.
    pub(crate) fn new(
        structures: &Structures,
        sums: &Sums,
        parcels: Option<&Sums>,
        voxel_mm3: f64,
        compat: bool,
    ) -> Self {
        let single = matches!(sums, Sums::Single(_));
        let volumes: Vec<f64> = match sums {
            Sums::Single(sums) => sums[1..].iter().map(|&sum| f64::from(sum)).collect(),
            Sums::Double(sums) => sums[1..].to_vec(),
        };
        let of_labels = |labels: [u32; 2]| {
            let mut found = labels.iter().filter_map(|&label| structures.channel_of(label));
            let parts: [f64; 2] = std::array::from_fn(|_| found.next().map_or(0.0, |channel| volumes[channel - 1]));
            if single { f64::from(parts[0] as f32 + parts[1] as f32) } else { parts[0] + parts[1] }
        };
        let cortex = of_labels(if compat && structures.has_total() { CEREBRAL_WHITE } else { CORTEX });
        let total = structures.has_total().then(|| match sums {
            Sums::Single(sums) => f64::from(pairwise(&sums[1..])),
            Sums::Double(_) => volumes.iter().sum(),
        });
        let scaled = parcels.map_or(Vec::new(), |parcels| scaled(parcels, cortex));
        let in_mm3 = |volume: f64| {
            if single { f64::from(volume as f32 * voxel_mm3 as f32) } else { volume * voxel_mm3 }
        };
        let volumes: Vec<f64> = volumes.into_iter().map(in_mm3).collect();
        Self {
            total: total.map(in_mm3),
            tissues: tissues_of(structures, &volumes),
            structures: volumes,
            parcels: scaled.into_iter().map(in_mm3).collect(),
            single,
        }
    }

    /// The figures in the order of the table: total, structures, parcels.
    pub fn figures(&self) -> impl Iterator<Item = f64> + '_ {
        self.total.iter().chain(&self.structures).chain(&self.parcels).copied()
    }

    /// A figure rounded to three decimals, half to even, as it is printed.
    #[must_use]
    pub fn rounded(&self, figure: f64) -> f64 {
        if self.single { f64::from(round_f32(figure as f32)) } else { round_f64(figure) }
    }
}

/// Parcels scaled so that they add up to `wanted`; all 0 where there is nothing to scale.
fn scaled(parcels: &Sums, wanted: f64) -> Vec<f64> {
    match parcels {
        Sums::Single(sums) => {
            let (sum, wanted) = (pairwise(&sums[1..]), wanted as f32);
            sums[1..].iter().map(|&part| f64::from(part * (wanted / sum))).collect()
        }
        Sums::Double(sums) => {
            let sum: f64 = sums[1..].iter().sum();
            let factor = if sum > 0.0 { wanted / sum } else { 0.0 };
            sums[1..].iter().map(|part| part * factor).collect()
        }
    }
}

/// Axes in RAS along which the output runs backwards.
pub(crate) fn flipped_axes(placement: &Placement) -> Result<[bool; 3], SegError> {
    let aligned_from_scan = placement.scan_from_aligned()?.inverse();
    Ok(aligned_from_scan.flipped)
}

/// Sum of `frame` (of `size` voxels, x fastest) in f32, one voxel after another: z fastest, then y, then x, each axis
/// backwards where `flipped`.
pub(crate) fn sequential_sum(frame: &[f32], [nx, ny, nz]: [usize; 3], flipped: [bool; 3]) -> f32 {
    let along = |axis: usize, i: usize, n: usize| if flipped[axis] { n - 1 - i } else { i };
    let mut sum = 0.0f32;
    for x in (0..nx).map(|i| along(0, i, nx)) {
        for y in (0..ny).map(|j| along(1, j, ny)) {
            for z in (0..nz).map(|k| along(2, k, nz)) {
                sum += frame[x + nx * (y + ny * z)];
            }
        }
    }
    sum
}
