//! Lists of the splats of each tile, nearest first.

use crate::simd::{Body, Lane, dispatch};
use crate::{Isa, KernelError, Threads};

use super::cells::reached;
use super::packed::Packed;
use super::sort::Keys;
use super::{Frame, Splat, TILE};

/// Places in the list of one tile are kept as `f32`, which is exact below this.
const MOST_IN_TILE: u32 = 1 << 24;
/// Splats that one task looks at.
const SPLAT_CHUNK: usize = 512;

/// Tiles that a splat may reach.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    /// Column and row of the first tile.
    first: [u16; 2],
    /// Columns and rows of tiles.
    size: [u16; 2],
    /// Bit `8 * row + column` for each tile that the ellipse reaches, where there are at most 8 rows and columns.
    tiles: u64,
}

/// Most rows and columns of tiles with a bit of their own.
const MOST_BITS: usize = 8;

impl Reach {
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    unsafe fn new<L: Lane>(packed: &Packed) -> Self {
        let tiles = packed.tiles();
        let first = tiles.map(|[first, _]| first);
        let size = tiles.map(|[first, end]| end - first);
        // An ellipse touches all sides of its box: it misses tiles at corners only.
        let mut bits = if size[0] == 1 { 0x0101_0101_0101_0101 } else { 0xff };
        if size[0] > 1 && size[1] > 1 && size[0].max(size[1]) <= MOST_BITS {
            bits = 0;
            for [x, y] in [[0, 0], [4, 0], [0, 4], [4, 4]] {
                if x < size[0] && y < size[1] {
                    let corner = [(first[0] + x) * TILE, (first[1] + y) * TILE];
                    // SAFETY: passed on from the caller.
                    let block = u64::from(unsafe { reached::<L>(packed, corner, TILE) });
                    let rows = (0..4).map(|row| ((block >> (4 * row)) & 15) << (MOST_BITS * (y + row) + x));
                    bits |= rows.fold(0, |bits, row| bits | row);
                }
            }
        }
        // Without what lies outside of the box.
        bits &= 0x0101_0101_0101_0101u64.wrapping_mul((1 << size[0].min(MOST_BITS)) - 1);
        bits &= u64::MAX >> (MOST_BITS * (MOST_BITS - size[1].min(MOST_BITS)));
        Self { first: first.map(|x| x as u16), size: size.map(|x| x as u16), tiles: bits }
    }

    fn has_bits(&self) -> bool {
        usize::from(self.size[0].max(self.size[1])) <= MOST_BITS
    }

    /// Calls `visit` with column and row of each tile that is reached.
    #[inline]
    fn for_each(&self, packed: &Packed, mut visit: impl FnMut([usize; 2])) {
        let [column, row] = self.first.map(usize::from);
        if self.has_bits() {
            let mut bits = self.tiles;
            while bits != 0 {
                let k = bits.trailing_zeros() as usize;
                visit([column + k % MOST_BITS, row + k / MOST_BITS]);
                bits &= bits - 1;
            }
        } else {
            for k in 0..usize::from(self.size[0]) * usize::from(self.size[1]) {
                let tile = [column + k % usize::from(self.size[0]), row + k / usize::from(self.size[0])];
                if packed.reaches(tile) {
                    visit(tile);
                }
            }
        }
    }
}

/// Packs some splats and finds the tiles that they reach, and how many.
struct Look<'a> {
    splats: &'a [Splat],
    frame: &'a Frame,
    packed: &'a mut [Packed],
    reaches: &'a mut [Reach],
    counts: &'a mut [u32],
}

impl Body for Look<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let places = self.packed.iter_mut().zip(self.reaches).zip(self.counts);
        for (splat, ((packed, reach), count)) in self.splats.iter().zip(places) {
            *count = 0;
            if let Some(seen) = Packed::new(splat, self.frame.size, &self.frame.options) {
                *packed = seen;
                // SAFETY: passed on from the caller.
                *reach = unsafe { Reach::new::<L>(&seen) };
                if reach.has_bits() {
                    *count = reach.tiles.count_ones();
                } else {
                    reach.for_each(&seen, |_| *count += 1);
                }
            }
        }
    }
}

/// Splats in order of depth, and the lists of all tiles one after the other.
#[derive(Debug, Default)]
pub(super) struct Bins {
    /// Rows and columns of tiles.
    pub(super) tiles: [usize; 2],
    /// The splats; anything for those that no tile sees.
    pub(super) packed: Vec<Packed>,
    /// Where the list of each tile begins, and the end of the last.
    pub(super) starts: Vec<u32>,
    /// Indices of splats, nearest first within a tile.
    pub(super) list: Vec<u32>,
    pub(super) n_visible: usize,
    reaches: Vec<Reach>,
    /// How many tiles see each splat; none where it is invisible.
    counts: Vec<u32>,
    /// Where the places of each splat begin in `places`, and the end of the last.
    place_starts: Vec<u32>,
    /// Places in `list`, by splat and then by tile.
    places: Vec<u32>,
    keys: Keys,
}

