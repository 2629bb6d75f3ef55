//! Blending of projected Gaussians into pixels, and its gradient.
//!
//! Gaussians are binned into tiles of 16 x 16 pixels by lists in order of depth ([`bins`]), and within a tile into its
//! cells of 4 x 4 ([`cells`]). A cell is one vector of 16 lanes (or two of 8, four of 4) whose state stays in registers
//! while the list of the cell is walked. The backward pass writes one record for each pair of tile and splat and then
//! sums the records of each splat in a fixed order: no atomics, and the same bits for any number of threads and any
//! instruction set.

mod backward;
mod bands;
mod bins;
mod cells;
mod forward;
mod packed;
mod sort;
#[cfg(test)]
mod tests;

use crate::simd::{dispatch, prefetch_read};
use crate::{Isa, KernelError, Threads, vectorize};

use self::backward::{BackwardTile, Scratch};
use self::bands::{Band, Begin, Finish, GradientBand};
use self::bins::Bins;
use self::cells::Chunk;
use self::forward::{Blended, ForwardTile};

/// Side of a tile in pixels.
pub(crate) const TILE: usize = 16;
/// Pixels of a tile.
const TILE_PIXELS: usize = TILE * TILE;
/// Side of a cell: the pixels of one vector.
const CELL: usize = 4;
/// Pixels of a cell.
const CELL_PIXELS: usize = CELL * CELL;
/// Cells along a side of a tile.
const CELLS: usize = TILE / CELL;
/// Most pixels along an axis.
const MOST_PIXELS: usize = 1 << 15;
/// Splats between the one whose records are summed and the one whose records are fetched.
const GATHER_AHEAD: usize = 6;
/// Splats whose records one task of the backward pass sums.
const GATHER_CHUNK: usize = 512;

/// A Gaussian on the image plane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Splat {
    /// Centre `x, y` in pixels; the centre of pixel (row 0, column 0) is at (0.5, 0.5).
    pub mean: [f32; 2],
    /// Upper triangle `a, b, c` of the inverse of the 2 x 2 covariance, in pixels^-2.
    pub conic: [f32; 3],
    /// Opacity at the centre.
    pub opacity: f32,
    /// Red, green, blue and depth. Splats are blended in order of depth, nearest first.
    pub features: [f32; 4],
    /// Half the width and height, in pixels, of the box outside of which the splat is invisible; a splat is left out
    /// unless both are positive.
    pub extent: [f32; 2],
}

/// Derivatives of the loss by the numbers of a [`Splat`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SplatGradient {
    /// By red, green, blue and depth (the last is zero without [`RasterOptions::depth`]).
    pub features: [f32; 4],
    /// By the opacity.
    pub opacity: f32,
    /// By the centre.
    pub mean: [f32; 2],
    /// By the conic, `b` counted once.
    pub conic: [f32; 3],
    /// Sum over pixels of the magnitudes of the derivative by the centre (zero without
    /// [`RasterOptions::absolute_means`]).
    pub mean_absolute: [f32; 2],
}

/// Gates of blending, and what is computed beside the colours.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RasterOptions {
    /// A sample with a lower alpha is left out (default 1/255).
    pub alpha_min: f32,
    /// Alpha is cut to this (default 0.99).
    pub alpha_max: f32,
    /// A splat that would bring the transmittance to this or below is not blended and ends the pixel (default 1e-4).
    pub transmittance_min: f32,
    /// Whether depth is blended (default true).
    pub depth: bool,
    /// Whether [`SplatGradient::mean_absolute`] is computed (default false).
    pub absolute_means: bool,
}

impl Default for RasterOptions {
    fn default() -> Self {
        Self { alpha_min: 1.0 / 255.0, alpha_max: 0.99, transmittance_min: 1e-4, depth: true, absolute_means: false }
    }
}

/// An image that [`Raster::forward`] writes, row-major.
#[derive(Debug)]
pub struct ImageMut<'a> {
    /// `[H, W, 3]`, background included.
    pub colour: &'a mut [f32],
    /// `[H, W]`: one minus the transmittance that is left.
    pub alpha: &'a mut [f32],
    /// `[H, W]`: the sum of weight times depth; left alone without [`RasterOptions::depth`], when it may be empty.
    pub depth: &'a mut [f32],
}

/// Derivatives of a loss by the numbers of an image, row-major.
#[derive(Clone, Copy, Debug)]
pub struct ImageGradient<'a> {
    /// `[H, W, 3]`.
    pub colour: &'a [f32],
    /// `[H, W]`, or empty for zeros.
    pub alpha: &'a [f32],
    /// `[H, W]`, or empty for zeros.
    pub depth: &'a [f32],
}

