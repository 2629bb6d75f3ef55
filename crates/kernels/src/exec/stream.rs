//! Where planes of inputs come from, and where planes of outputs go.

use std::ops::Range;

use crate::ops::{Label, argmax};
use crate::{Isa, KernelError, Planes, Threads};

/// An error of a caller's own.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Fills planes of inputs as a network asks for them.
///
/// Each input's planes are asked for once, in order, on the thread that called
/// [`Executor::run`](crate::Executor::run); a graph with a second pass over an input
/// ([`GraphBuilder::input_again`](crate::GraphBuilder::input_again)) asks for all of them once more, possibly
/// interleaved with the first pass. An error stops the run.
///
/// A closure `FnMut(z, plane)` is a source for graphs whose inputs are all passes over one volume.
pub trait PlaneSource {
    /// Fills plane `z` of input `input`, dense, `[h][w][c]`. What `plane` holds before is arbitrary.
    ///
    /// # Errors
    /// Whatever keeps the source from filling the plane.
    fn read_plane(&mut self, input: usize, z: usize, plane: &mut [f32]) -> Result<(), BoxError>;

    /// The voxel, a float per channel, that many voxels of the input are: what surrounds a scanned body.
    ///
    /// The first convolutions are then computed only where other voxels are near. Their results are those of the whole,
    /// to the bit where they are direct sums ([`Mode::Exact`](crate::Mode::Exact)), otherwise to a rounding error. A
    /// background that is rare or does not occur costs little. None by default.
    fn background(&self, input: usize) -> Option<Vec<f32>> {
        let _ = input;
        None
    }
}

impl<F: FnMut(usize, &mut [f32]) -> Result<(), BoxError>> PlaneSource for F {
    fn read_plane(&mut self, _input: usize, z: usize, plane: &mut [f32]) -> Result<(), BoxError> {
        self(z, plane)
    }
}

/// Receives planes of outputs as a network finishes them.
///
/// Each output's planes come once, in order, on the thread that called
/// [`Executor::run`](crate::Executor::run). An error stops the run.
///
/// A closure `FnMut(z, plane)` is a sink for graphs with one output; its planes are dense, `[h][w][c]`.
pub trait PlaneSink {
    /// Takes `planes` of output `output` out of `tensor`, whose ring holds no other planes of use. `threads` are idle
    /// meanwhile.
    ///
    /// # Errors
    /// Whatever keeps the sink from taking the planes.
    fn write_planes(
        &mut self,
        output: usize,
        planes: Range<usize>,
        tensor: &Planes<'_>,
        threads: &Threads,
    ) -> Result<(), BoxError>;
}

impl<F: FnMut(usize, &[f32]) -> Result<(), BoxError>> PlaneSink for F {
    fn write_planes(
        &mut self,
        _output: usize,
        mut planes: Range<usize>,
        tensor: &Planes<'_>,
        _threads: &Threads,
    ) -> Result<(), BoxError> {
        planes.try_for_each(|z| self(z, &tensor.dense_plane(z)))
    }
}

/// Inputs that are whole in memory, dense, `[d][h][w][c]`.
#[derive(Clone, Debug)]
pub struct SliceSource<'a> {
    inputs: Vec<&'a [f32]>,
}

impl<'a> SliceSource<'a> {
    /// A source for graphs with one input.
    #[must_use]
    pub fn new(input: &'a [f32]) -> Self {
        Self::many(vec![input])
    }

    /// A source of several inputs, in the order of their numbers.
    #[must_use]
    pub fn many(inputs: Vec<&'a [f32]>) -> Self {
        Self { inputs }
    }
}

impl PlaneSource for SliceSource<'_> {
    fn read_plane(&mut self, input: usize, z: usize, plane: &mut [f32]) -> Result<(), BoxError> {
        let volume = self.inputs.get(input).ok_or_else(|| missing("SliceSource", self.inputs.len(), input))?;
        let start = z * plane.len();
        let source = volume
            .get(start..start + plane.len())
            .ok_or_else(|| too_short("SliceSource", volume.len(), start + plane.len()))?;
        plane.copy_from_slice(source);
        Ok(())
    }
}

/// Outputs that are whole in memory, dense, `[d][h][w][c]`.
#[derive(Debug)]
pub struct SliceSink<'a> {
    outputs: Vec<&'a mut [f32]>,
}

impl<'a> SliceSink<'a> {
    /// A sink for graphs with one output.
    #[must_use]
    pub fn new(output: &'a mut [f32]) -> Self {
        Self::many(vec![output])
    }

    /// A sink of several outputs, in the order of their numbers.
    #[must_use]
    pub fn many(outputs: Vec<&'a mut [f32]>) -> Self {
        Self { outputs }
    }
}

impl PlaneSink for SliceSink<'_> {
    fn write_planes(
        &mut self,
        output: usize,
        planes: Range<usize>,
        tensor: &Planes<'_>,
        _threads: &Threads,
    ) -> Result<(), BoxError> {
        let n = self.outputs.len();
        let volume = self.outputs.get_mut(output).ok_or_else(|| missing("SliceSink", n, output))?;
        for z in planes {
            let plane = tensor.dense_plane(z);
            let (start, len) = (z * plane.len(), volume.len());
            let target = volume
                .get_mut(start..start + plane.len())
                .ok_or_else(|| too_short("SliceSink", len, start + plane.len()))?;
            target.copy_from_slice(&plane);
        }
        Ok(())
    }
}

/// Keeps only the label of each voxel: the channel with the largest value (see [`argmax`]).
#[derive(Debug)]
pub struct LabelSink<'a, T> {
    labels: &'a mut [T],
    isa: Isa,
}

impl<'a, T: Label> LabelSink<'a, T> {
    /// A sink that fills `labels`, dense, `[d][h][w]`, for graphs with one output.
    #[must_use]
    pub fn new(labels: &'a mut [T], isa: Isa) -> Self {
        Self { labels, isa }
    }
}

impl<T: Label> PlaneSink for LabelSink<'_, T> {
    fn write_planes(
        &mut self,
        output: usize,
        planes: Range<usize>,
        tensor: &Planes<'_>,
        threads: &Threads,
    ) -> Result<(), BoxError> {
        if output > 0 {
            return Err(missing("LabelSink", 1, output));
        }
        let [_, height, width] = tensor.size();
        let (plane, len) = (height * width, self.labels.len());
        let labels = self
            .labels
            .get_mut(planes.start * plane..planes.end * plane)
            .ok_or_else(|| too_short("LabelSink", len, planes.end * plane))?;
        Ok(argmax(tensor, planes, labels, self.isa, threads)?)
    }
}

fn missing(op: &'static str, n: usize, index: usize) -> BoxError {
    KernelError::Shape { op, wanted: format!("a tensor number {index}"), got: format!("{n} tensors") }.into()
}

fn too_short(op: &'static str, len: usize, wanted: usize) -> BoxError {
    KernelError::Shape { op, wanted: format!("at least {wanted} values"), got: len.to_string() }.into()
}
