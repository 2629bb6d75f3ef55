//! A factor and a summand per channel: batch normalisation at inference.

use std::ops::Range;

use super::rows::{Loader, check_channels, check_source, map_rows, store};
use crate::simd::{Body, Lane, dispatch};
use crate::{Isa, KernelError, Planes, PlanesMut, Threads};

/// `scale[c] * x + shift[c]`, rounded once.
#[derive(Clone, Debug)]
pub struct ScaleShift {
    scale: Vec<f32>,
    shift: Vec<f32>,
    isa: Isa,
}

impl ScaleShift {
    /// The operation for `channels` channels with kernels for `isa`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when `scale` or `shift` has another length; [`KernelError::IsaUnavailable`].
    pub fn new(channels: usize, scale: &[f32], shift: &[f32], isa: Isa) -> Result<Self, KernelError> {
        check_channels("scale_shift", "scale", scale, channels)?;
        check_channels("scale_shift", "shift", shift, channels)?;
        Ok(Self { scale: scale.to_vec(), shift: shift.to_vec(), isa: isa.require()? })
    }

    /// Computes `planes` of `out` from the same planes of `source`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when the tensors differ in size or channels, or `planes` does not fit.
    pub fn run(
        &self,
        source: &Planes<'_>,
        out: &mut PlanesMut<'_>,
        planes: Range<usize>,
        threads: &Threads,
    ) -> Result<(), KernelError> {
        check_source("scale_shift", source, out.layout().size(), self.scale.len())?;
        map_rows("scale_shift", source, out, planes, threads, |source, out| {
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(self.isa, Row { source, out, scale: &self.scale, shift: &self.shift }) }
        })
    }
}

struct Row<'a> {
    source: &'a [f32],
    out: &'a mut [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

impl Body for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        // SAFETY: the caller vouches for the instruction set.
        let lanes = unsafe { Loader::<L>::new() };
        let channels = self.scale.len();
        for (x, out) in self.source.chunks_exact(channels).zip(self.out.chunks_exact_mut(channels)) {
            for c in (0..channels).step_by(L::N) {
                let scale = lanes.load(self.scale, c, channels);
                let shift = lanes.load(self.shift, c, channels);
                store(lanes.load(x, c, channels).mul_add(scale, shift), out, c, channels);
            }
        }
    }
}
