//! Correlations with any stride and groups, and their transposes.
//!
//! The input lies channels-last in zeros, so that every tap reads some voxel; an output row is cut into tiles of voxels
//! (scalars) by channels (vectors). In a transpose, outputs a stride apart share their taps, so each such phase of a
//! row is cut into tiles by itself.

use super::Cores;
use super::axis::{AxisPlan, Phase};
use super::channels_last::{Frame, SLACK};
use super::correlation::{Correlation, Direction, Filter};
use super::elements::{ElementsMut, Operand, rectified};
use super::product::{Products, Run, Sums, add_products, most_vectors};
use super::shared::Shared;
use crate::conv::{even_parts, most_scalars};
use crate::simd::{Body, Lane, dispatch};
use crate::{Buffer, KernelError};

/// A correlation in one direction, with its weights in the order in which they are read.
pub(super) struct General<'a> {
    correlation: &'a Correlation,
    axes: [AxisPlan; 3],
    /// Channels of a group, of the source and of the target.
    per_group: [usize; 2],
    input: Frame,
    output: Frame,
    /// By phase along depth, height and width.
    phases: Vec<Part>,
    /// `[phase][group][tap][source channel][target channel]`.
    weights: Buffer<f32>,
    /// Slope below zero of a rectifier behind the sums.
    rectifier: Option<f32>,
}

/// What the outputs of one phase (of each axis) read.
struct Part {
    runs: Vec<Run>,
    /// Steps of each run: a tap's channels, or those of neighbouring taps.
    n_steps: usize,
    /// Weights of the first group, and how many a group has.
    first_weight: usize,
    group_weights: usize,
}

impl<'a> General<'a> {
    /// Plans the taps and packs the weights.
    pub(super) fn new(
        correlation: &'a Correlation,
        direction: Direction,
        filter: &Filter<'_>,
        cores: &Cores<'_>,
    ) -> Result<Self, KernelError> {
        let shape = correlation.shape();
        let axes: [AxisPlan; 3] = std::array::from_fn(|a| match direction {
            Direction::Forward => correlation.axis(a).forward(),
            Direction::Transposed => correlation.axis(a).transposed(),
        });
        let [c_in, c_out] = shape.channels;
        let channels = if direction == Direction::Forward { [c_in, c_out] } else { [c_out, c_in] };
        let per_group = channels.map(|c| c / shape.groups);
        let padding: [[usize; 2]; 3] = std::array::from_fn(|a| axes[a].padding());
        let input = Frame {
            size: std::array::from_fn(|a| padding[a][0] + axes[a].n_in + padding[a][1]),
            channels: channels[0],
            start: padding.map(|p| p[0]),
        };
        let output = Frame::dense(std::array::from_fn(|a| axes[a].n_out), channels[1]);
        input.floats()?;
        let mut weights = Buffer::zeroed(filter.weight.len() + SLACK, "the weights of a convolution")?;
        let rectifier = correlation.rectifier(direction);
        let (phases, none) = (Vec::new(), Buffer::default());
        let mut general = Self { correlation, axes, per_group, input, output, phases, weights: none, rectifier };
        let mut taps = Vec::new();
        let [z, y, x] = &general.axes;
        let mut parts = Vec::new();
        for z in &z.phases {
            for y in &y.phases {
                for x in &x.phases {
                    parts.push(general.part([z, y, x], &mut taps));
                }
            }
        }
        general.phases = parts;
        general.pack(direction, filter.weight, &taps, &mut weights, cores);
        general.weights = weights;
        Ok(general)
    }

    /// The runs of one phase; its taps are added to `taps`, whose order is that of the weights.
    fn part(&self, [z, y, x]: [&Phase; 3], taps: &mut Vec<usize>) -> Part {
        let groups = self.correlation.shape().groups;
        let [_, kernel_h, kernel_w] = self.correlation.shape().kernel;
        let (strides, channels) = (self.input.strides(), self.per_group[0]);
        let tap_weights = channels * self.per_group[1];
        let first_tap = taps.len();
        // Channels of neighbouring voxels lie one behind the other.
        let joined = groups == 1 && x.taps.windows(2).all(|pair| pair[1].0 - pair[0].0 == 1);
        let mut runs = Vec::new();
        for &(oz, kz) in &z.taps {
            for &(oy, ky) in &y.taps {
                for (number, &(ox, kx)) in x.taps.iter().enumerate() {
                    if !joined || number == 0 {
                        let at: [usize; 3] =
                            std::array::from_fn(|a| (self.input.start[a] as isize + [oz, oy, ox][a]) as usize);
                        let scalars = (0..3).map(|a| at[a] * strides[a]).sum();
                        runs.push(Run { vectors: (taps.len() - first_tap) * tap_weights, scalars });
                    }
                    taps.push((kz * kernel_h + ky) * kernel_w + kx);
                }
            }
        }
        let n_steps = if joined { channels * x.taps.len() } else { channels };
        let group_weights = (taps.len() - first_tap) * tap_weights;
        Part { runs, n_steps, first_weight: first_tap * tap_weights * groups, group_weights }
    }

