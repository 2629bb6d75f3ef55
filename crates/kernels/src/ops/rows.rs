//! How operations share out the rows of their result, and what they check first.

use std::marker::PhantomData;
use std::ops::Range;

use crate::simd::Lane;
use crate::{KernelError, Layout, Planes, PlanesMut, Threads};

/// Floats of a task: enough to outweigh handing it out, little enough to share a plane among many threads.
const TASK_FLOATS: usize = 1 << 13;

/// Rows `y0..y0 + n` of plane `z` of a tensor.
pub(super) struct Rows<'a> {
    pub(super) z: usize,
    y0: usize,
    layout: Layout,
    data: &'a mut [f32],
}

impl Rows<'_> {
    /// Each row's number and its voxels, without the padding.
    pub(super) fn each(&mut self, mut visit: impl FnMut(usize, &mut [f32])) {
        let (pad, len) = (self.layout.pad_w * self.layout.channels, self.layout.width * self.layout.channels);
        for (i, row) in self.data.chunks_exact_mut(self.layout.row_stride()).enumerate() {
            visit(self.y0 + i, &mut row[pad..pad + len]);
        }
    }
}

/// Shares the rows of `planes` out into tasks.
pub(super) fn split<'a>(out: &'a mut PlanesMut<'_>, planes: &Range<usize>) -> Vec<Rows<'a>> {
    let layout = *out.layout();
    if layout.is_empty() || layout.width == 0 || planes.is_empty() {
        return Vec::new();
    }
    let first_slot = planes.start % layout.slots;
    let n_rows = (TASK_FLOATS / layout.row_stride()).max(1);
    let mut tasks = Vec::new();
    for (slot, plane) in out.data_mut().chunks_exact_mut(layout.plane_stride()).enumerate() {
        let z = planes.start + (slot + layout.slots - first_slot) % layout.slots;
        if z < planes.end {
            for (i, data) in plane.chunks_mut(n_rows * layout.row_stride()).enumerate() {
                tasks.push(Rows { z, y0: i * n_rows, layout, data });
            }
        }
    }
    tasks.sort_by_key(|rows| (rows.z, rows.y0));
    tasks
}

/// Computes each row of `planes` of `out` from the same row of a source of its size and channels.
pub(super) fn map_rows(
    op: &'static str,
    source: &Planes<'_>,
    out: &mut PlanesMut<'_>,
    planes: Range<usize>,
    threads: &Threads,
    compute: impl Fn(&[f32], &mut [f32]) + Sync,
) -> Result<(), KernelError> {
    let layout = *out.layout();
    check_planes(op, &layout, &planes)?;
    check_source(op, source, layout.size(), layout.channels)?;
    threads.for_each_mut(&mut split(out, &planes), |rows| {
        let z = rows.z;
        rows.each(|y, out| compute(row(source, z, y), out));
    });
    Ok(())
}

/// Refuses planes that the result does not have, or that its ring can not hold at once.
pub(super) fn check_planes(op: &'static str, layout: &Layout, planes: &Range<usize>) -> Result<(), KernelError> {
    if planes.end <= layout.depth && planes.len() <= layout.slots {
        return Ok(());
    }
    Err(KernelError::Shape {
        op,
        wanted: format!("planes within 0..{}, at most {} at once", layout.depth, layout.slots),
        got: format!("{planes:?}"),
    })
}

/// Refuses a source that is up-sampled, or whose size and channels are not the wanted ones.
pub(super) fn check_source(
    op: &'static str,
    source: &Planes<'_>,
    size: [usize; 3],
    channels: usize,
) -> Result<(), KernelError> {
    let layout = source.layout();
    if !source.is_upsampled() && layout.size() == size && layout.channels == channels {
        return Ok(());
    }
    Err(KernelError::Shape {
        op,
        wanted: format!("a source of size {size:?} with {channels} channels, not up-sampled"),
        got: format!("{:?} with {}, up-sampled: {}", layout.size(), layout.channels, source.is_upsampled()),
    })
}

/// Refuses a per-channel parameter of another length.
pub(super) fn check_channels(op: &'static str, what: &str, values: &[f32], channels: usize) -> Result<(), KernelError> {
    if values.len() == channels {
        return Ok(());
    }
    Err(KernelError::Shape { op, wanted: format!("{channels} values of {what}"), got: values.len().to_string() })
}

/// Voxels of row `(z, y)`.
pub(super) fn row<'a>(source: &Planes<'a>, z: usize, y: usize) -> &'a [f32] {
    &source.data()[source.layout().row(z, y)]
}

/// Reads vectors of a machine that is known to have their instruction set.
pub(super) struct Loader<L>(PhantomData<L>);

impl<L> Clone for Loader<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L> Copy for Loader<L> {}

impl<L: Lane> Loader<L> {
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(PhantomData)
    }

    /// All lanes `x`.
    #[inline(always)]
    pub(super) fn splat(self, x: f32) -> L {
        // SAFETY: whoever made the loader vouched for the instruction set.
        unsafe { L::splat(x) }
    }

    /// Up to `N` channels from index `at` on, zeros behind the end.
    #[inline(always)]
    pub(super) fn load(self, values: &[f32], at: usize, end: usize) -> L {
        let values = &values[at..end];
        if values.len() >= L::N {
            // SAFETY: `N` floats lie in `values`; whoever made the loader vouched for the instruction set.
            unsafe { L::load(values.as_ptr()) }
        } else {
            // SAFETY: as above, with fewer floats.
            unsafe { L::load_first(values.as_ptr(), values.len()) }
        }
    }
}

/// Writes up to `N` channels from index `at` on, none behind the end.
#[inline(always)]
pub(super) fn store<L: Lane>(vector: L, values: &mut [f32], at: usize, end: usize) {
    let values = &mut values[at..end];
    if values.len() >= L::N {
        // SAFETY: `N` floats lie in `values`.
        unsafe { vector.store(values.as_mut_ptr()) }
    } else {
        // SAFETY: fewer than `N` floats, all in `values`.
        unsafe { vector.store_first(values.as_mut_ptr(), values.len()) }
    }
}
