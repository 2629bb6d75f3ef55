//! One task of a direct convolution: input rows are copied once, tiles run over them, results are stored.

use std::ops::Range;

use super::ahead::Ahead;
use super::direct::{Direct, Geometry, Part, neighbour};
use super::idle_rows::IdleRows;
use super::panel::SumOrder;
use super::panel::{Block, Panel, even_parts};
use super::rows::{copy_row, store};
use super::tile::{Hints, LaneAxis, MOST_ROWS, Products, Run, add_products, add_products_of_rows};
use crate::simd::{Body, Lane};
use crate::{Layout, Planes, PlanesMut};

/// The output, shared by tasks that write disjoint parts of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutPointer {
    data: *mut f32,
    layout: Layout,
}

// SAFETY: the pointer comes from an exclusive borrow that outlives the tasks, and tasks write disjoint floats.
unsafe impl Send for OutPointer {}
// SAFETY: as above.
unsafe impl Sync for OutPointer {}

impl OutPointer {
    pub(super) fn new(out: &mut PlanesMut<'_>) -> Self {
        Self { layout: *out.layout(), data: out.data_mut().as_mut_ptr() }
    }
}

/// A part of a call and the scratch to compute it with.
pub(super) struct Task<'a> {
    pub(super) direct: &'a Direct,
    pub(super) panel: &'a Panel,
    pub(super) axis: LaneAxis,
    pub(super) geometry: &'a Geometry,
    pub(super) sources: &'a [Planes<'a>],
    pub(super) pointer: OutPointer,
    pub(super) part: Part,
    pub(super) idle: &'a IdleRows,
    /// Copied rows `[input plane][row modulo ring_rows][channel][row_len]`.
    pub(super) ring: &'a mut [f32],
    /// Sums of a tile.
    pub(super) acc: &'a mut [f32],
}

/// A block of input channels, and whether its sums begin or end there.
struct Pass {
    inputs: Range<usize>,
    first: bool,
    last: bool,
}

/// Steps of an output row, or of several together: where their input lies, and which weights they take.
#[derive(Debug, Default)]
struct Steps {
    offsets: Vec<u32>,
    runs: Vec<Run>,
    /// Floats of the ring before the rows of the taps along height that touch the image.
    taps: Vec<usize>,
    /// Floats of the ring before each input row of a tile of several rows.
    bases: [u32; MOST_ROWS],
}

impl Steps {
    /// Announces `len` steps whose weights begin at step `weights` of the block.
    #[inline(always)]
    fn push_run(&mut self, weights: usize, len: usize) {
        match self.runs.last_mut() {
            Some(last) if last.weights + last.len == weights => last.len += len,
            _ => self.runs.push(Run { start: self.offsets.len(), len, weights }),
        }
    }
}

impl Body for Task<'_> {
    type Output = ();

    /// # Safety
    /// Tensors were checked, no other task writes the part's rows and channels, and the scratch has the lengths of
    /// [`Geometry`] and of the cut.
    #[inline(always)]
    unsafe fn run<L: Lane>(mut self) {
        let shape = &self.direct.shape;
        // The floats beside the voxels are read as zeros and not written below.
        self.ring.fill(0.0);
        // Sums of channels beyond the last are not stored, but pass through the epilogue.
        self.acc.fill(0.0);
        let mut steps = Steps::default();
        let mut ahead = Ahead::default();
        for (i, inputs) in self.direct.inputs.iter().enumerate() {
            let pass = Pass { inputs: inputs.clone(), first: i == 0, last: i + 1 == self.direct.inputs.len() };
            let reach = shape.kernel[1] / 2;
            let mut next = self.part.rows.start.saturating_sub(reach);
            let mut row = self.part.rows.start;
            while row < self.part.rows.end {
                let n_rows = self.rows_together(row);
                while next < (row + n_rows + reach).min(self.part.n_rows) {
                    // SAFETY: a row of the image and input planes of the part.
                    unsafe { self.copy_rows::<L>(&pass.inputs, next) };
                    next += 1;
                }
                let rows = next..(next + self.geometry.tile_rows).min(self.part.rows.end + reach).min(self.part.n_rows);
                let image_rows = rows.map(|row| self.image_row(row));
                let n_shares = self.part.planes.len() * self.n_tiles::<L>(n_rows);
                ahead.begin(self.sources, &pass.inputs, (self.part.inputs.as_slice(), image_rows), n_shares);
                for z in self.part.planes.clone() {
                    if (row..row + n_rows).all(|row| self.idle.contains(z, self.image_row(row))) {
                        continue;
                    }
                    self.list_steps(pass.inputs.len(), z, row..row + n_rows, &mut steps);
                    // SAFETY: the rows under all steps were copied.
                    unsafe {
                        match self.axis {
                            LaneAxis::Channels => self.row_by_channel::<L>(&pass, &steps, &mut ahead, (z, row)),
                            LaneAxis::Voxels => {
                                self.rows_by_voxel::<L>(&pass, &steps, &mut ahead, (z, row..row + n_rows));
                            }
                        }
                    }
                }
                row += n_rows;
            }
        }
    }
}

