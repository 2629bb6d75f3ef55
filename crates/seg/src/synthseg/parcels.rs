//! Parcels of the cortex painted into a label map.

use rayon::prelude::*;

use super::placement::Bounds;
use super::posteriors::Posteriors;
use super::postprocess::strongest;
use super::soft_volumes::{Sums, sequential_sums};
use super::sums::pairwise;
use super::tables::{CORTEX, parcels};

/// Replaces the labels of the cortex by those of the parcels and gives the sum of each parcel's posterior over the kept
/// part, after normalisation with the background inside the cortex 0 and outside 1.
///
/// `labels` are those of the kept part, x fastest. A voxel of the cortex without any parcel keeps its label, or becomes
/// background with `compat`; `compat` also adds in f32, one voxel after another.
pub(crate) fn paint_parcels(labels: &mut [i32], parcellation: &Posteriors, kept: &Bounds, compat: bool) -> Sums {
    let n = parcellation.channels;
    let [nx, ny, _] = kept.size();
    let is_cortex = |label: i32| CORTEX.iter().any(|&cortex| cortex as i32 == label);
    if labels.is_empty() {
        return Sums::Double(vec![0.0; n]);
    }
    // The sums in the reference program's order need the label map as it was.
    let single = compat.then(|| {
        let normalise = |at: usize, voxel: &mut [f32]| {
            normalise(voxel, is_cortex(labels[at]));
        };
        Sums::Single(sequential_sums(parcellation, kept, [false; 3], normalise))
    });
    let of_plane = |(z, labels): (usize, &mut [i32])| {
        let (mut sums, mut scratch) = (vec![0.0f64; n], vec![0.0f32; n]);
        for (row, labels) in labels.chunks_exact_mut(nx).enumerate() {
            let first = kept.row_start(parcellation.size, row, z) * n;
            for (label, voxel) in labels.iter_mut().zip(parcellation.values[first..].chunks_exact(n)) {
                scratch.copy_from_slice(voxel);
                let cortex = is_cortex(*label);
                let is_known = normalise(&mut scratch, cortex);
                if is_known {
                    sums.iter_mut().zip(&scratch).for_each(|(sum, value)| *sum += f64::from(*value));
                }
                if cortex && (is_known || compat) {
                    *label = parcels()[strongest(&scratch)].label as i32;
                }
            }
        }
        sums
    };
    let of_planes: Vec<Vec<f64>> = labels.par_chunks_exact_mut(nx * ny).enumerate().map(of_plane).collect();
    let mut sums = vec![0.0; n];
    for plane in of_planes {
        sums.iter_mut().zip(plane).for_each(|(sum, value)| *sum += value);
    }
    single.unwrap_or(Sums::Double(sums))
}

/// Whether the posteriors of the voxel have a sum to be divided by.
fn normalise(voxel: &mut [f32], cortex: bool) -> bool {
    voxel[0] = if cortex { 0.0 } else { 1.0 };
    let sum = pairwise(voxel);
    voxel.iter_mut().for_each(|value| *value /= sum);
    sum != 0.0
}
