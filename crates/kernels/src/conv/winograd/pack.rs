//! Weights at the points of the tiles.

use super::points::{MOST, Points};

use crate::conv::panel::{Block, even_parts};
use crate::simd::{Body, Lane};
use crate::{Buffer, Threads};

/// Weights as `[point][output block][term][input channel][output channel of the block]`; points are those of depth,
/// height and width, in this order. Where depth is not transformed, its three taps are terms of one point.
#[derive(Debug)]
pub(super) struct Factors {
    blocks: Vec<Block>,
    /// Terms times input channels.
    depth: usize,
    padded: usize,
    data: Buffer<f32>,
}

/// Where the packed weights go; tasks write disjoint rows.
struct Target(*mut f32);

impl Target {
    fn at(&self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }
}

// SAFETY: the pointer comes from an exclusive borrow that outlives the tasks, and tasks write disjoint floats.
unsafe impl Sync for Target {}

impl Factors {
    /// Transforms `weight` `[C_out][C_in][taps]` in f64, one axis after the other, and rounds once.
    pub(super) fn new<D: Points, P: Points>(
        weight: &[f32],
        [c_in, c_out]: [usize; 2],
        [n_lanes, most_vectors]: [usize; 2],
        threads: &Threads,
    ) -> Self {
        let mut blocks = Vec::new();
        let mut padded = 0;
        for n in even_parts(c_out.div_ceil(n_lanes), most_vectors) {
            blocks.push(Block { start: padded, width: n * n_lanes, number: blocks.len() });
            padded += n * n_lanes;
        }
        let points = D::A * P::A * P::A;
        let terms = if D::M == 1 { D::A } else { 1 };
        let mut data = Buffer::zeros(points * c_in * padded);
        let target = Target(data.as_mut_ptr());
        let matrices = [D::weights(), P::weights(), P::weights()];
        let n_taps = D::TAPS * 9;
        let counts = [D::A, P::A, P::A];
        threads.for_each(blocks.len() * c_in, |index| {
            let (block, c) = (blocks[index / c_in], index % c_in);
            let width = block.width.min(c_out - block.start);
            // One value per tap, depth first, and output channel; then per point.
            let mut taps = vec![0.0_f64; n_taps * width];
            for o in 0..width {
                for tap in 0..n_taps {
                    taps[tap * width + o] = f64::from(weight[((block.start + o) * c_in + c) * n_taps + tap]);
                }
            }
            let values = at_points(&taps, &matrices, counts, width);
            for (p, values) in values.chunks_exact(width).enumerate() {
                let (d, hw) = (p / (P::A * P::A), p % (P::A * P::A));
                let (point, term) = if terms == 1 { (p, 0) } else { (hw, d) };
                let row = (point * padded + block.start) * terms * c_in + (term * c_in + c) * block.width;
                for (o, value) in values.iter().enumerate() {
                    // SAFETY: row `c` of one block of one point, which no other task writes; `o < block.width`.
                    unsafe { *target.at(row + o) = *value as f32 };
                }
            }
        });
        Self { blocks, depth: terms * c_in, padded, data }
    }

    /// The output blocks, in order of channels.
    #[inline(always)]
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Output channels with those of padding.
    #[inline(always)]
    pub(super) fn padded(&self) -> usize {
        self.padded
    }

    /// The weights `[term][input channel][width]` of one output block at point number `point`.
    #[inline(always)]
    pub(super) fn weights(&self, point: usize, block: &Block) -> *const f32 {
        self.data[(point * self.padded + block.start) * self.depth..].as_ptr()
    }

    /// Bytes of the weights.
    pub(super) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.data)
    }
}

/// Applies the three matrices to `values[depth tap][height tap][width tap][width]`, the last axis first; a single depth
/// tap stays as it is.
fn at_points(values: &[f64], matrices: &[[[f64; 3]; MOST]; 3], counts: [usize; 3], width: usize) -> Vec<f64> {
    let depth_taps = values.len() / (9 * width);
    let by_width = along(values, &matrices[2][..counts[2]], 3 * depth_taps, width);
    let by_height = along(&by_width, &matrices[1][..counts[1]], depth_taps, counts[2] * width);
    if depth_taps == 1 {
        return by_height;
    }
    along(&by_height, &matrices[0][..counts[0]], 1, counts[1] * counts[2] * width)
}

/// `out[o][p][i] = sum over t of matrix[p][t] * values[o][t][i]`, `outer` times `inner` times.
fn along(values: &[f64], matrix: &[[f64; 3]], outer: usize, inner: usize) -> Vec<f64> {
    let mut out = vec![0.0; outer * matrix.len() * inner];
    for (values, out) in values.chunks_exact(3 * inner).zip(out.chunks_exact_mut(matrix.len() * inner)) {
        let (first, rest) = values.split_at(inner);
        let (second, third) = rest.split_at(inner);
        for ([a, b, c], out) in matrix.iter().zip(out.chunks_exact_mut(inner)) {
            for (((out, x), y), z) in out.iter_mut().zip(first).zip(second).zip(third) {
                *out = a * x + b * y + c * z;
            }
        }
    }
    out
}

/// Lanes and registers of an instruction set.
pub(super) struct Measure;

impl Body for Measure {
    type Output = [usize; 2];

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> [usize; 2] {
        [L::N, L::REGISTERS]
    }
}
