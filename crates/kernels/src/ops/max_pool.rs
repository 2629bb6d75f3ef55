//! Max-pooling by 2 along all axes.

use std::ops::Range;

use super::rows::{Loader, check_channels, check_planes, check_source, row, split, store};
use crate::simd::{Body, Lane, dispatch};
use crate::{Isa, KernelError, Planes, PlanesMut, Threads};

/// 2x2x2 max-pooling with stride 2, of `scale[c] * x + shift[c]` where these are given.
///
/// Scale and shift come before the maximum, because with a negative factor the two do not commute. A last plane, row
/// or column without a partner is dropped. Where a window holds a NaN, the maximum is that of some of its values.
#[derive(Clone, Debug)]
pub struct MaxPool {
    channels: usize,
    scale_shift: Option<(Vec<f32>, Vec<f32>)>,
    isa: Isa,
}

impl MaxPool {
    /// The operation for `channels` channels with kernels for `isa`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when `scale_shift` has another length; [`KernelError::IsaUnavailable`].
    pub fn new(channels: usize, scale_shift: Option<(&[f32], &[f32])>, isa: Isa) -> Result<Self, KernelError> {
        if let Some((scale, shift)) = scale_shift {
            check_channels("max_pool", "scale", scale, channels)?;
            check_channels("max_pool", "shift", shift, channels)?;
        }
        let scale_shift = scale_shift.map(|(scale, shift)| (scale.to_vec(), shift.to_vec()));
        Ok(Self { channels, scale_shift, isa: isa.require()? })
    }

    /// Computes `planes` of `out`, whose size is half that of `source` (rounded down), from planes
    /// `2 * planes.start..2 * planes.end` of `source`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when the tensors do not fit each other or this operation, or `planes` does not fit.
    pub fn run(
        &self,
        source: &Planes<'_>,
        out: &mut PlanesMut<'_>,
        planes: Range<usize>,
        threads: &Threads,
    ) -> Result<(), KernelError> {
        let layout = *out.layout();
        check_planes("max_pool", &layout, &planes)?;
        check_source("max_pool", source, source.layout().size(), self.channels)?;
        let half = source.layout().size().map(|n| n / 2);
        if layout.size() != half || layout.channels != self.channels {
            return Err(KernelError::Shape {
                op: "max_pool",
                wanted: format!("a result of size {half:?} with {} channels", self.channels),
                got: format!("{:?} with {}", layout.size(), layout.channels),
            });
        }
        threads.for_each_mut(&mut split(out, &planes), |rows| {
            let z = 2 * rows.z;
            rows.each(|y, out| {
                let pairs = [(z, 2 * y), (z, 2 * y + 1), (z + 1, 2 * y), (z + 1, 2 * y + 1)];
                let source = pairs.map(|(z, y)| row(source, z, y));
                match &self.scale_shift {
                    // SAFETY: the body asks for nothing beyond the instruction set.
                    None => unsafe { dispatch(self.isa, Row { source, out, channels: self.channels }) },
                    // SAFETY: as above.
                    Some((scale, shift)) => unsafe { dispatch(self.isa, ScaledRow { source, out, scale, shift }) },
                }
            });
        });
        Ok(())
    }
}

struct Row<'a> {
    source: [&'a [f32]; 4],
    out: &'a mut [f32],
    channels: usize,
}

impl Body for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        // SAFETY: the caller vouches for the instruction set.
        let lanes = unsafe { Loader::<L>::new() };
        pool(lanes, self.source, self.out, self.channels, |x, _| x);
    }
}

struct ScaledRow<'a> {
    source: [&'a [f32]; 4],
    out: &'a mut [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

impl Body for ScaledRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        // SAFETY: the caller vouches for the instruction set.
        let lanes = unsafe { Loader::<L>::new() };
        let channels = self.scale.len();
        pool(lanes, self.source, self.out, channels, |x, c| {
            x.mul_add(lanes.load(self.scale, c, channels), lanes.load(self.shift, c, channels))
        });
    }
}

#[inline(always)]
fn pool<L: Lane>(lanes: Loader<L>, source: [&[f32]; 4], out: &mut [f32], channels: usize, of: impl Fn(L, usize) -> L) {
    for (x, out) in out.chunks_exact_mut(channels).enumerate() {
        let windows = source.map(|row| &row[2 * x * channels..2 * (x + 1) * channels]);
        for c in (0..channels).step_by(L::N) {
            let mut most = of(lanes.load(windows[0], c, channels), c);
            most = most.max(of(lanes.load(windows[0], channels + c, 2 * channels), c));
            for window in &windows[1..] {
                most = most.max(of(lanes.load(window, c, channels), c));
                most = most.max(of(lanes.load(window, channels + c, 2 * channels), c));
            }
            store(most, out, c, channels);
        }
    }
}
