//! The direct sum: what is packed, and how a call is cut into tasks.

use std::ops::Range;

use super::finish::Finish;
use super::idle_rows::IdleRows;
use super::panel::{Block, Panel, SumOrder, even_parts};
use super::scratch::with_scratch;
use super::task::{OutPointer, Task};
use super::tile::{LaneAxis, ROW_TAPS, VoxelTiles, most_scalars};
use super::{ConvShape, Epilogue};
use crate::background::Background;
use crate::simd::{Body, Lane, dispatch};
use crate::{Isa, KernelError, Layout, Planes, PlanesMut, Threads};

/// Weights of one block of input channels and 48 output channels: 0.5 MB, which stay in a second-level cache.
const PANEL_FLOATS: usize = 27 * 96 * 48;
/// Floats of the input rows that a task keeps: beside the weights in a second-level cache.
const RING_FLOATS: usize = 192 * 1024;
/// Tasks per thread that even out the load.
const TASKS_PER_THREAD: usize = 4;
/// Fewest rows of a task where more would be at hand: each task copies `kernel - 1` rows that another one copies too.
const MIN_ROWS: usize = 8;

/// A packed direct convolution.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) shape: ConvShape,
    pub(super) finish: Finish,
    /// Blocks of input channels; sums pass from one to the next through the output.
    pub(super) inputs: Vec<Range<usize>>,
    pub(super) order: SumOrder,
    by_channel: Panel,
    by_voxel: Option<Panel>,
    isa: Isa,
    n_lanes: usize,
    registers: usize,
}

/// Lanes and registers of an instruction set.
struct Measure;

impl Body for Measure {
    type Output = (usize, usize);

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> (usize, usize) {
        (L::N, L::REGISTERS)
    }
}

impl Direct {
    /// Packs checked weights for an instruction set that this machine has.
    pub(super) fn new(shape: &ConvShape, weight: &[f32], bias: Option<&[f32]>, epilogue: Epilogue, isa: Isa) -> Self {
        // SAFETY: the body asks for nothing.
        let (n_lanes, registers) = unsafe { dispatch(isa, Measure) };
        let mut shape = shape.clone();
        for (kernel, dilation) in shape.kernel.iter().zip(&mut shape.dilation) {
            if *kernel == 1 {
                *dilation = 1;
            }
        }
        // The blocks fix the order of the sums, so they depend on the shape alone and not on the instruction set.
        let most_inputs = (PANEL_FLOATS / (shape.taps() * shape.c_out.min(48))).max(16);
        let mut end = 0;
        let inputs: Vec<_> = even_parts(shape.c_in, most_inputs)
            .map(|n| {
                end += n;
                end - n..end
            })
            .collect();
        let order = sum_order(&shape, inputs.len());
        let n_vectors = shape.c_out.div_ceil(n_lanes);
        let widths: Vec<_> = even_parts(n_vectors, if registers < 32 { 2 } else { 3 }).map(|n| n * n_lanes).collect();
        let by_channel = Panel::new(&shape, order, weight, &widths, &inputs);
        let ragged = !shape.c_out.is_multiple_of(n_lanes) || widths.contains(&n_lanes);
        let by_voxel = (ragged && inputs.len() == 1).then(|| {
            let widths: Vec<_> = even_parts(shape.c_out, VoxelTiles::new(registers).width).collect();
            Panel::new(&shape, order, weight, &widths, &inputs)
        });
        let finish = Finish::new(bias, epilogue, n_vectors * n_lanes);
        Self { shape, finish, inputs, order, by_channel, by_voxel, isa, n_lanes, registers }
    }

    /// Bytes of the packed weights.
    pub(super) fn packed_bytes(&self) -> usize {
        self.by_channel.bytes() + self.by_voxel.as_ref().map_or(0, Panel::bytes)
    }

