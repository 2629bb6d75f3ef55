//! Posteriors on the grid of the output, as a volume with a fourth axis.

use rayon::prelude::*;
use volkit_core::Volume;

use super::placement::{Bounds, Placement};
use super::posteriors::Posteriors;
use crate::SegError;

/// The posteriors inside `placement.kept` on the grid of the output, one frame a channel; elsewhere background.
pub(crate) fn posterior_volume(posteriors: &Posteriors, placement: &Placement) -> Result<Volume, SegError> {
    let back = placement.scan_from_aligned()?;
    let size = back.new_size(placement.aligned_size);
    let [nx, ny, nz] = size;
    let channels = posteriors.channels;
    let mut out = vec![0.0f32; nx * ny * nz * channels];
    let analysed = placement.analysed();
    // Planes of all channels at one height: they are filled together, so that the input is read once.
    let mut slices: Vec<Vec<&mut [f32]>> = (0..nz).map(|_| Vec::with_capacity(channels)).collect();
    for (at, plane) in out.chunks_exact_mut((nx * ny).max(1)).enumerate() {
        slices[at % nz].push(plane);
    }
    // Rows are collected first: frames lie so far apart that single voxels of each would share a few lines of the cache.
    slices.par_iter_mut().enumerate().for_each_init(
        || vec![0.0f32; nx * channels],
        |rows, (z, planes)| {
            for y in 0..ny {
                rows.fill(0.0);
                for x in 0..nx {
                    let p = back.old_index([x, y, z], placement.aligned_size);
                    match voxel_at(posteriors, p, &analysed, &placement.kept) {
                        Some(voxel) => voxel.iter().enumerate().for_each(|(c, value)| rows[c * nx + x] = *value),
                        None => rows[x] = 1.0,
                    }
                }
                for (plane, row) in planes.iter_mut().zip(rows.chunks_exact(nx.max(1))) {
                    plane[y * nx..(y + 1) * nx].copy_from_slice(row);
                }
            }
        },
    );
    drop(slices);
    Ok(Volume::new([nx, ny, nz, channels], out, placement.affine)?)
}

/// Values of the voxel `p` of the scan in RAS; nothing outside the analysed part.
fn voxel_at<'a>(posteriors: &'a Posteriors, p: [usize; 3], analysed: &Bounds, kept: &Bounds) -> Option<&'a [f32]> {
    if (0..3).any(|axis| p[axis] < analysed.start[axis] || p[axis] >= analysed.end[axis]) {
        return None;
    }
    posteriors.voxel(std::array::from_fn(|axis| p[axis] - analysed.start[axis] + kept.start[axis]))
}
