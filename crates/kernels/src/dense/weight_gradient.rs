//! The gradient of a correlation's weight: for each tap and pair of channels a sum over all outputs.
//!
//! Input (in zeros) and gradient of the output lie channels-last. The sums of a tile stay in registers while the outputs
//! of a strip of rows go by; the lanes are the channels of one of the two, whichever fills them better. Strips are cut
//! into chunks whose sums are kept apart and added in the end, by the shape alone.

use std::ops::Range;

use super::Cores;
use super::channels_last::{Frame, SLACK};
use super::correlation::Correlation;
use super::elements::Operand;
use super::product::{Products, Run, Sums, add_products, most_vectors};
use super::shared::Shared;
use crate::conv::{even_parts, most_scalars};
use crate::simd::{Body, Lane, dispatch};
use crate::{Buffer, KernelError};

/// Floats of both operands of a strip of rows, which every tile reads again: they stay in a second-level cache.
const STRIP_FLOATS: usize = 24 << 10;
/// Most chunks of strips.
const MOST_CHUNKS: usize = 32;
/// Most floats of the sums of all chunks, unless one chunk has more.
const MOST_PARTIAL_FLOATS: usize = 4 << 20;
/// Tasks that even out the load of any number of threads.
const TASKS: usize = 128;

/// Computes the gradient from checked tensors.
pub(super) fn weight_gradient(
    correlation: &Correlation,
    [x, grad]: [Operand<'_>; 2],
    gradient: &mut [f32],
    cores: &Cores<'_>,
) -> Result<(), KernelError> {
    Plan::frames(correlation)[0].floats()?;
    // SAFETY: the body asks for nothing.
    let plan = unsafe { dispatch(cores.isa, MakePlan(correlation)) };
    let size_in = correlation.shape().size_in;
    let [depth, height, _] = correlation.size_out();
    let strips: Vec<Range<usize>> = strips(depth * height, plan.rows_per_strip).collect();
    let n_chunks = (MOST_PARTIAL_FLOATS / gradient.len()).clamp(1, MOST_CHUNKS).min(strips.len());
    let chunks: Vec<Range<usize>> = even_runs(strips.len(), n_chunks).collect();
    let n_parts = TASKS.div_ceil(n_chunks).min(plan.tiles.len());
    let parts: Vec<Range<usize>> = even_runs(plan.tiles.len(), n_parts).collect();
    let (mut large, mut small) = (plan.large.memory_around(size_in)?, plan.small.memory()?);
    let mut partial = Buffer::zeroed(n_chunks * gradient.len() + SLACK, "the sums of a weight's gradient")?;
    let batch = correlation.shape().batch;
    let [n_x, n_grad] = [x.len() / batch.max(1), grad.len() / batch.max(1)];
    for n in 0..batch {
        plan.large.pack((x, n * n_x), size_in, &mut large, cores);
        plan.small.pack((grad, n * n_grad), correlation.size_out(), &mut small, cores);
        let shared = Shared::new(&mut partial);
        cores.threads.for_each(n_chunks * n_parts, |task| {
            let (chunk, part) = (task / n_parts, task % n_parts);
            let work = Strips {
                plan: &plan,
                operands: [&large, &small],
                strips: &strips[chunks[chunk].clone()],
                tiles: &plan.tiles[parts[part].clone()],
                sums: shared.at(chunk * gradient.len()),
            };
            // SAFETY: operands are the frames of the plan, and this task alone writes the sums of its tiles and chunk.
            unsafe { dispatch(cores.isa, work) }
        });
    }
    plan.collect(&partial, gradient, cores);
    Ok(())
}

/// Cuts `n` rows into strips.
fn strips(n: usize, rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(rows).map(move |first| first..(first + rows).min(n))
}

/// Cuts `n` things into `parts` runs of equal length, or nearly so.
fn even_runs(n: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    (0..parts).map(move |i| n * i / parts..n * (i + 1) / parts)
}

/// Taps of a row of the kernel whose input channels lie one behind the other, in one group; a tap alone where they do not.
#[derive(Clone, Copy)]
struct Item {
    group: usize,
    /// First tap.
    tap: usize,
    /// Floats from the input of an output to that of the first tap.
    offset: usize,
}

/// Sums that are kept in registers together.
#[derive(Clone, Copy)]
struct Tile {
    item: usize,
    /// First lane, and how many.
    lane: usize,
    width: usize,
    /// First scalar, and how many.
    scalar: usize,
    n_scalars: usize,
}

struct Plan<'a> {
    correlation: &'a Correlation,
    /// Input in zeros, and output.
    large: Frame,
    small: Frame,
    items: Vec<Item>,
    tiles: Vec<Tile>,
    /// Operands of each row of outputs, for the first item.
    rows: Vec<Run>,
    rows_per_strip: usize,
    /// Whether lanes are the channels of the input; those of the output otherwise.
    input_lanes: bool,
    /// Channels of an item: of the input (times taps), and of the output.
    channels: [usize; 2],
}

