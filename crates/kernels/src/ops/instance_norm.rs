//! Instance normalisation.

use std::ops::Range;

use super::activate::activated;
use super::rows::{Loader, check_channels, check_planes, check_source, row, split, store};
use crate::conv::Activation;
use crate::simd::{Body, Lane, dispatch};
use crate::{Isa, KernelError, Planes, PlanesMut, Threads};

/// `(x - mean) / sqrt(var + eps)` per channel over the whole volume, with the biased variance and no affine part, and
/// an activation of the result.
///
/// It needs its whole source twice, so it has two steps: [`InstanceNorm::statistics`], then [`InstanceNorm::run`].
#[derive(Clone, Debug)]
pub struct InstanceNorm {
    eps: f64,
    activation: Activation,
    isa: Isa,
}

/// What [`InstanceNorm::run`] needs to know of the whole volume, per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    mean: Vec<f32>,
    factor: Vec<f32>,
}

impl InstanceNorm {
    /// The operation with kernels for `isa`.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for an `eps` that is negative or not finite; [`KernelError::IsaUnavailable`].
    pub fn new(eps: f64, activation: Activation, isa: Isa) -> Result<Self, KernelError> {
        if !(eps.is_finite() && eps >= 0.0) {
            return Err(KernelError::Parameter {
                op: "instance_norm",
                name: "eps",
                value: eps.to_string(),
                why: "finite and not negative",
            });
        }
        Ok(Self { eps, activation, isa: isa.require()? })
    }

    /// Mean and variance of each channel: sums in f64, first the mean, then the squares of the differences from it,
    /// row by row and plane by plane in order.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when `source` is not whole in memory, has no voxel, or is up-sampled.
    pub fn statistics(&self, source: &Planes<'_>, threads: &Threads) -> Result<Statistics, KernelError> {
        let layout = *source.layout();
        check_source("instance_norm", source, layout.size(), layout.channels)?;
        let n = layout.size().iter().product::<usize>();
        if layout.slots < layout.depth || n == 0 || layout.channels == 0 {
            return Err(KernelError::Shape {
                op: "instance_norm",
                wanted: "a tensor that is whole in memory and not empty".into(),
                got: format!("{layout:?}"),
            });
        }
        let zero = vec![0.0; layout.channels];
        let mean: Vec<f64> = self.sums::<false>(source, &zero, threads).iter().map(|sum| sum / n as f64).collect();
        let squares = self.sums::<true>(source, &mean, threads);
        let factor = squares.iter().map(|sum| (1.0 / (sum / n as f64 + self.eps).sqrt()) as f32).collect();
        Ok(Statistics { mean: mean.iter().map(|m| *m as f32).collect(), factor })
    }

    /// Per channel, the sum of the differences from `mean`, or of their squares.
    fn sums<const SQUARE: bool>(&self, source: &Planes<'_>, mean: &[f64], threads: &Threads) -> Vec<f64> {
        let layout = source.layout();
        let mut by_plane = vec![vec![0.0; layout.channels]; layout.depth];
        let mut tasks: Vec<(usize, &mut Vec<f64>)> = by_plane.iter_mut().enumerate().collect();
        threads.for_each_mut(&mut tasks, |(z, sums)| {
            for y in 0..layout.height {
                let body = RowSums::<SQUARE> { source: row(source, *z, y), mean, sums };
                // SAFETY: the body asks for nothing beyond the instruction set.
                unsafe { dispatch(self.isa, body) }
            }
        });
        let mut total = vec![0.0; layout.channels];
        for sums in &by_plane {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        total
    }

    /// Computes `planes` of `out` from the same planes of `source` and what [`InstanceNorm::statistics`] found in it.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when the tensors differ in size or channels, or `planes` does not fit.
    pub fn run(
        &self,
        source: &Planes<'_>,
        statistics: &Statistics,
        out: &mut PlanesMut<'_>,
        planes: Range<usize>,
        threads: &Threads,
    ) -> Result<(), KernelError> {
        let layout = *out.layout();
        check_planes("instance_norm", &layout, &planes)?;
        check_source("instance_norm", source, layout.size(), layout.channels)?;
        check_channels("instance_norm", "the mean", &statistics.mean, layout.channels)?;
        threads.for_each_mut(&mut split(out, &planes), |rows| {
            let z = rows.z;
            rows.each(|y, out| {
                let body = Row { source: row(source, z, y), out, statistics, activation: self.activation };
                // SAFETY: the body asks for nothing beyond the instruction set.
                unsafe { dispatch(self.isa, body) }
            });
        });
        Ok(())
    }
}

struct RowSums<'a, const SQUARE: bool> {
    source: &'a [f32],
    mean: &'a [f64],
    sums: &'a mut [f64],
}

impl<const SQUARE: bool> Body for RowSums<'_, SQUARE> {
    type Output = ();

    /// Lanes hold f32 only; each channel has a sum of its own, so the compiler may use any vectors it likes.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        for voxel in self.source.chunks_exact(self.mean.len()) {
            for ((sum, x), mean) in self.sums.iter_mut().zip(voxel).zip(self.mean) {
                let difference = f64::from(*x) - mean;
                *sum += if SQUARE { difference * difference } else { difference };
            }
        }
    }
}

struct Row<'a> {
    source: &'a [f32],
    out: &'a mut [f32],
    statistics: &'a Statistics,
    activation: Activation,
}

impl Body for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        // SAFETY: the caller vouches for the instruction set.
        let lanes = unsafe { Loader::<L>::new() };
        let (mean, factor) = (&self.statistics.mean[..], &self.statistics.factor[..]);
        let channels = mean.len();
        for (x, out) in self.source.chunks_exact(channels).zip(self.out.chunks_exact_mut(channels)) {
            for c in (0..channels).step_by(L::N) {
                let centred = lanes.load(x, c, channels).sub(lanes.load(mean, c, channels));
                let normed = centred.mul(lanes.load(factor, c, channels));
                store(activated(normed, self.activation), out, c, channels);
            }
        }
    }
}
