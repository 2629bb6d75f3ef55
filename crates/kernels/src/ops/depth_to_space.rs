//! Channels of a voxel to the eight voxels of twice the size.

use std::ops::Range;

use super::rows::{check_planes, check_source, row, split};
use crate::{KernelError, Planes, PlanesMut, Threads};

/// Computes `planes` of `out`, of twice the size of `source` along all axes and an eighth of its channels: voxel
/// `(2 z + i, 2 y + j, 2 x + k)` takes the channels from `((2 i + j) 2 + k) C_out` on of voxel `(z, y, x)`.
///
/// Behind a convolution of one tap it makes a transposed convolution of 2 x 2 x 2 taps and stride 2.
///
/// # Errors
/// [`KernelError::Shape`] when the tensors do not fit each other, or `planes` does not fit.
pub fn depth_to_space(
    source: &Planes<'_>,
    out: &mut PlanesMut<'_>,
    planes: Range<usize>,
    threads: &Threads,
) -> Result<(), KernelError> {
    let layout = *out.layout();
    check_planes("depth_to_space", &layout, &planes)?;
    check_source("depth_to_space", source, source.layout().size(), layout.channels.saturating_mul(8))?;
    let twice = source.layout().size().map(|n| 2 * n);
    if layout.size() != twice {
        let wanted = format!("a result of size {twice:?}");
        return Err(KernelError::Shape { op: "depth_to_space", wanted, got: format!("{:?}", layout.size()) });
    }
    // Two voxels of a row lie one behind the other in the source, too.
    let pair = 2 * layout.channels;
    threads.for_each_mut(&mut split(out, &planes), |rows| {
        let z = rows.z;
        rows.each(|y, out| {
            let first = (z % 2 * 2 + y % 2) * pair;
            let source = row(source, z / 2, y / 2);
            for (voxel, out) in source.chunks_exact(4 * pair).zip(out.chunks_exact_mut(pair)) {
                out.copy_from_slice(&voxel[first..first + pair]);
            }
        });
    });
    Ok(())
}
