//! Gaussian smoothing of posteriors as they come out of a network.

use std::collections::VecDeque;
use std::ops::Range;

use volkit_kernels::{BoxError, KernelError, Layout, PlaneSink, Planes, Threads};

use super::posterior_sink::{PosteriorSink, plane_of};
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

/// Smooths what comes out of a network and hands it on, plane by plane; zeros lie around the volume. Of several outputs of
/// one network (the straight and the mirrored one) the mean is handed on.
///
/// Each plane is smoothed along y and x when it comes and kept until its neighbours are there. A voxel gets its sums in
/// the order of outputs, then of planes: the bits depend neither on threads nor on how many planes come at a time.
pub(super) struct SmoothingSink<'a> {
    size: [usize; 3],
    channels: usize,
    outputs: Vec<Window<'a>>,
    /// The next plane to hand on.
    next: usize,
    /// Planes that are free to be used again.
    free: Vec<Vec<f32>>,
    sink: &'a mut dyn PosteriorSink,
}

/// Planes of an output that are smoothed along y and x.
#[derive(Default)]
struct Window<'a> {
    mirror: Option<&'a [usize]>,
    planes: VecDeque<Vec<f32>>,
    /// Number of the first of them.
    first: usize,
}

impl Window<'_> {
    fn end(&self) -> usize {
        self.first + self.planes.len()
    }
}

impl<'a> SmoothingSink<'a> {
    /// Smooths planes of volumes of `size` `[x, y, z]`.
    pub(super) fn new(size: [usize; 3], channels: usize, sink: &'a mut dyn PosteriorSink) -> Self {
        Self { size, channels, outputs: vec![Window::default()], next: 0, free: Vec::new(), sink }
    }

    /// The mean with a second output, of a network that saw a mirror image: it is mirrored along x, and channel `c` of
    /// the mean is that of channel `flip_channels[c]` of this output.
    pub(super) fn with_mirrored(mut self, flip_channels: &'a [usize]) -> Self {
        self.outputs.push(Window { mirror: Some(flip_channels), ..Window::default() });
        self
    }

    /// Takes plane `z` of `tensor` as that of output `output`.
    pub(super) fn add(
        &mut self,
        output: usize,
        z: usize,
        tensor: &Planes<'_>,
        threads: &Threads,
    ) -> Result<(), SegError> {
        let [_, height, width] = tensor.size();
        let channels = tensor.layout().channels;
        let window = self.outputs.get_mut(output).filter(|window| window.end() == z);
        let is_alike = [width, height] == self.size[..2] && channels == self.channels;
        let Some(window) = window.filter(|window| is_alike && window.mirror.is_none_or(|flip| flip.len() == channels))
        else {
            let wanted = format!("planes of {:?} in order, {} channels", self.size, self.channels);
            let got = format!("plane {z} of {height} x {width}, {channels} channels, of output {output}");
            return Err(KernelError::Shape { op: "SmoothingSink", wanted, got }.into());
        };
        let mut plane = self.free.pop().unwrap_or_default();
        plane.resize(height * width * channels, 0.0);
        smooth_plane(z, tensor, window.mirror, &mut plane, threads);
        window.planes.push_back(plane);
        self.hand_on(threads)
    }