    /// The panel for rows of `width` voxels: the one that wastes fewer lanes.
    fn panel(&self, width: usize) -> (&Panel, LaneAxis) {
        let by_channel = (&self.by_channel, LaneAxis::Channels);
        let Some(by_voxel) = &self.by_voxel else {
            return by_channel;
        };
        // A block of one vector needs a load per product, which costs about as much as the product.
        let cost = |block: &Block| if block.width == self.n_lanes { block.width * 6 / 5 } else { block.width };
        let cost_by_channel = self.by_channel.blocks().iter().map(cost).sum::<usize>() * width;
        let lanes_by_voxel = self.shape.c_out * width.next_multiple_of(self.n_lanes);
        if lanes_by_voxel < cost_by_channel { (by_voxel, LaneAxis::Voxels) } else { by_channel }
    }

    /// Floats of scratch that a task takes which computes `planes` of a tensor of `size`.
    pub(super) fn scratch_floats(&self, size: [usize; 3], planes: Range<usize>, n_threads: usize) -> usize {
        let [depth, height, width] = size;
        let (panel, axis) = self.panel(width);
        let geometry = Geometry::new(self, axis, width, self.n_lanes);
        let cut = Cut::new(self, panel, axis, &geometry, [depth, height], planes, n_threads);
        cut.ring_floats + geometry.acc_floats
    }

    /// What comes of voxels `value` far from the ends of the volume; nothing where the kernel reaches too far.
    pub(super) fn on_background(&self, value: &[f32]) -> Option<Vec<f32>> {
        /// Most floats of a volume that holds the kernel.
        const MOST_FLOATS: usize = 1 << 22;
        let reach = self.shape.reach();
        let size = [0, 1, 2].map(|axis| reach[axis].saturating_mul(2).saturating_add(1));
        let layout = |channels| Layout::dense(size, channels);
        let (from, to) = (layout(self.shape.c_in), layout(self.shape.c_out));
        if [from, to].iter().any(|layout| layout.checked_len().is_none_or(|len| len > MOST_FLOATS)) {
            return None;
        }
        let data: Vec<f32> = value.iter().copied().cycle().take(from.len()).collect();
        let mut result = vec![0.0; to.len()];
        let (source, mut out) = (Planes::new(&data, from).ok()?, PlanesMut::new(&mut result, to).ok()?);
        self.run(&[source], &mut out, reach[0]..reach[0] + 1, &Threads::single(), None).ok()?;
        let start = to.row_offset(reach[0], reach[1]) + reach[2] * to.channels;
        Some(result[start..start + to.channels].to_vec())
    }

