//! The scratch of a task: how many tiles it holds, and where its parts lie.

use std::ops::Range;

use super::super::SourceKind;
use super::Winograd;
use super::grid::Grid;
use crate::simd::LINE;

/// Floats of the transformed inputs and results of a block of tiles: with the weights of a narrow layer and the rows
/// of the next block they stay in a second-level cache of 1 MB.
const BLOCK_FLOATS: usize = 72 * 1024;
/// Floats of the inputs and products of a block at one point of depth and height: in a first-level cache.
const LINE_FLOATS: usize = 5 * 1024;
/// Weights that stay in such a cache, in floats.
const RESIDENT_WEIGHTS: usize = 512 * 1024;
/// Tiles of a block, at least: more where each block reads its weights from further away. And at most.
const MIN_TILES: [usize; 2] = [10, 32];
const MAX_TILES: usize = 64;
/// Blocks per thread that even out the load: fewer where each block reads its weights from further away.
const BLOCKS_PER_THREAD: [usize; 2] = [4, 1];
/// The fewest tiles that are cut for it.
const FEW_TILES: usize = 8;
/// Floats of a row that are transformed along depth and height together, in the first-level cache.
pub(super) const CHUNK: usize = 64;

/// Lengths in floats. Points lie an odd number of cache lines apart, so that the values of one voxel do not fall on the
/// same cache sets.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// Groups of tiles of a block.
    pub(super) n_groups: usize,
    /// Of each source: from one point of its rows to the next.
    pub(super) rows: Vec<usize>,
    /// From one point of the inputs of tiles to the next.
    pub(super) input_point: usize,
    /// From one point of their products to the next.
    pub(super) product_point: usize,
    /// From one point of the results to the next.
    pub(super) result_point: usize,
    /// Lengths of the parts.
    parts: [usize; 6],
}

/// The parts of the scratch.
pub(super) struct Parts<'a> {
    /// Read in place of rows outside the volume.
    pub(super) zeros: &'a mut [f32],
    /// A chunk of rows between two transforms: `[points of depth or planes][rows or points of height][CHUNK]`.
    pub(super) chunk: &'a mut [f32],
    /// Rows at the points of depth and height, of one source after the other:
    /// `[point of depth][point of height][a zero voxel, voxels][channel]`.
    pub(super) rows: &'a mut [f32],
    /// Inputs at the points of width: `[term][point][tile][channel]`.
    pub(super) inputs: &'a mut [f32],
    /// Their products with the weights: `[point][tile][padded output channel]`.
    pub(super) products: &'a mut [f32],
    /// Results at the points of depth and height: `[point of depth][point of height][voxel][output channel]`.
    pub(super) results: &'a mut [f32],
}

impl Room {
    /// Room for blocks of the tiles of a call.
    pub(super) fn new(conv: &Winograd, grid: &Grid, sources: &[SourceKind], n_threads: usize) -> Self {
        let ([c_in, c_out], padded) = (conv.channels, conv.factors.padded());
        let [m_depth, m] = conv.tile;
        let (depth_points, flat) = (m_depth + conv.depth_taps - 1, m_depth == 1);
        let (terms, depth_results) = if flat { (depth_points, 1) } else { (1, depth_points) };
        let n_groups = grid.n_groups();
        let per_group = grid.columns.dilation;
        let per_tile = (m + 2) * m * (depth_points * c_in + depth_results * c_out);
        let remote = usize::from(conv.packed_bytes() > RESIDENT_WEIGHTS * size_of::<f32>());
        // Three terms are too many for the first-level cache anyway.
        let line_tiles = if terms == 1 { LINE_FLOATS / ((m + 2) * (c_in + padded)) } else { MAX_TILES };
        let most = (BLOCK_FLOATS / per_tile).min(line_tiles).clamp(MIN_TILES[remote], MAX_TILES);
        let fair = (n_groups * per_group).div_ceil(BLOCKS_PER_THREAD[remote] * n_threads).max(FEW_TILES);
        let wanted = if n_threads == 1 { most } else { most.min(fair) };
        let wanted = (wanted / per_group).max(1);
        // Blocks that divide a row of tiles have no ends within it.
        let n_columns = grid.columns.n_groups();
        let n_blocks = if wanted < n_columns {
            n_groups.div_ceil(n_columns) * n_columns.div_ceil(wanted)
        } else {
            n_groups.div_ceil(wanted / n_columns * n_columns)
        };
        let mut room = Self {
            n_groups: n_groups.div_ceil(n_blocks),
            rows: vec![0; sources.len()],
            input_point: 0,
            product_point: 0,
            result_point: 0,
            parts: [0; 6],
        };
        let mut rows = vec![0; sources.len()];
        let (mut n_tiles, mut n_outputs) = (0, 0);
        for block in room.blocks(grid) {
            rows.fill(1);
            let (mut tiles, mut outputs) = (0, 0);
            for segment in grid.segments(&block) {
                tiles += grid.n_tiles(&segment);
                outputs += segment.groups.len() * grid.columns.group();
                for (n, source) in rows.iter_mut().zip(sources) {
                    *n += grid.inputs(&segment, usize::from(source.upsampled)).len();
                }
            }
            (n_tiles, n_outputs) = (n_tiles.max(tiles), n_outputs.max(outputs));
            for ((room, n), source) in room.rows.iter_mut().zip(&rows).zip(sources) {
                // A line behind the last voxel, for whole vectors.
                *room = apart(n * source.channels + LINE).max(*room);
            }
        }
        room.input_point = apart(n_tiles * c_in);
        room.product_point = apart(n_tiles * padded);
        room.result_point = apart(n_outputs * c_out + LINE);
        let points = depth_points * (m + 2);
        room.parts = [
            CHUNK,
            points * CHUNK,
            points * room.rows.iter().sum::<usize>(),
            terms * (m + 2) * room.input_point,
            (m + 2) * room.product_point,
            depth_results * (m + 2) * room.result_point,
        ];
        room
    }

    /// The blocks, as ranges of groups.
    pub(super) fn blocks(&self, grid: &Grid) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let (n, step) = (grid.n_groups(), self.n_groups);
        (0..n.div_ceil(step)).map(move |i| i * step..((i + 1) * step).min(n))
    }

    /// Floats of the whole scratch.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().sum()
    }

    /// Cuts the scratch.
    #[inline(always)]
    pub(super) fn split<'a>(&self, scratch: &'a mut [f32]) -> Parts<'a> {
        let [zeros, chunk, rows, inputs, products, _] = self.parts;
        let (zeros, rest) = scratch.split_at_mut(zeros);
        let (chunk, rest) = rest.split_at_mut(chunk);
        let (rows, rest) = rest.split_at_mut(rows);
        let (inputs, rest) = rest.split_at_mut(inputs);
        let (products, results) = rest.split_at_mut(products);
        Parts { zeros, chunk, rows, inputs, products, results }
    }
}

/// At least `floats`, in an odd number of cache lines.
fn apart(floats: usize) -> usize {
    (floats.div_ceil(LINE) | 1) * LINE
}