/// What is rendered: size, background and gates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Rows and columns of the image.
    pub size: [usize; 2],
    /// Colour behind all splats.
    pub background: [f32; 3],
    /// Gates.
    pub options: RasterOptions,
}

/// The rasterizer: lists, saved state and scratch, kept from image to image.
#[derive(Debug)]
pub struct Raster {
    isa: Isa,
    bins: Bins,
    frame: Option<Frame>,
    n_splats: usize,
    /// `[tile][cell][lane]`: the transmittance that each pixel ended with.
    transmittance: Vec<f32>,
    /// `[tile][cell][lane]`: place in the tile's list of the splat that ended the pixel; infinite for none.
    stop: Vec<f32>,
    /// For each place of the lists, the cells of the tile that the splat is blended into.
    cells: Vec<u16>,
    records: Vec<Record>,
}

/// What the pixels of a tile give a splat, one cache line: the numbers of [`SplatGradient`] in order.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Record([f32; 12]);

impl Raster {
    /// A rasterizer with kernels for `isa`.
    ///
    /// # Errors
    /// [`KernelError::IsaUnavailable`].
    pub fn new(isa: Isa) -> Result<Self, KernelError> {
        Ok(Self {
            isa: isa.require()?,
            bins: Bins::default(),
            frame: None,
            n_splats: 0,
            transmittance: Vec::new(),
            stop: Vec::new(),
            cells: Vec::new(),
            records: Vec::new(),
        })
    }

    /// Pairs of tile and splat of the last image.
    #[must_use]
    pub fn n_intersections(&self) -> usize {
        self.bins.list.len()
    }

    /// Splats of the last image that touch a tile.
    #[must_use]
    pub fn n_visible(&self) -> usize {
        self.bins.n_visible
    }

    /// Bytes that are kept from image to image.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        let floats = self.transmittance.capacity() + self.stop.capacity();
        let lists = 2 * self.cells.capacity() + self.records.capacity() * size_of::<Record>();
        self.bins.bytes() + 4 * floats + lists
    }

    /// Blends `splats` into an image, and keeps what [`Raster::backward`] needs.
    ///
    /// A splat with a number that is not finite, with a depth that is not positive, or with an opacity below
    /// [`RasterOptions::alpha_min`] is left out.
    ///
    /// # Errors
    /// [`KernelError::Shape`] for slices of other lengths than the frame's, [`KernelError::Parameter`] for an image of
    /// more than 32768 pixels along an axis, or too many splats.
    pub fn forward(
        &mut self,
        splats: &[Splat],
        frame: &Frame,
        image: ImageMut<'_>,
        threads: &Threads,
    ) -> Result<(), KernelError> {
        const OP: &str = "rasterizer forward";
        check_frame(OP, frame)?;
        let n_pixels = frame.size[0] * frame.size[1];
        check_len(OP, "colour", image.colour.len(), 3 * n_pixels)?;
        check_len(OP, "alpha", image.alpha.len(), n_pixels)?;
        if frame.options.depth {
            check_len(OP, "depth", image.depth.len(), n_pixels)?;
        }
        self.frame = None;
        self.bins.build(splats, frame, self.isa, threads)?;
        self.n_splats = splats.len();
        let n_padded = self.bins.n_tiles() * TILE_PIXELS;
        self.transmittance.resize(n_padded, 0.0);
        self.stop.resize(n_padded, 0.0);
        self.cells.resize(self.bins.list.len(), 0);
        let bins = &self.bins;
        let isa = self.isa;
        let saved = [&mut self.transmittance[..], &mut self.stop[..]];
        let mut bands = Band::split(bins, frame, image, saved, &mut self.cells);
        threads.for_each_mut(&mut bands, |band| {
            let (mut state, mut chunk) = (Blended::new(), Chunk::new());
            for tx in 0..bins.tiles[1] {
                let number = band.row * bins.tiles[1] + tx;
                band.begin(tx, &mut state);
                let cells = band.cells_of(bins, number);
                let (options, blended, chunk) = (frame.options, &mut state, &mut chunk);
                // SAFETY: the body asks for nothing beyond the instruction set.
                unsafe { dispatch(isa, ForwardTile { bins, number, options, state: blended, chunk, cells }) };
                vectorize(isa, Finish { band, column: tx, state: &state, frame });
            }
        });
        self.frame = Some(*frame);
        Ok(())
    }

    /// Derivatives by the numbers of each splat of the last [`Raster::forward`], written to `gradients`, and by the
    /// background, returned.
    ///
    /// # Errors
    /// [`KernelError::Shape`] for slices of other lengths than the last image and its splats, or when there is no last
    /// image.
    pub fn backward(
        &mut self,
        image: &ImageGradient<'_>,
        gradients: &mut [SplatGradient],
        threads: &Threads,
    ) -> Result<[f32; 3], KernelError> {
        const OP: &str = "rasterizer backward";
        let Some(frame) = self.frame else {
            let wanted = "a forward pass before".to_owned();
            return Err(KernelError::Shape { op: OP, wanted, got: "none".to_owned() });
        };
        let n_pixels = frame.size[0] * frame.size[1];
        check_len(OP, "colour", image.colour.len(), 3 * n_pixels)?;
        for (what, values) in [("alpha", image.alpha), ("depth", image.depth)] {
            if !values.is_empty() {
                check_len(OP, what, values.len(), n_pixels)?;
            }
        }
        check_len(OP, "gradients", gradients.len(), self.n_splats)?;
        self.records.resize(self.bins.list.len(), Record::default());
        let (bins, isa) = (&self.bins, self.isa);
        let saved = [&self.transmittance[..], &self.stop[..]];
        let mut bands = GradientBand::split(bins, &mut self.records, &self.cells);
        threads.for_each_mut(&mut bands, |band| {
            let mut scratch = Scratch::new();
            for tx in 0..bins.tiles[1] {
                let number = band.row * bins.tiles[1] + tx;
                let pixels = number * TILE_PIXELS..(number + 1) * TILE_PIXELS;
                let (saved, upstream) = (saved.map(|x| &x[pixels.clone()]), &mut scratch.upstream);
                vectorize(isa, Begin { band, column: tx, frame: &frame, image, saved, upstream });
                let (options, scratch) = (frame.options, &mut scratch);
                let (records, cells) = band.records_of(bins, number);
                // SAFETY: the body asks for nothing beyond the instruction set.
                unsafe { dispatch(isa, BackwardTile { bins, number, options, scratch, cells, records }) };
            }
        });
        let background = bands.iter().fold([0.0f64; 3], |sum, b| std::array::from_fn(|c| sum[c] + b.background[c]));
        gather(bins, &self.records, gradients, threads);
        Ok(background.map(|x| x as f32))
    }
}