/// Plans for the instruction set.
struct MakePlan<'a>(&'a Correlation);

impl<'a> Body for MakePlan<'a> {
    type Output = Plan<'a>;

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> Plan<'a> {
        Plan::new(self.0, L::N, L::REGISTERS)
    }
}

impl<'a> Plan<'a> {
    /// The input with the zeros that taps reach, and the output.
    fn frames(correlation: &Correlation) -> [Frame; 2] {
        let shape = correlation.shape();
        let padding: [[usize; 2]; 3] = std::array::from_fn(|a| correlation.axis(a).forward().padding());
        let large = Frame {
            size: std::array::from_fn(|a| padding[a][0] + shape.size_in[a] + padding[a][1]),
            channels: shape.channels[0],
            start: padding.map(|p| p[0]),
        };
        [large, Frame::dense(correlation.size_out(), shape.channels[1])]
    }

    fn new(correlation: &'a Correlation, n_lanes: usize, registers: usize) -> Self {
        let shape = correlation.shape();
        let (groups, [_, kernel_h, kernel_w]) = (shape.groups, shape.kernel);
        let [c_in, c_out] = shape.channels;
        let [large, small] = Self::frames(correlation);
        let joined = groups == 1 && shape.dilation[2] == 1;
        let n_taps = if joined { kernel_w } else { 1 };
        let strides = large.strides();
        let mut items = Vec::new();
        for group in 0..groups {
            for tap in (0..correlation.taps()).step_by(n_taps) {
                let k = [tap / (kernel_h * kernel_w), tap / kernel_w % kernel_h, tap % kernel_w];
                let offset = (0..3).map(|a| k[a] * shape.dilation[a] * strides[a]).sum::<usize>();
                items.push(Item { group, tap, offset: offset + group * (c_in / groups) });
            }
        }
        let channels = [n_taps * c_in / groups, c_out / groups];
        let cost = |lanes: usize, scalars: usize| lanes.next_multiple_of(n_lanes) * scalars;
        let input_lanes = cost(channels[0], channels[1]) < cost(channels[1], channels[0]);
        let [depth, height, width] = correlation.size_out();
        let rows = (0..depth * height).map(|row| {
            let (z, y) = (row / height, row % height);
            let input = z * shape.stride[0] * strides[0] + y * shape.stride[1] * strides[1];
            let output = small.offset([z, y, 0]);
            let (vectors, scalars) = if input_lanes { (input, output) } else { (output, input) };
            Run { vectors, scalars }
        });
        let rows = rows.collect();
        let rows_per_strip = (STRIP_FLOATS / (width * (c_in + c_out))).max(1);
        let mut plan =
            Self { correlation, large, small, items, tiles: Vec::new(), rows, rows_per_strip, input_lanes, channels };
        plan.cut(n_lanes, registers);
        plan
    }

