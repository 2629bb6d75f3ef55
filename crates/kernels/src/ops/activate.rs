//! An activation by itself.

use std::ops::Range;

use super::rows::{Loader, map_rows, store};
use crate::conv::Activation;
use crate::simd::{Body, Lane, Math, dispatch};
use crate::{Isa, KernelError, Planes, PlanesMut, Threads};

/// Applies an [`Activation`] to each value. Convolutions do it as they write; this is for tensors that are wanted
/// both with and without.
#[derive(Clone, Debug)]
pub struct Activate {
    activation: Activation,
    isa: Isa,
}

impl Activate {
    /// The operation with kernels for `isa`.
    ///
    /// # Errors
    /// [`KernelError::IsaUnavailable`].
    pub fn new(activation: Activation, isa: Isa) -> Result<Self, KernelError> {
        Ok(Self { activation, isa: isa.require()? })
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
        map_rows("activation", source, out, planes, threads, |source, out| {
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(self.isa, Row { source, out, activation: self.activation }) }
        })
    }
}

/// The activation of a vector.
#[inline(always)]
pub(super) fn activated<L: Lane>(x: L, activation: Activation) -> L {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.relu(),
        Activation::LeakyRelu(slope) => x.leaky_relu(slope),
        Activation::Elu => x.elu(),
        Activation::Gelu => x.gelu(),
    }
}

struct Row<'a> {
    source: &'a [f32],
    out: &'a mut [f32],
    activation: Activation,
}

impl Body for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        // SAFETY: the caller vouches for the instruction set.
        let lanes = unsafe { Loader::<L>::new() };
        let end = self.out.len();
        for at in (0..end).step_by(L::N) {
            store(activated(lanes.load(self.source, at, end), self.activation), self.out, at, end);
        }
    }
}