/// Sums the records of each splat, in order of tiles.
fn gather(bins: &Bins, records: &[Record], gradients: &mut [SplatGradient], threads: &Threads) {
    let mut chunks: Vec<_> = gradients.chunks_mut(GATHER_CHUNK).enumerate().collect();
    threads.for_each_mut(&mut chunks, |(chunk, gradients)| {
        let first = *chunk * GATHER_CHUNK;
        for (i, gradient) in gradients.iter_mut().enumerate() {
            // Records lie anywhere: those of a later splat are asked for now.
            for place in bins.records_of((first + i + GATHER_AHEAD).min(bins.packed.len() - 1)) {
                prefetch_read(&raw const records[*place as usize].0[0]);
            }
            let mut sum = [0.0; 12];
            for place in bins.records_of(first + i) {
                for (sum, x) in sum.iter_mut().zip(records[*place as usize].0) {
                    *sum += x;
                }
            }
            let [f0, f1, f2, f3, opacity, x, y, a, b, c, abs_x, abs_y] = sum;
            *gradient = SplatGradient {
                features: [f0, f1, f2, f3],
                opacity,
                mean: [x, y],
                conic: [a, b, c],
                mean_absolute: [abs_x, abs_y],
            };
        }
    });
}

fn check_len(op: &'static str, what: &str, got: usize, wanted: usize) -> Result<(), KernelError> {
    if got == wanted {
        return Ok(());
    }
    Err(KernelError::Shape { op, wanted: format!("{wanted} values of {what}"), got: got.to_string() })
}

fn check_frame(op: &'static str, frame: &Frame) -> Result<(), KernelError> {
    let refuse = |name, value: String, why| Err(KernelError::Parameter { op, name, value, why });
    let o = &frame.options;
    if frame.size.iter().any(|&n| n > MOST_PIXELS) {
        return refuse("size", format!("{:?}", frame.size), "at most 32768 pixels along an axis");
    }
    if !(o.alpha_min > 0.0 && o.alpha_min <= o.alpha_max && o.alpha_max <= 1.0) {
        let value = format!("{}..{}", o.alpha_min, o.alpha_max);
        return refuse("alpha_min..alpha_max", value, "0 < alpha_min <= alpha_max <= 1");
    }
    if !(0.0..1.0).contains(&o.transmittance_min) {
        return refuse("transmittance_min", o.transmittance_min.to_string(), "0 <= transmittance_min < 1");
    }
    Ok(())
}
