//! Nearest-neighbour up-sampling by 2.

use std::ops::Range;

use super::rows::{check_planes, check_source, row, split};
use crate::{KernelError, Planes, PlanesMut, Threads};

/// Computes `planes` of `out`, of twice the size of `source` along all axes: voxel `(z, y, x)` is voxel
/// `(z / 2, y / 2, x / 2)` of `source`.
///
/// A convolution reads an up-sampled tensor directly ([`Planes::upsampled`]) and needs no memory for it.
///
/// # Errors
/// [`KernelError::Shape`] when the tensors do not fit each other, or `planes` does not fit.
pub fn upsample(
    source: &Planes<'_>,
    out: &mut PlanesMut<'_>,
    planes: Range<usize>,
    threads: &Threads,
) -> Result<(), KernelError> {
    let layout = *out.layout();
    let channels = layout.channels;
    check_planes("upsample", &layout, &planes)?;
    check_source("upsample", source, source.layout().size(), channels)?;
    let twice = source.layout().size().map(|n| 2 * n);
    if layout.size() != twice {
        let wanted = format!("a result of size {twice:?}");
        return Err(KernelError::Shape { op: "upsample", wanted, got: format!("{:?}", layout.size()) });
    }
    threads.for_each_mut(&mut split(out, &planes), |rows| {
        let z = rows.z / 2;
        rows.each(|y, out| {
            let source = row(source, z, y / 2);
            for (voxel, pair) in source.chunks_exact(channels).zip(out.chunks_exact_mut(2 * channels)) {
                pair[..channels].copy_from_slice(voxel);
                pair[channels..].copy_from_slice(voxel);
            }
        });
    });
    Ok(())
}