    /// Computes `planes` of checked tensors, but for rows that read background only.
    ///
    /// # Errors
    /// [`KernelError::Memory`] where the copied rows of one task are more than 32-bit offsets reach.
    pub(super) fn run(
        &self,
        sources: &[Planes<'_>],
        out: &mut PlanesMut<'_>,
        planes: Range<usize>,
        threads: &Threads,
        background: Option<Background<'_>>,
    ) -> Result<(), KernelError> {
        let layout = *out.layout();
        let (panel, axis) = self.panel(layout.width);
        let geometry = Geometry::new(self, axis, layout.width, self.n_lanes);
        let cut =
            Cut::new(self, panel, axis, &geometry, [layout.depth, layout.height], planes.clone(), threads.count());
        if u32::try_from(cut.ring_floats).is_err() {
            let needed = cut.ring_floats.saturating_mul(4);
            return Err(KernelError::Memory { what: "the copied rows of a convolution", needed });
        }
        let idle = background.map_or_else(IdleRows::default, |background| {
            let (idle, rows) = IdleRows::find(&self.shape, &layout, &planes, background.source);
            background.out.set(out.data_mut(), rows, threads);
            idle
        });
        let idle = &idle;
        let pointer = OutPointer::new(out);
        threads.for_each(cut.n_tasks(), |index| {
            let part = cut.part(index);
            with_scratch(cut.ring_floats + geometry.acc_floats, |scratch| {
                let (ring, acc) = scratch.split_at_mut(cut.ring_floats);
                let task =
                    Task { direct: self, panel, axis, geometry: &geometry, sources, pointer, part, idle, ring, acc };
                // SAFETY: tensors were checked before the call, the parts of a cut write disjoint rows and channels,
                // and the scratch has the sizes of the cut.
                unsafe { dispatch(self.isa, task) }
            });
        });
        Ok(())
    }

    /// The tiles with voxels as lanes.
    #[inline(always)]
    pub(super) fn voxel_tiles(&self) -> VoxelTiles {
        VoxelTiles::new(self.registers)
    }

    /// The largest number of scalars in a tile of `n_vectors` vectors.
    #[inline(always)]
    pub(super) fn most_scalars(&self, n_vectors: usize) -> usize {
        most_scalars(self.registers, n_vectors)
    }
}

/// The order of the sums, which depends on the shape alone and not on the instruction set, so that all give the same bits.
fn sum_order(shape: &ConvShape, n_passes: usize) -> SumOrder {
    // Whole vectors of output channels make tiles whose weights are best read in one stream.
    let whole = shape.c_out.is_multiple_of(32) || shape.c_out.is_multiple_of(48);
    if n_passes == 1 && shape.kernel[1] == ROW_TAPS && !whole { SumOrder::RowsLast } else { SumOrder::ChannelsLast }
}

/// Lengths that all tasks of a call share.
#[derive(Debug)]
pub(super) struct Geometry {
    /// Taps along width that touch the image, on each side of the middle one.
    pub(super) side_taps: usize,
    /// Floats before voxel 0 in a copied row.
    pub(super) left: usize,
    /// Floats of a copied row of one channel.
    pub(super) row_len: usize,
    /// Floats of a copied row of all channels of an input block.
    pub(super) slot_len: usize,
    /// Copied rows of an input plane that are at hand at a time.
    pub(super) ring_rows: usize,
    /// Output rows of a tile of several rows; 1 where there is none.
    pub(super) tile_rows: usize,
    /// Floats of the sums of one tile, all output blocks.
    pub(super) acc_floats: usize,
}

impl Geometry {
    fn new(direct: &Direct, axis: LaneAxis, width: usize, n_lanes: usize) -> Self {
        let shape = &direct.shape;
        let side_taps = (shape.kernel[2] / 2).min((width - 1) / shape.dilation[2]);
        let pad = side_taps * shape.dilation[2];
        let (left, row_len) = match axis {
            LaneAxis::Channels => (pad, width + 2 * pad),
            // Voxel 0 on a cache line, and an odd number of lines so that channels do not fall on the same cache sets.
            LaneAxis::Voxels => {
                let left = pad.next_multiple_of(16);
                let lines = (left + width.next_multiple_of(n_lanes) + pad).div_ceil(16);
                (left, (lines | 1) * 16)
            }
        };
        let most_inputs = direct.inputs.iter().map(Range::len).max().unwrap_or(0);
        let tiles = VoxelTiles::new(direct.registers);
        let acc_floats = match axis {
            LaneAxis::Channels => 32 * n_lanes,
            LaneAxis::Voxels => shape.c_out.next_multiple_of(n_lanes) * tiles.vectors.max(tiles.rows) * n_lanes,
        };
        let tile_rows = if axis == LaneAxis::Voxels && direct.order == SumOrder::RowsLast { tiles.rows } else { 1 };
        let ring_rows = shape.kernel[1] + tile_rows - 1;
        Self { side_taps, left, row_len, slot_len: most_inputs * row_len, ring_rows, tile_rows, acc_floats }
    }
}

/// The part of a call that one task computes.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Output planes.
    pub(super) planes: Range<usize>,
    /// Input planes that those need, ascending.
    pub(super) inputs: Vec<usize>,
    /// Rows `first_row + i * dilation_h` for `i` in `rows`.
    pub(super) first_row: usize,
    pub(super) rows: Range<usize>,
    /// Rows of the image with that remainder.
    pub(super) n_rows: usize,
    /// Output blocks of the panel.
    pub(super) blocks: Range<usize>,
}

/// A call cut into tasks: plane groups, rows of one remainder modulo the dilation (so that each copied row serves all
/// its taps), chunks of those, and groups of output blocks.
#[derive(Debug)]
struct Cut {
    shape: ConvShape,
    size: [usize; 2],
    planes: Range<usize>,
    group: usize,
    n_groups: usize,
    n_remainders: usize,
    n_chunks: usize,
    n_blocks: usize,
    blocks_together: usize,
    ring_floats: usize,
}

