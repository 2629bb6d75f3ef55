//! The sum of two tensors: the end of a residual block.

use std::ops::Range;

use super::activate::activated;
use super::rows::{Loader, check_planes, check_source, row, split, store};
use crate::conv::Activation;
use crate::simd::{Body, Lane, dispatch};
use crate::{Isa, KernelError, Planes, PlanesMut, Threads};

/// `activation(a + b)` of each value.
#[derive(Clone, Debug)]
pub struct Add {
    activation: Activation,
    isa: Isa,
}

impl Add {
    /// The operation with kernels for `isa`.
    ///
    /// # Errors
    /// [`KernelError::IsaUnavailable`].
    pub fn new(activation: Activation, isa: Isa) -> Result<Self, KernelError> {
        Ok(Self { activation, isa: isa.require()? })
    }

    /// Computes `planes` of `out` from the same planes of `sources`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when the tensors differ in size or channels, or `planes` does not fit.
    pub fn run(
        &self,
        sources: [&Planes<'_>; 2],
        out: &mut PlanesMut<'_>,
        planes: Range<usize>,
        threads: &Threads,
    ) -> Result<(), KernelError> {
        let layout = *out.layout();
        check_planes("add", &layout, &planes)?;
        for source in sources {
            check_source("add", source, layout.size(), layout.channels)?;
        }
        threads.for_each_mut(&mut split(out, &planes), |rows| {
            let z = rows.z;
            rows.each(|y, out| {
                let [a, b] = sources.map(|source| row(source, z, y));
                let body = Row { a, b, out, activation: self.activation };
                // SAFETY: the body asks for nothing beyond the instruction set.
                unsafe { dispatch(self.isa, body) }
            });
        });
        Ok(())
    }
}

struct Row<'a> {
    a: &'a [f32],
    b: &'a [f32],
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
            let sum = lanes.load(self.a, at, end).add(lanes.load(self.b, at, end));
            store(activated(sum, self.activation), self.out, at, end);
        }
    }
}
