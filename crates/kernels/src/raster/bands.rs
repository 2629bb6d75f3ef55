//! Rows of tiles: the part of an image that one task writes.

use super::backward::Upstream;
use super::bins::Bins;
use super::forward::Blended;
use super::{CELL, CELL_PIXELS, CELLS, Frame, ImageGradient, ImageMut, SplatGradient, TILE, TILE_PIXELS};

/// A row of tiles of an image that is written.
pub(super) struct Band<'a> {
    pub(super) row: usize,
    colour: &'a mut [f32],
    alpha: &'a mut [f32],
    depth: &'a mut [f32],
    transmittance: &'a mut [f32],
    last: &'a mut [f32],
    size: [usize; 2],
}

impl<'a> Band<'a> {
    /// The rows of tiles, each with its part of every array.
    pub(super) fn split(
        n_columns: usize,
        frame: &Frame,
        image: ImageMut<'a>,
        transmittance: &'a mut [f32],
        last: &'a mut [f32],
    ) -> Vec<Self> {
        let size = frame.size;
        let pixels = TILE * size[1];
        let ImageMut { colour, alpha, depth } = image;
        if size.contains(&0) {
            return Vec::new();
        }
        let saved = n_columns * TILE_PIXELS;
        let mut depth = depth.chunks_mut(pixels);
        let arrays = colour.chunks_mut(3 * pixels).zip(alpha.chunks_mut(pixels));
        let arrays = arrays.zip(transmittance.chunks_mut(saved).zip(last.chunks_mut(saved)));
        let mut bands = Vec::new();
        for (row, ((colour, alpha), (transmittance, last))) in arrays.enumerate() {
            let depth = if frame.options.depth { depth.next().unwrap_or_default() } else { &mut [] };
            bands.push(Self { row, colour, alpha, depth, transmittance, last, size });
        }
        bands
    }

    /// The pixels of a tile before the first splat: those outside the image are done already.
    pub(super) fn state(&self, tile_column: usize) -> Blended {
        let mut state = Blended::new();
        for (pixel, t) in state.transmittance.iter_mut().enumerate() {
            if place(pixel, [self.row, tile_column], self.size).is_none() {
                *t = -1.0;
            }
        }
        state
    }

    /// Writes the pixels of a tile.
    pub(super) fn finish(&mut self, tile_column: usize, state: &Blended, frame: &Frame) {
        let saved = tile_column * TILE_PIXELS..(tile_column + 1) * TILE_PIXELS;
        for (saved, t) in self.transmittance[saved.clone()].iter_mut().zip(state.transmittance) {
            *saved = t.abs();
        }
        self.last[saved].copy_from_slice(&state.last);
        for pixel in 0..TILE_PIXELS {
            let Some(at) = place(pixel, [self.row, tile_column], self.size) else { continue };
            let at = at - self.row * TILE * self.size[1];
            let t = state.transmittance[pixel].abs();
            for channel in 0..3 {
                self.colour[3 * at + channel] = state.features[channel][pixel] + t * frame.background[channel];
            }
            self.alpha[at] = 1.0 - t;
            if let Some(depth) = self.depth.get_mut(at) {
                *depth = state.features[3][pixel];
            }
        }
    }
}

/// A row of tiles of the backward pass.
pub(super) struct GradientBand<'a> {
    pub(super) row: usize,
    pub(super) background: [f64; 3],
    records: &'a mut [SplatGradient],
    /// Place of the first record in the list of all tiles.
    first: usize,
}

impl<'a> GradientBand<'a> {
    /// The rows of tiles, each with its records.
    pub(super) fn split(bins: &Bins, mut records: &'a mut [SplatGradient]) -> Vec<Self> {
        let mut bands = Vec::new();
        for row in 0..bins.tiles[0] {
            let [first, end] = [row, row + 1].map(|row| bins.starts[row * bins.tiles[1]] as usize);
            let (part, rest) = std::mem::take(&mut records).split_at_mut(end - first);
            records = rest;
            bands.push(Self { row, background: [0.0; 3], records: part, first });
        }
        bands
    }

    /// The records of the tile of that number.
    pub(super) fn records_of(&mut self, bins: &Bins, tile: usize) -> &mut [SplatGradient] {
        let [start, end] = [tile, tile + 1].map(|tile| bins.starts[tile] as usize - self.first);
        &mut self.records[start..end]
    }

    /// Derivatives by the pixels of a tile, and what they give the background.
    pub(super) fn state(
        &self,
        tile_column: usize,
        frame: &Frame,
        image: &ImageGradient<'_>,
        transmittance: &[f32],
    ) -> (Upstream, [f64; 3]) {
        let mut state = Upstream::new(transmittance);
        let mut background = [0.0; 3];
        for (pixel, &t) in transmittance.iter().enumerate() {
            let Some(at) = place(pixel, [self.row, tile_column], frame.size) else { continue };
            let mut behind = image.alpha.get(at).copied().unwrap_or(0.0);
            for (channel, sum) in background.iter_mut().enumerate() {
                let v = image.colour[3 * at + channel];
                state.features[channel][pixel] = v;
                behind -= frame.background[channel] * v;
                *sum += f64::from(t * v);
            }
            state.features[3][pixel] = image.depth.get(at).copied().unwrap_or(0.0);
            state.behind[pixel] = -t * behind;
        }
        (state, background)
    }
}

/// Place in a row-major image of pixel `[cell][lane]` of the tile at `row, column`, if the image has it.
fn place(pixel: usize, tile: [usize; 2], size: [usize; 2]) -> Option<usize> {
    let (cell, lane) = (pixel / CELL_PIXELS, pixel % CELL_PIXELS);
    let row = tile[0] * TILE + cell / CELLS * CELL + lane / CELL;
    let column = tile[1] * TILE + cell % CELLS * CELL + lane % CELL;
    (row < size[0] && column < size[1]).then_some(row * size[1] + column)
}
