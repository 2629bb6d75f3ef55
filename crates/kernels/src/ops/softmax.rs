//! Softmax over channels.

use std::ops::Range;

use super::rows::{Loader, map_rows, store};
use crate::simd::{Body, Lane, Math, dispatch};
use crate::{Isa, KernelError, Planes, PlanesMut, Threads};

/// Voxels that go through all passes together: a multiple of every vector's length, few enough for the first cache, and
/// so many that a pass reads what the one before wrote from the cache rather than from pending stores.
const GROUP: usize = 64;

/// `exp(x[c] - max x) / sum_k exp(x[k] - max x)` at each voxel, summed in the order of channels; the quotient is a
/// product with the reciprocal.
///
/// A voxel with a NaN or a positive infinity becomes NaN in all channels.
#[derive(Clone, Debug)]
pub struct Softmax {
    isa: Isa,
}

impl Softmax {
    /// The operation with kernels for `isa`.
    ///
    /// # Errors
    /// [`KernelError::IsaUnavailable`].
    pub fn new(isa: Isa) -> Result<Self, KernelError> {
        Ok(Self { isa: isa.require()? })
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
        let channels = out.layout().channels;
        map_rows("softmax", source, out, planes, threads, |source, out| {
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(self.isa, Row { source, out, channels }) }
        })
    }
}

struct Row<'a> {
    source: &'a [f32],
    out: &'a mut [f32],
    channels: usize,
}

impl Body for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        // SAFETY: the caller vouches for the instruction set.
        let lanes = unsafe { Loader::<L>::new() };
        let channels = self.channels;
        for (x, out) in self.source.chunks(GROUP * channels).zip(self.out.chunks_mut(GROUP * channels)) {
            let mut most = [0.0; GROUP];
            for (x, most) in x.chunks(L::N * channels).zip(most.chunks_exact_mut(L::N)) {
                store(across(x, channels, lanes.splat(f32::NEG_INFINITY), L::max), most, 0, L::N);
            }
            for ((x, out), most) in x.chunks_exact(channels).zip(out.chunks_exact_mut(channels)).zip(most) {
                let most = lanes.splat(most);
                for c in (0..channels).step_by(L::N) {
                    store(lanes.load(x, c, channels).sub(most), out, c, channels);
                }
            }
            // Over voxel borders, so that all lanes have work.
            let end = out.len();
            for at in (0..end).step_by(L::N) {
                store(lanes.load(out, at, end).exp(), out, at, end);
            }
            let mut factors = [0.0; GROUP];
            for (out, factors) in out.chunks(L::N * channels).zip(factors.chunks_exact_mut(L::N)) {
                let sums = across(out, channels, lanes.splat(0.0), L::add);
                store(lanes.splat(1.0).div(sums), factors, 0, L::N);
            }
            for (voxel, factor) in out.chunks_exact_mut(channels).zip(factors) {
                let factor = lanes.splat(factor);
                for c in (0..channels).step_by(L::N) {
                    store(lanes.load(voxel, c, channels).mul(factor), voxel, c, channels);
                }
            }
        }
    }
}

/// Folds the channels of up to `N` voxels in order; lane `i` is voxel `i`.
#[inline(always)]
fn across<L: Lane>(voxels: &[f32], channels: usize, start: L, fold: impl Fn(L, L) -> L) -> L {
    let rows = voxels.len() / channels;
    let mut folded = start;
    for c in (0..channels).step_by(4) {
        let cols = (channels - c).min(4);
        assert!(rows > 0 && rows <= L::N && voxels.len() >= rows * channels);
        // SAFETY: `rows` rows of `channels` floats lie in `voxels`, and columns `c..c + cols` in each of them; `start`
        // shows that the instruction set is there.
        let columns = unsafe { L::columns(voxels.as_ptr().add(c), channels, rows, cols) };
        for column in columns.into_iter().take(cols) {
            folded = fold(folded, column);
        }
    }
    folded
}
