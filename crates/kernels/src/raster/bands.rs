//! Rows of tiles: the part of an image that one task writes.

use crate::Vectorized;

use super::backward::Upstream;
use super::bins::Bins;
use super::forward::Blended;
use super::{CELL, CELL_PIXELS, CELLS, Frame, ImageGradient, ImageMut, Record, TILE, TILE_PIXELS};

/// A row of tiles of an image that is written.
pub(super) struct Band<'a> {
    pub(super) row: usize,
    colour: &'a mut [f32],
    alpha: &'a mut [f32],
    depth: &'a mut [f32],
    /// Transmittance and stop.
    saved: [&'a mut [f32]; 2],
    cells: &'a mut [u16],
    /// Place of the first of `cells` in the list of all tiles.
    first: usize,
    size: [usize; 2],
}

impl<'a> Band<'a> {
    /// The rows of tiles, each with its part of every array; `saved` are transmittance and stop.
    pub(super) fn split(
        bins: &Bins,
        frame: &Frame,
        image: ImageMut<'a>,
        saved: [&'a mut [f32]; 2],
        mut cells: &'a mut [u16],
    ) -> Vec<Self> {
        let size = frame.size;
        let pixels = TILE * size[1];
        let ImageMut { colour, alpha, depth } = image;
        if size.contains(&0) {
            return Vec::new();
        }
        let n_saved = bins.tiles[1] * TILE_PIXELS;
        let [transmittance, stop] = saved.map(|saved| saved.chunks_mut(n_saved));
        let mut depth = depth.chunks_mut(pixels);
        let arrays = colour.chunks_mut(3 * pixels).zip(alpha.chunks_mut(pixels)).zip(transmittance.zip(stop));
        let mut bands = Vec::new();
        for (row, ((colour, alpha), (transmittance, stop))) in arrays.enumerate() {
            let depth = if frame.options.depth { depth.next().unwrap_or_default() } else { &mut [] };
            let [first, end] = bins.places_of_row(row);
            let (part, rest) = std::mem::take(&mut cells).split_at_mut(end - first);
            cells = rest;
            bands.push(Self { row, colour, alpha, depth, saved: [transmittance, stop], cells: part, first, size });
        }
        bands
    }

    /// The cells of each splat of the tile of that number.
    pub(super) fn cells_of(&mut self, bins: &Bins, tile: usize) -> &mut [u16] {
        let [start, end] = [tile, tile + 1].map(|tile| bins.starts[tile] as usize - self.first);
        &mut self.cells[start..end]
    }

    /// The pixels of a tile before the first splat: those outside the image are done already.
    pub(super) fn begin(&self, tile_column: usize, state: &mut Blended) {
        state.clear();
        let [rows, columns] = extent([self.row, tile_column], self.size);
        if rows < TILE || columns < TILE {
            for pixel in 0..TILE_PIXELS {
                let (cell, lane) = (pixel / CELL_PIXELS, pixel % CELL_PIXELS);
                let row = cell / CELLS * CELL + lane / CELL;
                let column = cell % CELLS * CELL + lane % CELL;
                if row >= rows || column >= columns {
                    state.stop[pixel] = -1.0;
                }
            }
        }
    }

    /// Writes the pixels of a tile.
    #[inline(always)]
    fn finish(&mut self, tile_column: usize, state: &Blended, frame: &Frame) {
        let place = tile_column * TILE_PIXELS..(tile_column + 1) * TILE_PIXELS;
        self.saved[0][place.clone()].copy_from_slice(&state.transmittance);
        self.saved[1][place].copy_from_slice(&state.stop);
        let [rows, columns] = extent([self.row, tile_column], self.size);
        let [red, green, blue] = frame.background;
        for row in 0..rows {
            let t = row_of(&state.transmittance, row);
            let [r, g, b, d] = state.features.each_ref().map(|features| row_of(features, row));
            let (mut colour, mut alpha) = ([[0.0; 3]; TILE], [0.0; TILE]);
            for i in 0..TILE {
                colour[i] = [r[i] + t[i] * red, g[i] + t[i] * green, b[i] + t[i] * blue];
                alpha[i] = 1.0 - t[i];
            }
            let at = row * self.size[1] + tile_column * TILE;
            copy(&mut self.colour[3 * at..], colour.as_flattened(), 3 * columns);
            copy(&mut self.alpha[at..], &alpha, columns);
            if frame.options.depth {
                copy(&mut self.depth[at..], &d, columns);
            }
        }
    }
}

/// Writes the pixels of a tile.
pub(super) struct Finish<'b, 'a> {
    pub(super) band: &'b mut Band<'a>,
    pub(super) column: usize,
    pub(super) state: &'b Blended,
    pub(super) frame: &'b Frame,
}

impl Vectorized for Finish<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.band.finish(self.column, self.state, self.frame);
    }
}

/// Reads the derivatives by the pixels of a tile.
pub(super) struct Begin<'b, 'a> {
    pub(super) band: &'b mut GradientBand<'a>,
    pub(super) column: usize,
    pub(super) frame: &'b Frame,
    pub(super) image: &'b ImageGradient<'b>,
    pub(super) saved: [&'b [f32]; 2],
    pub(super) upstream: &'b mut Upstream,
}

impl Vectorized for Begin<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.band.begin(self.column, self.frame, self.image, self.saved, self.upstream);
    }
}

