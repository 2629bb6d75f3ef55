//! Parcels of the cortex painted into a label map.

use rayon::prelude::*;
use volkit_kernels::Threads;

use super::placement::Bounds;
use super::posterior_sink::PosteriorSink;
use super::posteriors::Posteriors;
use super::postprocess::strongest;
use super::soft_volumes::{Sums, sequential_sum};
use super::sums::pairwise;
use super::tables::{CORTEX, parcels};
use crate::SegError;

/// Rows of a task; a constant, because sums are joined in its order.
const TASK_ROWS: usize = 8;

/// Replaces the labels of the cortex by those of the parcels, plane by plane, and sums each parcel's posterior over the
/// kept part, after normalisation with the background inside the cortex 0 and outside 1.
///
/// A voxel of the cortex without any parcel keeps its label, or becomes background with `compat`; `compat` also adds in
/// f32, one voxel after another, for which it keeps the normalised posteriors.
pub(super) struct ParcelPainter<'a> {
    /// Of the kept part, x fastest.
    labels: &'a mut [i32],
    kept: Bounds,
    size: [usize; 3],
    sums: Vec<f64>,
    /// The normalised posteriors of the kept part.
    whole: Option<Vec<f32>>,
}

impl<'a> ParcelPainter<'a> {
    /// Paints into `labels` of the part `kept` of a network's volume of `size`.
    pub(super) fn new(labels: &'a mut [i32], kept: Bounds, size: [usize; 3], compat: bool) -> Self {
        let n = parcels().len();
        let whole = compat.then(|| vec![0.0; kept.len() * n]);
        Self { labels, kept, size, sums: vec![0.0; n], whole }
    }

    /// The sum of each parcel.
    pub(super) fn sums(self) -> Sums {
        let n = self.sums.len();
        let Some(whole) = self.whole else { return Sums::Double(self.sums) };
        let sum = |channel| {
            let frame: Vec<f32> = whole.iter().skip(channel).step_by(n).copied().collect();
            sequential_sum(&frame, self.kept.size(), [false; 3])
        };
        Sums::Single((0..n).into_par_iter().map(sum).collect())
    }
}

impl PosteriorSink for ParcelPainter<'_> {
    fn take(&mut self, z: usize, plane: &[f32], threads: &Threads) -> Result<(), SegError> {
        let [nx, ny, _] = self.kept.size();
        if !(self.kept.start[2]..self.kept.end[2]).contains(&z) || nx * ny == 0 {
            return Ok(());
        }
        let (n, z) = (self.sums.len(), z - self.kept.start[2]);
        let labels = self.labels[z * nx * ny..(z + 1) * nx * ny].chunks_mut(TASK_ROWS * nx);
        let whole: Vec<Option<&mut [f32]>> = match &mut self.whole {
            Some(whole) => {
                whole[z * nx * ny * n..(z + 1) * nx * ny * n].chunks_mut(TASK_ROWS * nx * n).map(Some).collect()
            }
            None => (0..labels.len()).map(|_| None).collect(),
        };
        let tasks = labels.zip(whole).enumerate();
        let mut tasks: Vec<Rows<'_>> =
            tasks.map(|(at, (labels, whole))| Rows { y0: at * TASK_ROWS, labels, whole, sums: vec![0.0; n] }).collect();
        let (start, width) = (self.kept.start, self.size[0]);
        threads.for_each_mut(&mut tasks, |rows| {
            let first = ((start[1] + rows.y0) * width + start[0]) * n;
            rows.paint(&plane[first..], nx, width);
        });
        for rows in tasks {
            self.sums.iter_mut().zip(rows.sums).for_each(|(sum, value)| *sum += value);
        }
        Ok(())
    }
}

/// Some rows of a plane.
struct Rows<'a> {
    y0: usize,
    labels: &'a mut [i32],
    whole: Option<&'a mut [f32]>,
    sums: Vec<f64>,
}

impl Rows<'_> {
    /// Paints rows of `nx` voxels; those of `values` are `width` voxels apart.
    fn paint(&mut self, values: &[f32], nx: usize, width: usize) {
        let n = self.sums.len();
        let mut voxel = vec![0.0f32; n];
        for (at, label) in self.labels.iter_mut().enumerate() {
            voxel.copy_from_slice(&values[(at / nx * width + at % nx) * n..][..n]);
            let is_cortex = CORTEX.iter().any(|&cortex| cortex as i32 == *label);
            let is_known = normalise(&mut voxel, is_cortex);
            if is_known {
                self.sums.iter_mut().zip(&voxel).for_each(|(sum, value)| *sum += f64::from(*value));
            }
            if is_cortex && (is_known || self.whole.is_some()) {
                *label = parcels()[strongest(&voxel)].label as i32;
            }
            if let Some(whole) = &mut self.whole {
                whole[at * n..(at + 1) * n].copy_from_slice(&voxel);
            }
        }
    }
}

/// Whether the posteriors of the voxel have a sum to be divided by.
fn normalise(voxel: &mut [f32], cortex: bool) -> bool {
    voxel[0] = if cortex { 0.0 } else { 1.0 };
    let sum = pairwise(voxel);
    voxel.iter_mut().for_each(|value| *value /= sum);
    sum != 0.0
}

/// Feeds whole posteriors to a sink.
pub(super) fn feed(posteriors: &Posteriors, sink: &mut dyn PosteriorSink, threads: &Threads) -> Result<(), SegError> {
    let plane_len = posteriors.size[0] * posteriors.size[1] * posteriors.channels;
    let mut planes = posteriors.values.chunks_exact(plane_len.max(1)).enumerate();
    planes.try_for_each(|(z, plane)| sink.take(z, plane, threads))
}