impl Bins {
    pub(super) fn n_tiles(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Column and row of a tile.
    #[inline(always)]
    pub(super) fn position(&self, number: usize) -> [usize; 2] {
        [number % self.tiles[1], number / self.tiles[1]]
    }

    /// The splats of a tile.
    #[inline(always)]
    pub(super) fn list_of(&self, number: usize) -> &[u32] {
        &self.list[self.starts[number] as usize..self.starts[number + 1] as usize]
    }

    /// Where the lists of a row of tiles begin in `list`, and where they end.
    pub(super) fn places_of_row(&self, row: usize) -> [usize; 2] {
        [row, row + 1].map(|row| self.starts[row * self.tiles[1]] as usize)
    }

    /// Places in `list` of a splat.
    pub(super) fn records_of(&self, splat: usize) -> &[u32] {
        &self.places[self.place_starts[splat] as usize..self.place_starts[splat + 1] as usize]
    }

    pub(super) fn bytes(&self) -> usize {
        let words = self.starts.capacity() + self.list.capacity() + self.places.capacity();
        let words = words + self.counts.capacity() + self.place_starts.capacity();
        let splats = self.packed.capacity() * size_of::<Packed>() + self.reaches.capacity() * size_of::<Reach>();
        size_of::<u32>() * words + splats + self.keys.bytes()
    }

    /// Makes the lists.
    pub(super) fn build(
        &mut self,
        splats: &[Splat],
        frame: &Frame,
        isa: Isa,
        threads: &Threads,
    ) -> Result<(), KernelError> {
        let too_many = |value: usize| KernelError::Parameter {
            op: "rasterizer forward",
            name: "splats",
            value: value.to_string(),
            why: "fewer than 2^32 pairs of tile and splat, and 2^24 in a tile",
        };
        let n = splats.len();
        let n_splats = u32::try_from(n).map_err(|_| too_many(n))?;
        self.tiles = frame.size.map(|n| n.div_ceil(TILE));
        self.look_at(splats, frame, isa, threads);
        self.place_starts.clear();
        self.place_starts.push(0);
        self.keys.pairs.clear();
        let mut sum = 0u32;
        for ((i, packed), &count) in (0..n_splats).zip(&self.packed).zip(&self.counts) {
            if count > 0 {
                // The bits of positive floats are in the order of the floats.
                self.keys.pairs.push([packed.features[3].to_bits(), i]);
                sum = sum.checked_add(count).ok_or_else(|| too_many(u32::MAX as usize))?;
            }
            self.place_starts.push(sum);
        }
        self.n_visible = self.keys.pairs.len();
        self.keys.sort();
        self.fill(sum as usize);
        let most = self.starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        if most >= MOST_IN_TILE { Err(too_many(most as usize)) } else { Ok(()) }
    }

    /// Packs the splats and finds the tiles that they reach.
    fn look_at(&mut self, splats: &[Splat], frame: &Frame, isa: Isa, threads: &Threads) {
        let n = splats.len();
        self.packed.resize(n, Packed::default());
        self.reaches.resize(n, Reach::default());
        self.counts.resize(n, 0);
        let chunks = splats.chunks(SPLAT_CHUNK).zip(self.packed.chunks_mut(SPLAT_CHUNK));
        let chunks = chunks.zip(self.reaches.chunks_mut(SPLAT_CHUNK)).zip(self.counts.chunks_mut(SPLAT_CHUNK));
        let mut chunks: Vec<_> = chunks.collect();
        threads.for_each_mut(&mut chunks, |(((splats, packed), reaches), counts)| {
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(isa, Look { splats, frame, packed, reaches, counts }) };
        });
    }

    /// Fills the lists of tiles in order of depth.
    fn fill(&mut self, n_pairs: usize) {
        let (n_tiles, columns) = (self.n_tiles(), self.tiles[1]);
        self.starts.clear();
        self.starts.resize(n_tiles + 1, 0);
        // Memory that is there is not cleared: each place is written below.
        self.list.resize(n_pairs, 0);
        self.places.resize(n_pairs, 0);
        for &[_, i] in &self.keys.pairs {
            let i = i as usize;
            self.reaches[i].for_each(&self.packed[i], |[column, row]| self.starts[row * columns + column + 1] += 1);
        }
        let mut sum = 0;
        // `starts[t + 1]` becomes the start of tile t, moves on as the list is filled, and ends as its end.
        for count in &mut self.starts[1..] {
            sum += std::mem::replace(count, sum);
        }
        for &[_, index] in &self.keys.pairs {
            let i = index as usize;
            let mut place = self.place_starts[i] as usize;
            self.reaches[i].for_each(&self.packed[i], |[column, row]| {
                let next = &mut self.starts[row * columns + column + 1];
                self.list[*next as usize] = index;
                self.places[place] = *next;
                place += 1;
                *next += 1;
            });
        }
    }
}