impl Task<'_> {
    /// Row of the image behind index `row` of the part.
    #[inline(always)]
    fn image_row(&self, row: usize) -> usize {
        self.part.first_row + row * self.direct.shape.dilation[1]
    }

    /// Rows from `row` on that tiles take together: as many as a tile has, if all their taps touch the image.
    #[inline(always)]
    fn rows_together(&self, row: usize) -> usize {
        let n = self.geometry.tile_rows;
        if row >= 1 && row + n <= self.part.rows.end && row + n < self.part.n_rows { n } else { 1 }
    }

    /// Tiles of one output row, or of `n_rows` together, between which the rows ahead are asked for.
    #[inline(always)]
    fn n_tiles<L: Lane>(&self, n_rows: usize) -> usize {
        let width = self.pointer.layout.width;
        match self.axis {
            LaneAxis::Voxels if n_rows > 1 => width.div_ceil(L::N) * self.panel.blocks().len(),
            LaneAxis::Voxels => width.div_ceil(self.direct.voxel_tiles().vectors * L::N) * self.panel.blocks().len(),
            LaneAxis::Channels => {
                let blocks = &self.panel.blocks()[self.part.blocks.clone()];
                blocks.iter().map(|block| width.div_ceil(self.direct.most_scalars(block.width / L::N))).sum()
            }
        }
    }

    /// Floats of the ring before the copy of row `row` of the part's input plane number `plane`.
    #[inline(always)]
    fn slot(&self, plane: usize, row: usize) -> usize {
        let n = self.geometry.ring_rows;
        (plane * n + row % n) * self.geometry.slot_len
    }

    /// Copies row `row` of all input planes.
    ///
    /// # Safety
    /// As [`Task::run`]; `row < n_rows`.
    #[inline(always)]
    unsafe fn copy_rows<L: Lane>(&mut self, channels: &Range<usize>, row: usize) {
        for plane in 0..self.part.inputs.len() {
            let (slot, position) = (self.slot(plane, row), (self.part.inputs[plane], self.image_row(row)));
            let out = &mut self.ring[slot..slot + self.geometry.slot_len];
            let (left, row_len) = (self.geometry.left, self.geometry.row_len);
            // SAFETY: the position lies in the image, the channels in the sources, and a slot holds their rows.
            unsafe { copy_row::<L>(self.sources, channels, position, out, (left, row_len)) };
        }
    }

    /// Lists the taps that touch the image for the output rows `(z, rows)`, times the input channels; taps along height
    /// are one step where there are several rows.
    #[inline(always)]
    fn list_steps(&self, n_channels: usize, z: usize, rows: Range<usize>, steps: &mut Steps) {
        let [kd, kh, kw] = self.direct.shape.kernel;
        let (dilation, depth) = (self.direct.shape.dilation, self.pointer.layout.depth);
        let (side_taps, row_len) = (self.geometry.side_taps, self.geometry.row_len);
        steps.offsets.clear();
        steps.runs.clear();
        steps.taps.clear();
        // Taps along height that touch the image follow one another.
        let (mut first_tap, mut taps_per_step) = (0, kh);
        if rows.len() > 1 {
            for (base, row) in steps.bases.iter_mut().zip(rows.start - 1..=rows.end) {
                *base = self.slot(0, row) as u32;
            }
            steps.taps.push(0);
        } else {
            let row_of = |j| neighbour(rows.start, j, kh, 1, self.part.n_rows);
            (first_tap, taps_per_step) = ((0..kh).position(|j| row_of(j).is_some()).unwrap_or(0), 1);
            steps.taps.extend((0..kh).filter_map(row_of).map(|row| self.slot(0, row)));
        }
        let n_taps = steps.taps.len();
        let first_side = kw / 2 - side_taps;
        for i in 0..kd {
            let Some(z_in) = neighbour(z, i, kd, dilation[0], depth) else { continue };
            let Ok(plane) = self.part.inputs.binary_search(&z_in) else { continue };
            let first = self.slot(plane, 0) + self.geometry.left - side_taps * dilation[2];
            match self.direct.order {
                SumOrder::ChannelsLast => {
                    for j in 0..n_taps {
                        let weights = ((i * kh + first_tap + j) * kw + first_side) * n_channels;
                        steps.push_run(weights, (2 * side_taps + 1) * n_channels);
                        for k in 0..2 * side_taps + 1 {
                            let start = (first + steps.taps[j] + k * dilation[2]) as u32;
                            steps.offsets.extend((0..n_channels as u32).map(|c| start + c * row_len as u32));
                        }
                    }
                }
                SumOrder::RowsLast => {
                    for c in 0..n_channels {
                        let weights = ((i * n_channels + c) * kw + first_side) * kh / taps_per_step + first_tap;
                        for k in 0..2 * side_taps + 1 {
                            steps.push_run(weights + k * (kh / taps_per_step), n_taps);
                            let start = first + c * row_len + k * dilation[2];
                            steps.offsets.extend(steps.taps.iter().map(|slot| (start + slot) as u32));
                        }
                    }
                }
            }
        }
    }

    /// The products of one output block.
    #[inline(always)]
    fn products<'b>(&self, pass: &Pass, steps: &'b Steps, block: &Block) -> Products<'b> {
        Products {
            axis: self.axis,
            runs: &steps.runs,
            offsets: &steps.offsets,
            input: self.ring.as_ptr(),
            weights: self.panel.weights(&pass.inputs, block).as_ptr(),
            stride: self.panel.stride(),
            ahead: Hints::NONE,
            out: Hints::NONE,
        }
    }

    /// Lanes are output channels: tiles of voxels times one output block.
    ///
    /// # Safety
    /// As [`Task::run`]; the rows under all steps were copied.
    #[inline(always)]
    unsafe fn row_by_channel<L: Lane>(
        &mut self,
        pass: &Pass,
        steps: &Steps,
        ahead: &mut Ahead<'_>,
        (z, row): (usize, usize),
    ) {
        let layout = self.pointer.layout;
        let out_row = layout.row_offset(z, self.image_row(row));
        for number in self.part.blocks.clone() {
            let block = self.panel.blocks()[number];
            let products = self.products(pass, steps, &block);
            let n_vectors = block.width / L::N;
            let mut x = 0;
            for n_voxels in even_parts(layout.width, self.direct.most_scalars(n_vectors)) {
                let hints = ahead.share();
                let tile = Products { input: products.input.wrapping_add(x), ahead: hints, ..products };
                // SAFETY: voxels `x..x + n_voxels` of an output row of the part, all of whose operands lie in the ring
                // and in the panel; a tile's sums fit in the scratch.
                unsafe {
                    let out = self.pointer.data.add(out_row + x * layout.channels);
                    let acc = self.acc.as_mut_ptr();
                    self.begin::<L>(pass, &block, n_voxels, out, acc);
                    add_products::<L>(n_voxels, n_vectors, &tile, acc);
                    self.end::<L>(pass, &block, n_voxels, out, acc);
                }
                x += n_voxels;
            }
        }
    }

    /// Sets the sums `acc[voxel][width]` to the bias, or to what the pass before left in the output.
    ///
    /// # Safety
    /// `out` has `n_voxels` voxels, `acc` as many blocks.
    #[inline(always)]
    unsafe fn begin<L: Lane>(&self, pass: &Pass, block: &Block, n_voxels: usize, out: *mut f32, acc: *mut f32) {
        let channels = self.pointer.layout.channels;
        for i in 0..n_voxels {
            for c in (0..block.width).step_by(L::N) {
                let (channel, n) = (block.start + c, L::N.min(channels - block.start - c));
                // SAFETY: channels `channel..channel + n` of voxel `i`; the bias is padded to whole blocks.
                unsafe {
                    let sum = if pass.first {
                        L::load(self.direct.finish.bias().as_ptr().add(channel))
                    } else {
                        L::load_first(out.add(i * channels + channel), n)
                    };
                    sum.store(acc.add(i * block.width + c));
                }
            }
        }
    }

    /// Stores the sums, after the epilogue if the pass is the last.
    ///
    /// # Safety
    /// As [`Task::begin`].
    #[inline(always)]
    unsafe fn end<L: Lane>(&self, pass: &Pass, block: &Block, n_voxels: usize, out: *mut f32, acc: *const f32) {
        let channels = self.pointer.layout.channels;
        for c in (0..block.width).step_by(L::N) {
            let (channel, n) = (block.start + c, L::N.min(channels - block.start - c));
            for i in 0..n_voxels {
                // SAFETY: channels `channel..channel + n` of voxel `i`; the epilogue is padded to whole blocks.
                unsafe {
                    let sum = L::load(acc.add(i * block.width + c));
                    let value = if pass.last { self.direct.finish.apply(sum, channel) } else { sum };
                    store(value, out.add(i * channels + channel), n);
                }
            }
        }
    }

    /// Lanes are voxels: tiles of several vectors of voxels times a few output channels.
    ///
    /// # Safety
    /// As [`Task::row_by_channel`]; the pass is the only one.
    #[inline(always)]
    unsafe fn row_by_voxel<L: Lane>(
        &mut self,
        pass: &Pass,
        steps: &Steps,
        ahead: &mut Ahead<'_>,
        (z, row): (usize, usize),
    ) {
        let layout = self.pointer.layout;
        let out_row = layout.row_offset(z, self.image_row(row));
        let mut x = 0;
        for n_vectors in even_parts(layout.width.div_ceil(L::N), self.direct.voxel_tiles().vectors) {
            let width = n_vectors * L::N;
            for (sums, bias) in self.acc.chunks_exact_mut(width).zip(&self.direct.finish.bias()[..layout.channels]) {
                sums.fill(*bias);
            }
            let n_blocks = self.panel.blocks().len();
            let out_floats = width.min(layout.width - x) * layout.channels / n_blocks;
            for (number, block) in self.panel.blocks().iter().enumerate() {
                let products = self.products(pass, steps, block);
                let start = self.pointer.data.wrapping_add(out_row + x * layout.channels + number * out_floats);
                let out = Hints::lines(start, out_floats);
                let ahead = ahead.share();
                let tile = Products { input: products.input.wrapping_add(x), ahead, out, ..products };
                // SAFETY: copied rows are padded to whole vectors, and the scratch holds the sums of all channels.
                unsafe {
                    add_products::<L>(block.width, n_vectors, &tile, self.acc.as_mut_ptr().add(block.start * width));
                };
            }
            // SAFETY: voxels from `x` on of an output row of the part.
            unsafe {
                self.finish_channels::<L>(width);
                self.store_voxels::<L>((width, 0), width.min(layout.width - x), out_row + x * layout.channels);
            }
            x += width;
        }
    }

    /// The same for several rows together, one vector of voxels each; or for one.
    ///
    /// # Safety
    /// As [`Task::row_by_voxel`], for all `rows`, which are one or those of a tile.
    #[inline(always)]
    unsafe fn rows_by_voxel<L: Lane>(
        &mut self,
        pass: &Pass,
        steps: &Steps,
        ahead: &mut Ahead<'_>,
        (z, rows): (usize, Range<usize>),
    ) {
        let (layout, row, n_rows) = (self.pointer.layout, rows.start, rows.len());
        if n_rows == 1 {
            // SAFETY: passed on from the caller.
            return unsafe { self.row_by_voxel::<L>(pass, steps, ahead, (z, row)) };
        }
        let width = n_rows * L::N;
        let n_blocks = self.panel.blocks().len();
        for x in (0..layout.width).step_by(L::N) {
            for (sums, bias) in self.acc.chunks_exact_mut(width).zip(&self.direct.finish.bias()[..layout.channels]) {
                sums.fill(*bias);
            }
            let n_voxels = L::N.min(layout.width - x);
            for (number, block) in self.panel.blocks().iter().enumerate() {
                let products = self.products(pass, steps, block);
                let hinted = number * n_rows / n_blocks;
                let start = layout.row_offset(z, self.image_row(row + hinted)) + x * layout.channels;
                let out = Hints::lines(self.pointer.data.wrapping_add(start), n_voxels * layout.channels);
                let tile = Products { input: products.input.wrapping_add(x), ahead: ahead.share(), out, ..products };
                // SAFETY: copied rows are padded to whole vectors, and the scratch holds the sums of all channels.
                unsafe {
                    let acc = self.acc.as_mut_ptr().add(block.start * width);
                    add_products_of_rows::<L>(block.width, &steps.bases, &tile, acc);
                };
            }
            // SAFETY: the instruction set is there.
            unsafe { self.finish_channels::<L>(width) };
            for i in 0..n_rows {
                let offset = layout.row_offset(z, self.image_row(row + i)) + x * layout.channels;
                // SAFETY: voxels from `x` on of an output row of the part.
                unsafe { self.store_voxels::<L>((width, i * L::N), n_voxels, offset) };
            }
        }
    }

    /// Applies the epilogue to the sums `acc[channel][width]`, whole vectors of each channel.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    unsafe fn finish_channels<L: Lane>(&mut self, width: usize) {
        let channels = self.pointer.layout.channels;
        for (c, sums) in self.acc.chunks_exact_mut(width).enumerate().take(channels) {
            for sum in sums.chunks_exact_mut(L::N) {
                // SAFETY: a chunk has `N` floats.
                unsafe { self.direct.finish.apply_to_channel(L::load(sum.as_ptr()), c).store(sum.as_mut_ptr()) };
            }
        }
    }

    /// Stores the finished sums `acc[channel][width]` of `n_voxels` voxels from `first` on.
    ///
    /// # Safety
    /// The voxels behind float `offset` of the output belong to the part.
    #[inline(always)]
    unsafe fn store_voxels<L: Lane>(&mut self, (width, first): (usize, usize), n_voxels: usize, offset: usize) {
        let channels = self.pointer.layout.channels;
        for c in (0..channels).step_by(L::N) {
            let n = L::N.min(channels - c);
            for x in (0..n_voxels).step_by(4) {
                let cols = 4.min(n_voxels - x);
                // SAFETY: `n` channels of `cols` voxels in the output; the scratch has whole vectors of both.
                unsafe {
                    let sums = L::columns(self.acc.as_ptr().add(c * width + first + x), width, L::N, 4);
                    for (i, sum) in sums.into_iter().enumerate().take(cols) {
                        store(sum, self.pointer.data.add(offset + (x + i) * channels + c), n);
                    }
                }
            }
        }
    }
}