    /// Hands on every plane whose neighbours are there.
    fn hand_on(&mut self, threads: &Threads) -> Result<(), SegError> {
        let depth = self.size[2];
        while self.next < depth && self.outputs.iter().all(|window| window.end() >= (self.next + 2).min(depth)) {
            let z = self.next;
            let mut plane = self.free.pop().unwrap_or_default();
            let weight = 1.0 / self.outputs.len() as f32;
            let [middle, outer] = taps();
            let mut terms: Vec<(f32, &[f32])> = Vec::with_capacity(3 * self.outputs.len());
            for window in &self.outputs {
                for near in z.saturating_sub(1)..(z + 2).min(depth) {
                    let weight = weight * if near == z { middle } else { outer };
                    terms.push((weight, &window.planes[near - window.first]));
                }
            }
            plane.resize(terms.first().map_or(0, |(_, values)| values.len()), 0.0);
            let mut tasks: Vec<(usize, &mut [f32])> =
                plane.chunks_mut(TASK_FLOATS).enumerate().map(|(at, part)| (at * TASK_FLOATS, part)).collect();
            threads.for_each_mut(&mut tasks, |(start, part)| {
                part.fill(0.0);
                for (weight, values) in &terms {
                    add_scaled(&values[*start..*start + part.len()], *weight, part);
                }
            });
            self.sink.take(z, &plane, threads)?;
            self.free.push(plane);
            self.next += 1;
            for window in &mut self.outputs {
                while window.first + 1 < self.next {
                    self.free.extend(window.planes.pop_front());
                    window.first += 1;
                }
            }
        }
        Ok(())
    }
}

impl PlaneSink for SmoothingSink<'_> {
    fn write_planes(
        &mut self,
        output: usize,
        mut planes: Range<usize>,
        tensor: &Planes<'_>,
        threads: &Threads,
    ) -> Result<(), BoxError> {
        Ok(planes.try_for_each(|z| self.add(output, z, tensor, threads))?)
    }
}

/// Smooths posteriors that come plane by plane.
impl PosteriorSink for SmoothingSink<'_> {
    fn take(&mut self, z: usize, plane: &[f32], threads: &Threads) -> Result<(), SegError> {
        let tensor = plane_of(plane, z, self.size, self.channels)?;
        self.add(0, z, &tensor, threads)
    }
}

/// Posteriors smoothed once they are whole.
pub(super) fn smoothed(posteriors: &Posteriors, threads: &Threads) -> Result<Posteriors, SegError> {
    let Posteriors { size, channels, values } = posteriors;
    let mut result = Posteriors::zeros(*size, *channels)?;
    let tensor = Planes::new(values, Layout::dense([size[2], size[1], size[0]], *channels))?;
    let mut sink = SmoothingSink::new(*size, *channels, &mut result);
    for z in 0..size[2] {
        sink.add(0, z, &tensor, threads)?;
    }
    Ok(result)
}

/// Plane `z` smoothed along y and x, mirrored where `mirror` has the channels to take.
fn smooth_plane(z: usize, tensor: &Planes<'_>, mirror: Option<&[usize]>, out: &mut [f32], threads: &Threads) {
    let layout = *tensor.layout();
    let (channels, row_len) = (layout.channels, layout.width * layout.channels);
    if out.is_empty() {
        return;
    }
    let n_rows = (TASK_FLOATS / row_len).max(1);
    let mut tasks: Vec<(usize, &mut [f32])> =
        out.chunks_mut(n_rows * row_len).enumerate().map(|(at, rows)| (at * n_rows, rows)).collect();
    let row = |y: usize| &tensor.data()[layout.row(z, y)];
    threads.for_each_mut(&mut tasks, |(y0, rows)| {
        let (mut along_y, mut along_x) = (vec![0.0; row_len], vec![0.0; row_len]);
        for (i, out) in rows.chunks_exact_mut(row_len).enumerate() {
            let y = *y0 + i;
            let before = y.checked_sub(1).map(&row);
            let after = (y + 1 < layout.height).then(|| row(y + 1));
            smooth(row(y), before, after, &mut along_y);
            // Along x the neighbours of a value are a voxel's channels away.
            let end = row_len - channels;
            let result = if mirror.is_some() { &mut along_x } else { &mut *out };
            smooth(&along_y, None, None, result);
            let [_, outer] = taps();
            add_scaled(&along_y[..end], outer, &mut result[channels..]);
            add_scaled(&along_y[channels..], outer, &mut result[..end]);
            if let Some(flip) = mirror {
                let voxels = out.chunks_exact_mut(channels).zip(along_x.chunks_exact(channels).rev());
                for (to, from) in voxels {
                    to.iter_mut().zip(flip).for_each(|(to, &c)| *to = from[c]);
                }
            }
        }
    });
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