impl Cut {
    fn new(
        direct: &Direct,
        panel: &Panel,
        axis: LaneAxis,
        geometry: &Geometry,
        size: [usize; 2],
        planes: Range<usize>,
        n_threads: usize,
    ) -> Self {
        let shape = direct.shape.clone();
        let floats = |group: usize| {
            let n_inputs = input_planes(&shape, size[0], planes.start..planes.start + group).len();
            n_inputs * geometry.ring_rows * geometry.slot_len
        };
        let mut group = 1;
        while group < planes.len() && floats(group + 1) <= RING_FLOATS {
            group += 1;
        }
        let n_groups = planes.len().div_ceil(group);
        let group = planes.len().div_ceil(n_groups);
        let n_blocks = panel.blocks().len();
        let blocks_together = match axis {
            LaneAxis::Voxels => n_blocks,
            LaneAxis::Channels => {
                let most_inputs = direct.inputs.iter().map(Range::len).max().unwrap_or(0);
                let width = panel.blocks().first().map_or(1, |block| block.width);
                (PANEL_FLOATS / (shape.taps() * most_inputs * width)).clamp(1, n_blocks)
            }
        };
        let n_remainders = shape.dilation[1].min(size[1]);
        let tasks = n_groups * n_remainders * n_blocks.div_ceil(blocks_together);
        let wanted = if n_threads == 1 { 1 } else { (TASKS_PER_THREAD * n_threads).div_ceil(tasks) };
        let rows = size[1].div_ceil(n_remainders);
        let n_chunks = wanted.min(rows.div_ceil(MIN_ROWS));
        let ring_floats = (0..n_groups)
            .map(|i| {
                let start = planes.start + i * group;
                input_planes(&shape, size[0], start..(start + group).min(planes.end)).len()
            })
            .max()
            .unwrap_or(0)
            * geometry.ring_rows
            * geometry.slot_len;
        Self {
            shape,
            size,
            planes,
            group,
            n_groups,
            n_remainders,
            n_chunks,
            n_blocks,
            blocks_together,
            ring_floats: ring_floats.next_multiple_of(16),
        }
    }

    fn n_tasks(&self) -> usize {
        self.n_groups * self.n_remainders * self.n_chunks * self.n_blocks.div_ceil(self.blocks_together)
    }

    fn part(&self, index: usize) -> Part {
        let n_block_groups = self.n_blocks.div_ceil(self.blocks_together);
        let (index, block) = (index / n_block_groups, index % n_block_groups * self.blocks_together);
        let (index, chunk) = (index / self.n_chunks, index % self.n_chunks);
        let (group, first_row) = (index / self.n_remainders, index % self.n_remainders);
        let start = self.planes.start + group * self.group;
        let planes = start..(start + self.group).min(self.planes.end);
        let n_rows = (self.size[1] - first_row).div_ceil(self.shape.dilation[1]);
        Part {
            inputs: input_planes(&self.shape, self.size[0], planes.clone()),
            planes,
            first_row,
            rows: n_rows * chunk / self.n_chunks..n_rows * (chunk + 1) / self.n_chunks,
            n_rows,
            blocks: block..(block + self.blocks_together).min(self.n_blocks),
        }
    }
}

/// The input planes under the taps of output `planes`, ascending.
fn input_planes(shape: &ConvShape, depth: usize, planes: Range<usize>) -> Vec<usize> {
    let (kernel, dilation) = (shape.kernel[0], shape.dilation[0]);
    let mut inputs: Vec<usize> =
        planes.flat_map(|z| (0..kernel).filter_map(move |k| neighbour(z, k, kernel, dilation, depth))).collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

/// Index `at + (tap - kernel / 2) * dilation`, if it lies in `0..n`.
#[inline(always)]
pub(super) fn neighbour(at: usize, tap: usize, kernel: usize, dilation: usize, n: usize) -> Option<usize> {
    let index = at.checked_add(tap.checked_mul(dilation)?)?.checked_sub((kernel / 2).checked_mul(dilation)?)?;
    (index < n).then_some(index)
}
