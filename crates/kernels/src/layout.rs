//! How activations lie in memory.

use std::borrow::Cow;
use std::ops::Range;

use crate::KernelError;

/// Geometry of a channels-last activation `[d][h][w][c]` that is kept as a ring of depth planes.
///
/// Plane `z` (of `depth`) lies in slot `z % slots`; a tensor that is whole in memory has `slots == depth`. Every row of
/// a plane is `pad_w` voxels of zeros, `width` voxels, `pad_w` voxels of zeros: a kernel may read the padding and must
/// never write it. There is no padding along depth and height: kernels clip their taps there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Planes of the tensor (not of the memory).
    pub depth: usize,
    /// Rows of a plane.
    pub height: usize,
    /// Voxels of a row, without padding.
    pub width: usize,
    /// Channels of a voxel.
    pub channels: usize,
    /// Zero voxels before and after each row.
    pub pad_w: usize,
    /// Planes that memory holds.
    pub slots: usize,
}

impl Layout {
    /// A tensor that is whole in memory, without padding.
    #[must_use]
    pub fn dense([depth, height, width]: [usize; 3], channels: usize) -> Self {
        Self { depth, height, width, channels, pad_w: 0, slots: depth }
    }

    /// The same with `pad_w` zero voxels at both ends of each row.
    #[must_use]
    pub fn with_pad_w(self, pad_w: usize) -> Self {
        Self { pad_w, ..self }
    }

    /// The same kept as a ring of `slots` planes.
    #[must_use]
    pub fn with_slots(self, slots: usize) -> Self {
        Self { slots, ..self }
    }

    /// Size `[depth, height, width]`.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        [self.depth, self.height, self.width]
    }

    /// Floats from one row to the next.
    #[must_use]
    pub fn row_stride(&self) -> usize {
        (self.width + 2 * self.pad_w) * self.channels
    }

    /// Floats from one plane to the next.
    #[must_use]
    pub fn plane_stride(&self) -> usize {
        self.height * self.row_stride()
    }

    /// Floats that memory must hold.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots * self.plane_stride()
    }

    /// [`Layout::len`], or nothing where it exceeds `usize`.
    #[must_use]
    pub fn checked_len(&self) -> Option<usize> {
        let row = self.pad_w.checked_mul(2)?.checked_add(self.width)?.checked_mul(self.channels)?;
        row.checked_mul(self.height)?.checked_mul(self.slots)
    }

    /// Whether the tensor has no voxel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Index of the first channel of voxel `(z, y, 0)`, behind the row's left padding.
    #[must_use]
    pub fn row_offset(&self, z: usize, y: usize) -> usize {
        (z % self.slots) * self.plane_stride() + y * self.row_stride() + self.pad_w * self.channels
    }

    /// Index range of the voxels of row `(z, y)`, without the padding.
    #[must_use]
    pub fn row(&self, z: usize, y: usize) -> Range<usize> {
        let start = self.row_offset(z, y);
        start..start + self.width * self.channels
    }
}

/// A tensor to read: memory and its [`Layout`].
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    layout: Layout,
    data: &'a [f32],
    upsample: bool,
}

impl<'a> Planes<'a> {
    /// A view of `data`.
    ///
    /// # Errors
    /// When `data` has not exactly [`Layout::len`] floats, or the layout is one that no memory can hold.
    pub fn new(data: &'a [f32], layout: Layout) -> Result<Self, KernelError> {
        check_len("Planes::new", data.len(), &layout)?;
        Ok(Self { layout, data, upsample: false })
    }

    /// The same tensor read through nearest-neighbour up-sampling by 2 along all three axes: voxel `(z, y, x)` of the
    /// view is voxel `(z / 2, y / 2, x / 2)` of memory.
    #[must_use]
    pub fn upsampled(self) -> Self {
        Self { upsample: true, ..self }
    }

    /// Geometry of the memory (before up-sampling).
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether the view up-samples.
    #[must_use]
    pub fn is_upsampled(&self) -> bool {
        self.upsample
    }

    /// Size `[depth, height, width]` of the view.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        let factor = if self.upsample { 2 } else { 1 };
        self.layout.size().map(|n| n.saturating_mul(factor))
    }

    /// The memory.
    #[must_use]
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Plane `z` of the memory without its padding, `[height][width][channels]`.
    ///
    /// # Panics
    /// When a ring of no slots is asked for a plane.
    #[must_use]
    pub fn dense_plane(&self, z: usize) -> Cow<'a, [f32]> {
        let Self { layout, data, .. } = *self;
        if layout.pad_w == 0 {
            let start = layout.row_offset(z, 0);
            return Cow::Borrowed(&data[start..start + layout.plane_stride()]);
        }
        Cow::Owned((0..layout.height).flat_map(|y| &data[layout.row(z, y)]).copied().collect())
    }
}

/// A tensor to write: memory and its [`Layout`].
#[derive(Debug)]
pub struct PlanesMut<'a> {
    layout: Layout,
    data: &'a mut [f32],
}

impl<'a> PlanesMut<'a> {
    /// A view of `data`. The padding must already be zero.
    ///
    /// # Errors
    /// When `data` has not exactly [`Layout::len`] floats, or the layout is one that no memory can hold.
    pub fn new(data: &'a mut [f32], layout: Layout) -> Result<Self, KernelError> {
        check_len("PlanesMut::new", data.len(), &layout)?;
        Ok(Self { layout, data })
    }

    /// Geometry of the memory.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The memory.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        self.data
    }

    /// The memory, to write.
    pub fn data_mut(&mut self) -> &mut [f32] {
        self.data
    }
}

fn check_len(op: &'static str, len: usize, layout: &Layout) -> Result<(), KernelError> {
    let shape_error = |wanted: String| Err(KernelError::Shape { op, wanted, got: format!("{len}") });
    // Up-sampling doubles the size, so half of the range is left free.
    let depth_fits = layout.depth <= usize::MAX / 4 && (layout.slots > 0 || layout.depth == 0);
    match layout.checked_len() {
        Some(wanted) if wanted == len && depth_fits => Ok(()),
        Some(wanted) if depth_fits => shape_error(format!("{wanted} floats for {layout:?}")),
        _ => shape_error(format!("a layout that memory can hold, not {layout:?}")),
    }
}
