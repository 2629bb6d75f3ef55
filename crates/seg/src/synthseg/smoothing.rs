//! Gaussian smoothing of posteriors as they come out of a network.

use std::ops::Range;

use volkit_kernels::{BoxError, KernelError, Layout, PlaneSink, Planes, Threads};

use super::posteriors::Posteriors;
use crate::SegError;

/// Floats of a task: enough to outweigh handing it out, little enough for the caches.
const TASK_FLOATS: usize = 1 << 15;

/// The middle and the outer weight of a Gaussian of sigma 0.5 on three voxels: `[e^-2, 1, e^-2] / (1 + 2 e^-2)`.
fn taps() -> [f32; 2] {
    let outer = (-2.0f64).exp();
    let sum = 1.0 + 2.0 * outer;
    [(1.0 / sum) as f32, (outer / sum) as f32]
}

/// Adds smoothed planes to a volume `[z][y][x][c]`, times a weight; zeros lie around the volume.
///
/// Each plane is smoothed along y and x when it comes and added to the planes before, at and behind it, so that
/// nothing is kept but the result. Every voxel gets its sums in the order of planes: the bits do not depend on threads.
pub(super) struct SmoothingSink<'a> {
    sum: &'a mut [f32],
    weight: f32,
    mirror: Option<&'a [usize]>,
}

impl<'a> SmoothingSink<'a> {
    /// A sink that adds to `sum`.
    pub(super) fn new(sum: &'a mut [f32], weight: f32) -> Self {
        Self { sum, weight, mirror: None }
    }

    /// The same for planes of a network that saw a mirror image: they are mirrored along x, and channel `c` of the sum
    /// is channel `flip_channels[c]` of the planes.
    pub(super) fn mirrored(self, flip_channels: &'a [usize]) -> Self {
        Self { mirror: Some(flip_channels), ..self }
    }

    fn add(&mut self, z: usize, tensor: &Planes<'_>, threads: &Threads) -> Result<(), KernelError> {
        let [depth, height, width] = tensor.size();
        let channels = tensor.layout().channels;
        let (row_len, plane_len) = (width * channels, height * width * channels);
        if self.sum.len() != depth * plane_len || self.mirror.is_some_and(|flip| flip.len() != channels) {
            return Err(KernelError::Shape {
                op: "SmoothingSink",
                wanted: format!("{} values, {channels} channels", depth * plane_len),
                got: format!("{} values, flip {:?}", self.sum.len(), self.mirror),
            });
        }
        if plane_len == 0 {
            return Ok(());
        }
        let first = z.saturating_sub(1);
        let planes = &mut self.sum[first * plane_len..(z + 2).min(depth) * plane_len];
        let n_rows = (TASK_FLOATS / row_len).max(1);
        let mut tasks: Vec<Rows<'_>> =
            (0..height).step_by(n_rows).map(|y0| Rows { y0, targets: Vec::with_capacity(3) }).collect();
        let [middle, outer] = taps();
        for (i, plane) in planes.chunks_exact_mut(plane_len).enumerate() {
            let weight = self.weight * if first + i == z { middle } else { outer };
            for (task, rows) in tasks.iter_mut().zip(plane.chunks_mut(n_rows * row_len)) {
                task.targets.push((weight, rows));
            }
        }
        let mirror = self.mirror;
        threads.for_each_mut(&mut tasks, |task| task.run(z, tensor, mirror));
        Ok(())
    }
}

impl PlaneSink for SmoothingSink<'_> {
    fn write_planes(
        &mut self,
        _output: usize,
        mut planes: Range<usize>,
        tensor: &Planes<'_>,
        threads: &Threads,
    ) -> Result<(), BoxError> {
        Ok(planes.try_for_each(|z| self.add(z, tensor, threads))?)
    }
}

/// Posteriors smoothed once they are whole.
pub(super) fn smoothed(posteriors: &Posteriors, threads: &Threads) -> Result<Posteriors, SegError> {
    let Posteriors { size, channels, values } = posteriors;
    let mut result = Posteriors::zeros(*size, *channels)?;
    let tensor = Planes::new(values, Layout::dense([size[2], size[1], size[0]], *channels))?;
    let mut sink = SmoothingSink::new(&mut result.values, 1.0);
    for z in 0..size[2] {
        sink.add(z, &tensor, threads)?;
    }
    Ok(result)
}

/// Rows from `y0` on of the planes that a plane is added to, each with its weight.
struct Rows<'a> {
    y0: usize,
    targets: Vec<(f32, &'a mut [f32])>,
}

impl Rows<'_> {
    fn run(&mut self, z: usize, tensor: &Planes<'_>, mirror: Option<&[usize]>) {
        let layout = tensor.layout();
        let (channels, row_len) = (layout.channels, layout.width * layout.channels);
        let row = |y: usize| &tensor.data()[layout.row(z, y)];
        let (mut along_y, mut smoothed) = (vec![0.0; row_len], vec![0.0; row_len]);
        let n_rows = self.targets.first().map_or(0, |(_, rows)| rows.len() / row_len);
        for i in 0..n_rows {
            let y = self.y0 + i;
            let before = y.checked_sub(1).map(&row);
            let after = (y + 1 < layout.height).then(|| row(y + 1));
            smooth(row(y), before, after, &mut along_y);
            // Along x the neighbours of a value are a voxel's channels away.
            let (middle, end) = (along_y.as_slice(), row_len - channels);
            smooth(middle, None, None, &mut smoothed);
            let [_, outer] = taps();
            add_scaled(&middle[..end], outer, &mut smoothed[channels..]);
            add_scaled(&middle[channels..], outer, &mut smoothed[..end]);
            if let Some(flip) = mirror {
                let voxels = along_y.chunks_exact_mut(channels).zip(smoothed.chunks_exact(channels).rev());
                for (to, from) in voxels {
                    to.iter_mut().zip(flip).for_each(|(to, &c)| *to = from[c]);
                }
            }
            let result = if mirror.is_some() { &along_y } else { &smoothed };
            for (weight, rows) in &mut self.targets {
                add_scaled(result, *weight, &mut rows[i * row_len..(i + 1) * row_len]);
            }
        }
    }
}

/// `middle * at + outer * (before + after)`.
fn smooth(at: &[f32], before: Option<&[f32]>, after: Option<&[f32]>, out: &mut [f32]) {
    let [middle, outer] = taps();
    for (out, value) in out.iter_mut().zip(at) {
        *out = middle * value;
    }
    for neighbour in [before, after].into_iter().flatten() {
        add_scaled(neighbour, outer, out);
    }
}

fn add_scaled(values: &[f32], weight: f32, out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += weight * value;
    }
}

#[cfg(test)]
mod tests;