/// A row of tiles of the backward pass.
pub(super) struct GradientBand<'a> {
    pub(super) row: usize,
    pub(super) background: [f64; 3],
    records: &'a mut [Record],
    cells: &'a [u16],
    /// Place of the first record in the list of all tiles.
    first: usize,
}

impl<'a> GradientBand<'a> {
    /// The rows of tiles, each with its records and the cells of its splats.
    pub(super) fn split(bins: &Bins, mut records: &'a mut [Record], cells: &'a [u16]) -> Vec<Self> {
        let mut bands = Vec::new();
        for row in 0..bins.tiles[0] {
            let [first, end] = bins.places_of_row(row);
            let (part, rest) = std::mem::take(&mut records).split_at_mut(end - first);
            records = rest;
            bands.push(Self { row, background: [0.0; 3], records: part, cells: &cells[first..end], first });
        }
        bands
    }

    /// The records of the tile of that number, and the cells of its splats.
    pub(super) fn records_of(&mut self, bins: &Bins, tile: usize) -> (&mut [Record], &[u16]) {
        let [start, end] = [tile, tile + 1].map(|tile| bins.starts[tile] as usize - self.first);
        (&mut self.records[start..end], &self.cells[start..end])
    }

    /// Sets the derivatives by the pixels of a tile, from the transmittance and the stops that the forward pass saved;
    /// adds up what they give the background.
    #[inline(always)]
    fn begin(
        &mut self,
        tile_column: usize,
        frame: &Frame,
        image: &ImageGradient<'_>,
        [transmittance, stop]: [&[f32]; 2],
        up: &mut Upstream,
    ) {
        up.transmittance.copy_from_slice(transmittance);
        up.stop.copy_from_slice(stop);
        let [rows, columns] = extent([self.row, tile_column], frame.size);
        let depth = if frame.options.depth { image.depth } else { &[] };
        if rows < TILE {
            up.clear();
        }
        let mut background = [[0.0f32; TILE]; 3];
        for row in 0..rows {
            let at = (self.row * TILE + row) * frame.size[1] + tile_column * TILE;
            let mut colour = [[0.0; 3]; TILE];
            let (mut alpha, mut d) = ([0.0; TILE], [0.0; TILE]);
            copy(colour.as_flattened_mut(), &image.colour[3 * at..], 3 * columns);
            if !image.alpha.is_empty() {
                copy(&mut alpha, &image.alpha[at..], columns);
            }
            if !depth.is_empty() {
                copy(&mut d, &depth[at..], columns);
            }
            let t = row_of(&up.transmittance, row);
            let [red, green, blue] = frame.background;
            let (mut r, mut g, mut b, mut behind) = ([0.0; TILE], [0.0; TILE], [0.0; TILE], [0.0; TILE]);
            for i in 0..TILE {
                [r[i], g[i], b[i]] = colour[i];
                behind[i] = red * r[i] + green * g[i] + blue * b[i] - alpha[i];
                background[0][i] += t[i] * r[i];
                background[1][i] += t[i] * g[i];
                background[2][i] += t[i] * b[i];
            }
            for (features, values) in up.features.iter_mut().zip([&r, &g, &b, &d]) {
                set_row(features, row, values);
            }
            set_row(&mut up.behind, row, &behind);
        }
        for (sum, lanes) in self.background.iter_mut().zip(background) {
            *sum += lanes.iter().map(|x| f64::from(*x)).sum::<f64>();
        }
    }
}

/// The pixels of a row, from `[cell][lane]`.
#[inline(always)]
fn row_of(pixels: &[f32; TILE_PIXELS], row: usize) -> [f32; TILE] {
    let mut out = [0.0; TILE];
    for (cell, out) in out.as_chunks_mut::<CELL>().0.iter_mut().enumerate() {
        out.copy_from_slice(&pixels[place_in_tile(row, CELL * cell)..][..CELL]);
    }
    out
}

/// The pixels of a row to `[cell][lane]`.
#[inline(always)]
fn set_row(pixels: &mut [f32; TILE_PIXELS], row: usize, values: &[f32; TILE]) {
    for (cell, values) in values.as_chunks::<CELL>().0.iter().enumerate() {
        pixels[place_in_tile(row, CELL * cell)..][..CELL].copy_from_slice(values);
    }
}

/// Copies `n` numbers, mostly all of an array.
#[inline(always)]
fn copy(to: &mut [f32], from: &[f32], n: usize) {
    match n {
        TILE => to[..TILE].copy_from_slice(&from[..TILE]),
        TILE_COLOURS => to[..TILE_COLOURS].copy_from_slice(&from[..TILE_COLOURS]),
        _ => to[..n].copy_from_slice(&from[..n]),
    }
}

/// Numbers of a row of colours.
const TILE_COLOURS: usize = 3 * TILE;

/// Rows and columns of pixels that the tile at `row, column` has in the image.
fn extent(tile: [usize; 2], size: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|axis| (size[axis] - tile[axis] * TILE).min(TILE))
}

/// `[cell][lane]` of a pixel of a tile.
#[inline(always)]
fn place_in_tile(row: usize, column: usize) -> usize {
    let cell = row / CELL * CELLS + column / CELL;
    cell * CELL_PIXELS + row % CELL * CELL + column % CELL
}