    /// Cuts the sums of each item into tiles.
    fn cut(&mut self, n_lanes: usize, registers: usize) {
        let [input, output] = self.channels;
        let (lanes, scalars) = if self.input_lanes { (input, output) } else { (output, input) };
        for item in 0..self.items.len() {
            let mut lane = 0;
            for vectors in even_parts(lanes.div_ceil(n_lanes), most_vectors(registers)) {
                let width = (vectors * n_lanes).min(lanes - lane);
                let mut scalar = 0;
                for n_scalars in even_parts(scalars, most_scalars(registers, vectors)) {
                    self.tiles.push(Tile { item, lane, width, scalar, n_scalars });
                    scalar += n_scalars;
                }
                lane += width;
            }
        }
    }

    /// Floats of an item's sums, and of a row of them.
    fn item_sums(&self) -> [usize; 2] {
        let [input, output] = self.channels;
        [input * output, if self.input_lanes { input } else { output }]
    }

    /// Adds the sums of all chunks and writes them where the weight has them.
    fn collect(&self, partial: &[f32], gradient: &mut [f32], cores: &Cores<'_>) {
        let shape = self.correlation.shape();
        let (taps, per_group) = (self.correlation.taps(), shape.channels[0] / shape.groups);
        let ([_, outputs], [item_sums, row]) = (self.channels, self.item_sums());
        let n = gradient.len();
        let gradient = Shared::new(gradient);
        cores.threads.for_each(self.items.len(), |number| {
            let item = self.items[number];
            for o in 0..outputs {
                for i in 0..self.channels[0] {
                    let at = if self.input_lanes { o * row + i } else { i * row + o };
                    let at = number * item_sums + at;
                    let sum: f64 =
                        partial[at..].iter().step_by(n).take((partial.len() - SLACK) / n).map(|x| f64::from(*x)).sum();
                    let (tap, c) = (item.tap + i / per_group, i % per_group);
                    let to = ((item.group * outputs + o) * per_group + c) * taps + tap;
                    // SAFETY: a float of the weight, whose tap and group are this task's alone.
                    unsafe { *gradient.at(to) = sum as f32 };
                }
            }
        });
    }
}

/// Some tiles over some strips.
struct Strips<'a> {
    plan: &'a Plan<'a>,
    /// Input and gradient of the output.
    operands: [&'a [f32]; 2],
    strips: &'a [Range<usize>],
    tiles: &'a [Tile],
    /// Sums of the chunk.
    sums: *mut f32,
}

impl Body for Strips<'_> {
    type Output = ();

    /// # Safety
    /// The operands are the memories of the plan's frames; the sums of the tiles, from `sums` on, are this body's alone.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let plan = self.plan;
        let shape = plan.correlation.shape();
        let [input, output] = self.operands;
        let input_step = shape.stride[2] * plan.large.channels;
        let [item_sums, row] = plan.item_sums();
        for strip in self.strips {
            for tile in self.tiles {
                let item = plan.items[tile.item];
                let (input, output) = (&input[item.offset..], &output[item.group * plan.channels[1]..]);
                let ((vectors, vector_step), (scalars, scalar_step)) = if plan.input_lanes {
                    ((input, input_step), (output, plan.small.channels))
                } else {
                    ((output, plan.small.channels), (input, input_step))
                };
                let products = Products {
                    runs: &plan.rows[strip.clone()],
                    n_steps: plan.small.size[2],
                    vectors: vectors[tile.lane..].as_ptr(),
                    vector_step,
                    scalars: scalars[tile.scalar..].as_ptr(),
                    scalar_step,
                    scalar_stride: 1,
                };
                let at = tile.item * item_sums + tile.scalar * row + tile.lane;
                // SAFETY: rows, taps and channels lie in the frames, which have slack for whole vectors; the sums of the
                // tile are the caller's.
                unsafe {
                    let sums = Sums { data: self.sums.add(at), stride: row, width: tile.width };
                    add_products::<L>(tile.n_scalars, &products, sums);
                }
            }
        }
    }
}