    /// Writes the weights in the order of `taps`, phase after phase, each group by group.
    fn pack(&self, direction: Direction, weight: &[f32], taps: &[usize], weights: &mut [f32], cores: &Cores<'_>) {
        let ([from, to], n_taps) = (self.per_group, self.correlation.taps());
        let groups = self.correlation.shape().groups;
        let weights = Shared::new(weights);
        cores.threads.for_each(self.phases.len() * groups, |unit| {
            let (part, group) = (&self.phases[unit / groups], unit % groups);
            let first_tap = part.first_weight / (from * to * groups);
            let start = part.first_weight + group * part.group_weights;
            // SAFETY: the weights of one group of one phase, which this task alone writes.
            let packed = unsafe { weights.part(start, part.group_weights) };
            for (row, packed) in packed.chunks_exact_mut(to).enumerate() {
                let (tap, source) = (taps[first_tap + row / from], row % from);
                for (target, packed) in packed.iter_mut().enumerate() {
                    let pair = match direction {
                        Direction::Forward => (group * to + target) * from + source,
                        Direction::Transposed => (group * from + source) * to + target,
                    };
                    *packed = weight[pair * n_taps + tap];
                }
            }
        });
    }

    /// Computes all samples.
    pub(super) fn run(
        &self,
        from: Operand<'_>,
        bias: Option<&[f32]>,
        mut to: ElementsMut<'_>,
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        let batch = self.correlation.shape().batch;
        let [n_from, n_to] = [from.len() / batch.max(1), to.len() / batch.max(1)];
        let sizes: [[usize; 3]; 2] =
            [std::array::from_fn(|a| self.axes[a].n_in), std::array::from_fn(|a| self.axes[a].n_out)];
        let [depth, height, _] = sizes[1];
        let to = to.share();
        let (mut source, mut target) = (self.input.memory_around(sizes[0])?, self.output.memory()?);
        for n in 0..batch {
            self.input.pack((from, n * n_from), sizes[0], &mut source, cores);
            let shared = Shared::new(&mut target);
            cores.threads.for_each(depth * height, |row| {
                let work =
                    Row { general: self, source: &source, bias, target: shared, at: [row / height, row % height] };
                // SAFETY: the source is the frame of the input with slack, and this task alone writes its row.
                unsafe { dispatch(cores.isa, work) }
            });
            self.output.unpack(&target, sizes[1], (to, n * n_to), cores);
        }
        Ok(())
    }
}

/// One row of outputs.
struct Row<'a> {
    general: &'a General<'a>,
    source: &'a [f32],
    bias: Option<&'a [f32]>,
    target: Shared,
    /// Plane and row.
    at: [usize; 2],
}

impl Body for Row<'_> {
    type Output = ();

    /// # Safety
    /// `source` is the memory of the input's frame, and nobody else uses this row of `target`, the memory of the output's.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let Self { general, source, bias, target, at: [z, y] } = self;
        let [az, ay, ax] = &general.axes;
        let channels = general.output.channels;
        let row = general.output.offset([z, y, 0]);
        // SAFETY: the row lies in the output, and the caller vouches that it is this body's alone.
        for voxel in unsafe { target.part(row, ax.n_out * channels) }.chunks_exact_mut(channels) {
            match bias {
                Some(bias) => voxel.copy_from_slice(bias),
                None => voxel.fill(0.0),
            }
        }
        let ((pz, jz), (py, jy)) = (az.phase_of(z), ay.phase_of(y));
        let strides = general.input.strides();
        let base = jz * az.in_step * strides[0] + jy * ay.in_step * strides[1];
        for (number, px) in ax.phases.iter().enumerate() {
            let part = &general.phases[(pz.first * ay.phases.len() + py.first) * ax.phases.len() + number];
            let block = Block { part, base, scalar_stride: ax.in_step * strides[2], out_step: ax.out_step * channels };
            let to = target.at(row + px.first * channels);
            // SAFETY: the voxels of this phase lie in the row.
            unsafe { block.run::<L>(general, source, px.n, to) };
        }
        if let Some(slope) = general.rectifier {
            // SAFETY: as above.
            for value in unsafe { target.part(row, ax.n_out * channels) } {
                *value = rectified(*value, slope);
            }
        }
    }
}

/// The voxels of one phase of a row.
struct Block<'a> {
    part: &'a Part,
    /// Input float that the first output's offsets count from.
    base: usize,
    /// Floats from the inputs of one output to those of the next, and from output to output.
    scalar_stride: usize,
    out_step: usize,
}

impl Block<'_> {
    /// # Safety
    /// The machine has the instruction set of `L`, and `n` outputs from `to` on are this call's alone.
    #[inline(always)]
    unsafe fn run<L: Lane>(&self, general: &General<'_>, source: &[f32], n: usize, to: *mut f32) {
        let [from, per_group] = general.per_group;
        for group in 0..general.correlation.shape().groups {
            let weights = &general.weights[self.part.first_weight + group * self.part.group_weights..];
            let mut lane = 0;
            for vectors in even_parts(per_group.div_ceil(L::N), most_vectors(L::REGISTERS)) {
                let width = (vectors * L::N).min(per_group - lane);
                let mut first = 0;
                for scalars in even_parts(n, most_scalars(L::REGISTERS, vectors)) {
                    let products = Products {
                        runs: &self.part.runs,
                        n_steps: self.part.n_steps,
                        vectors: weights[lane..].as_ptr(),
                        vector_step: per_group,
                        scalars: source[self.base + first * self.scalar_stride + group * from..].as_ptr(),
                        scalar_step: 1,
                        scalar_stride: self.scalar_stride,
                    };
                    let at = first * self.out_step + group * per_group + lane;
                    // SAFETY: runs lie in the padded input and in the weights of the group, both of which have slack
                    // for whole vectors; the outputs are the caller's.
                    unsafe {
                        let sums = Sums { data: to.add(at), stride: self.out_step, width };
                        add_products::<L>(scalars, &products, sums);
                    }
                    first += scalars;
                }
                lane += width;
            }
        }
    }
}
