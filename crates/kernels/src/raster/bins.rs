//! Lists of the splats of each tile, nearest first.

use crate::KernelError;

use super::packed::Packed;
use super::sort::Keys;
use super::{Frame, Splat, TILE};

/// Places in the list of one tile are kept as `f32`, which is exact below this.
const MOST_IN_TILE: u32 = 1 << 24;

/// Splats in order of depth, and the lists of all tiles one after the other.
#[derive(Debug, Default)]
pub(super) struct Bins {
    /// Rows and columns of tiles.
    pub(super) tiles: [usize; 2],
    /// Index of each visible splat, nearest first.
    pub(super) order: Vec<u32>,
    /// The visible splats in that order.
    pub(super) packed: Vec<Packed>,
    /// Where the list of each tile begins, and the end of the last.
    pub(super) starts: Vec<u32>,
    /// Places in `packed`, ascending within a tile.
    pub(super) list: Vec<u32>,
    /// Where the records of each splat, by its own index, begin in `places`, and how many there are.
    of_splat: Vec<[u32; 2]>,
    /// Places in `list`, by splat and then by tile. While lists are made: tiles.
    places: Vec<u32>,
    keys: Keys,
}

impl Bins {
    pub(super) fn n_tiles(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Places in `list` of a splat.
    pub(super) fn records_of(&self, splat: usize) -> &[u32] {
        let [start, count] = self.of_splat[splat];
        &self.places[start as usize..(start + count) as usize]
    }

    pub(super) fn bytes(&self) -> usize {
        let words = self.order.capacity() + self.starts.capacity() + self.list.capacity() + self.places.capacity();
        4 * words + 8 * self.of_splat.capacity() + self.packed.capacity() * size_of::<Packed>() + self.keys.bytes()
    }

    /// Makes the lists.
    pub(super) fn build(&mut self, splats: &[Splat], frame: &Frame) -> Result<(), KernelError> {
        let too_many = |value: usize| KernelError::Parameter {
            op: "rasterizer forward",
            name: "splats",
            value: value.to_string(),
            why: "fewer than 2^32 pairs of tile and splat, and 2^24 in a tile",
        };
        let n_splats = u32::try_from(splats.len()).map_err(|_| too_many(splats.len()))?;
        self.tiles = frame.size.map(|n| n.div_ceil(TILE));
        self.keys.pairs.clear();
        for (i, splat) in (0..n_splats).zip(splats) {
            if Packed::new(splat, frame.size, &frame.options).is_some() {
                // The bits of positive floats are in the order of the floats.
                self.keys.pairs.push([splat.features[3].to_bits(), i]);
            }
        }
        self.keys.sort();
        self.order.clear();
        self.packed.clear();
        self.places.clear();
        self.of_splat.clear();
        self.of_splat.resize(splats.len(), [0; 2]);
        self.starts.clear();
        self.starts.resize(self.n_tiles() + 1, 0);
        for &[_, index] in &self.keys.pairs {
            let Some(packed) = Packed::new(&splats[index as usize], frame.size, &frame.options) else { continue };
            let start = self.places.len();
            let [columns, rows] = packed.tiles();
            let is_single = columns[1] - columns[0] == 1 && rows[1] - rows[0] == 1;
            for row in rows[0]..rows[1] {
                for column in columns[0]..columns[1] {
                    if is_single || packed.reaches([column, row]) {
                        let tile = row * self.tiles[1] + column;
                        self.starts[tile + 1] += 1;
                        self.places.push(tile as u32);
                    }
                }
            }
            let count = self.places.len() - start;
            if count > 0 {
                let start = u32::try_from(start).map_err(|_| too_many(start))?;
                self.of_splat[index as usize] = [start, count as u32];
                self.order.push(index);
                self.packed.push(packed);
            }
        }
        u32::try_from(self.places.len()).map_err(|_| too_many(self.places.len()))?;
        if let Some(&most) = self.starts.iter().max().filter(|n| **n >= MOST_IN_TILE) {
            return Err(too_many(most as usize));
        }
        self.fill();
        Ok(())
    }

    /// Turns counts into starts, tiles of splats into lists of tiles.
    fn fill(&mut self) {
        let mut sum = 0;
        // `starts[t + 1]` becomes the start of tile t, moves on as the list is filled, and ends as its end.
        for count in &mut self.starts[1..] {
            sum += std::mem::replace(count, sum);
        }
        self.list.clear();
        self.list.resize(self.places.len(), 0);
        for (rank, &index) in (0u32..).zip(&self.order) {
            let [start, count] = self.of_splat[index as usize];
            for place in &mut self.places[start as usize..(start + count) as usize] {
                let next = &mut self.starts[*place as usize + 1];
                self.list[*next as usize] = rank;
                *place = *next;
                *next += 1;
            }
        }
    }
}
