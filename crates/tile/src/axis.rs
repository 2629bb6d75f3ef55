//! Where tiles begin along one axis.

use std::ops::Range;

use volkit_core::Scale;

use crate::TileError;

/// How far neighbouring tiles overlap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Overlap {
    /// Samples, below the tile length.
    Samples(usize),
    /// Share `f` of the tile in `[0, 1)`: the step is `max(1, trunc(T * (1 - f)))`. (With [`Layout::Even`] the number of
    /// tiles follows the real step `T * (1 - f)`, as nnU-Net counts.)
    Fraction(f64),
}

/// Where tiles begin, for a tile `T`, a step `S = T - O` and an image `L >= T`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// `min(i * S, L - T)`: only the last tile is moved. The starts of MONAI's sliding window.
    #[default]
    End,
    /// `rint(i * (L - T) / (n - 1))`, ties to even. The starts of nnU-Net.
    Even,
    /// `offset + i * S`; the image is padded at its end (and in front, where the offset is negative).
    Pad {
        /// Start of the first tile. Samples before a positive offset are in no tile.
        offset: isize,
    },
}

/// What happens along an axis that is shorter than the tile ([`Layout::Pad`] always pads the end).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmallAxis {
    /// The image is padded by `floor((T - L) / 2)` in front and the rest behind, as MONAI does.
    #[default]
    PadBoth,
    /// The image is padded behind.
    PadEnd,
    /// The tile shrinks to the image, up to the alignment: nothing is invented, so that results can equal direct
    /// inference. For models that take any size.
    Shrink,
}

/// How one axis is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AxisSpec {
    /// Tile length `T` in samples.
    pub tile: usize,
    /// Overlap `O` of neighbouring tiles.
    pub overlap: Overlap,
    /// Where tiles begin. Default: [`Layout::End`].
    pub layout: Layout,
    /// What happens when the image is shorter than the tile. Default: [`SmallAxis::PadBoth`].
    pub small: SmallAxis,
    /// Every start is a multiple of this (the total stride of the network); the tile is rounded up to a multiple, the
    /// step down to one, and the image is padded at its end. Default: 1.
    pub align: usize,
    /// Samples read beyond the tile on each side; the model sees `T + 2 E` and the middle `T` is kept. Default: 0.
    pub context: usize,
}

impl AxisSpec {
    /// Tiles of `tile` samples that overlap by `overlap` samples.
    #[must_use]
    pub fn new(tile: usize, overlap: usize) -> Self {
        Self::with_overlap(tile, Overlap::Samples(overlap))
    }

    /// Tiles of `tile` samples that overlap by that share of a tile.
    #[must_use]
    pub fn fraction(tile: usize, fraction: f64) -> Self {
        Self::with_overlap(tile, Overlap::Fraction(fraction))
    }

    fn with_overlap(tile: usize, overlap: Overlap) -> Self {
        Self { tile, overlap, layout: Layout::End, small: SmallAxis::PadBoth, align: 1, context: 0 }
    }

    /// The same with another layout.
    #[must_use]
    pub fn with_layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// The same with another rule for images shorter than the tile.
    #[must_use]
    pub fn with_small(self, small: SmallAxis) -> Self {
        Self { small, ..self }
    }

    /// The same with starts at multiples of `align`.
    #[must_use]
    pub fn with_align(self, align: usize) -> Self {
        Self { align, ..self }
    }

    /// The same with samples read beyond the tile on each side.
    #[must_use]
    pub fn with_context(self, context: usize) -> Self {
        Self { context, ..self }
    }
}

/// The tiles of one axis.
///
/// Positions are in samples of the image; a tile may begin before 0 or end past `L` where the image is padded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisPlan {
    length: usize,
    tile: usize,
    overlap: usize,
    context: usize,
    starts: Vec<isize>,
}

impl AxisPlan {
    /// Cuts an axis of `length` samples; `axis` is its number, for messages.
    ///
    /// The number of tiles is the smallest there is: 1 for `L <= T`, else `ceil((L - T) / S) + 1`.
    ///
    /// # Errors
    /// [`TileError::Empty`], [`TileError::Overlap`], [`TileError::Align`].
    pub fn new(axis: usize, length: usize, spec: &AxisSpec) -> Result<Self, TileError> {
        for (what, value) in [("length", length), ("tile", spec.tile), ("align", spec.align)] {
            if value == 0 {
                return Err(TileError::Empty { axis, what });
            }
        }
        let align = spec.align;
        let mut step = Step::new(axis, spec)?;
        if spec.small == SmallAxis::Shrink && length < step.tile {
            let tile = length.next_multiple_of(align);
            // One tile covers the axis: the overlap says nothing then, but a window may ask for it.
            step = Step { tile, samples: step.samples.min(tile), real: step.real };
        }
        let tile = step.tile;
        let starts = match spec.layout {
            Layout::Pad { offset } => padded(length, offset, &step),
            _ if length <= tile => vec![-(front_padding(length, tile, spec) as isize)],
            layout => {
                let last = (length - tile).next_multiple_of(align);
                inside(last, align, &step, layout == Layout::Even)
            }
        };
        Ok(Self { length, tile, overlap: tile - step.samples, context: spec.context, starts })
    }

    /// Samples of the image, `L`.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Samples of a tile, `T`, without context.
    #[must_use]
    pub fn tile(&self) -> usize {
        self.tile
    }

    /// Samples by which neighbours overlap at least, `O`.
    #[must_use]
    pub fn overlap(&self) -> usize {
        self.overlap
    }

    /// Samples read beyond the tile on each side, `E`.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }

    /// First sample of each tile, increasing.
    #[must_use]
    pub fn starts(&self) -> &[isize] {
        &self.starts
    }

    /// Number of tiles.
    #[must_use]
    pub fn n_tiles(&self) -> usize {
        self.starts.len()
    }

    /// The samples of the image that lie in tile `i`.
    ///
    /// # Panics
    /// When there is no such tile.
    #[must_use]
    pub fn covered(&self, i: usize) -> Range<usize> {
        let clamp = |x: isize| usize::try_from(x).unwrap_or(0).min(self.length);
        clamp(self.starts[i])..clamp(self.starts[i] + self.tile as isize)
    }

    /// The samples of the image that tile `i` owns when overlaps are discarded: the border between two neighbours lies
    /// in the middle of what both cover, `m_i = (s_i + T + s_(i+1)) div 2`.
    ///
    /// # Panics
    /// When there is no such tile.
    #[must_use]
    pub fn core(&self, i: usize) -> Range<usize> {
        let border = |i: usize| {
            let middle = (self.starts[i] + self.tile as isize + self.starts[i + 1]).div_euclid(2);
            usize::try_from(middle).unwrap_or(0).min(self.length)
        };
        let first = if i == 0 { self.covered(0).start } else { border(i - 1) };
        let last = if i + 1 == self.n_tiles() { self.covered(i).end } else { border(i) };
        first..last
    }

    /// The same axis as the output of a model of that scale sees it.
    ///
    /// # Errors
    /// [`TileError::Scale`] where length, tile, context or a start does not fall on whole samples of the output. Where
    /// the image is shorter than the tile, the borders of the image are rounded instead.
    pub fn scaled(&self, axis: usize, scale: Scale) -> Result<Self, TileError> {
        let (p, q) = (scale.numerator, scale.denominator);
        if p == 0 || q == 0 {
            let value = format!("{p}/{q}");
            return Err(TileError::Config { field: "scale", value, why: "must be above 0".to_owned() });
        }
        let exact = |what: &'static str, value: usize| {
            if (value * p).is_multiple_of(q) {
                return Ok(value * p / q);
            }
            let tile = self.tile.next_multiple_of(q);
            let overlap = tile - ((tile - self.overlap.min(tile)) / q * q).max(q);
            Err(TileError::Scale { axis, what, value, numerator: p, denominator: q, tile, overlap })
        };
        let rounded = |value: usize| (value as f64 * p as f64 / q as f64).round_ties_even() as usize;
        let (tile, context) = (exact("tile", self.tile)?, exact("context", self.context)?);
        let overlap = self.overlap * p / q;
        if self.n_tiles() == 1 && self.starts[0] <= 0 && self.length <= self.tile {
            let front = self.starts[0].unsigned_abs();
            let (start, end) = (rounded(front), rounded(front + self.length));
            return Ok(Self { length: end - start, tile, overlap, context, starts: vec![-(start as isize)] });
        }
        let length = exact("length", self.length)?;
        let scaled_start =
            |&start: &isize| exact("start", start.unsigned_abs()).map(|scaled| scaled as isize * start.signum());
        let starts = self.starts.iter().map(scaled_start).collect::<Result<_, _>>()?;
        Ok(Self { length, tile, overlap, context, starts })
    }
}

/// Tile and step after alignment.
struct Step {
    tile: usize,
    /// `S` in whole samples.
    samples: usize,
    /// The step that counts the tiles of [`Layout::Even`].
    real: f64,
}

impl Step {
    fn new(axis: usize, spec: &AxisSpec) -> Result<Self, TileError> {
        let tile = spec.tile.next_multiple_of(spec.align);
        let refused =
            |overlap: String| TileError::Overlap { axis, overlap, tile: format!("{} samples, share 1", spec.tile) };
        let (samples, real) = match spec.overlap {
            Overlap::Samples(overlap) if overlap >= spec.tile => return Err(refused(overlap.to_string())),
            Overlap::Samples(overlap) => (tile - overlap, (tile - overlap) as f64),
            Overlap::Fraction(f) if !(0.0..1.0).contains(&f) => return Err(refused(f.to_string())),
            Overlap::Fraction(f) => {
                let real = tile as f64 * (1.0 - f);
                ((real as usize).max(1), real)
            }
        };
        if spec.align == 1 {
            return Ok(Self { tile, samples, real });
        }
        let aligned = samples / spec.align * spec.align;
        if aligned == 0 {
            let overlap = tile - samples;
            let proposal = (overlap + spec.align).next_multiple_of(spec.align);
            return Err(TileError::Align { axis, align: spec.align, tile, overlap, stride: samples, proposal });
        }
        Ok(Self { tile, samples: aligned, real: aligned as f64 })
    }
}

/// Samples in front of an image that is not longer than the tile.
fn front_padding(length: usize, tile: usize, spec: &AxisSpec) -> usize {
    match spec.small {
        SmallAxis::PadBoth => (tile - length) / 2 / spec.align * spec.align,
        SmallAxis::PadEnd | SmallAxis::Shrink => 0,
    }
}

/// Starts from 0 to `last`, a multiple of `align`.
fn inside(last: usize, align: usize, step: &Step, even: bool) -> Vec<isize> {
    if !even {
        let n = last.div_ceil(step.samples) + 1;
        return (0..n).map(|i| (i * step.samples).min(last) as isize).collect();
    }
    let n = (last as f64 / step.real).ceil() as usize + 1;
    let spacing = (last / align) as f64 / (n - 1) as f64;
    (0..n).map(|i| ((spacing * i as f64).round_ties_even() as usize * align) as isize).collect()
}

/// Starts from `offset` in full steps until the end of the image is covered.
fn padded(length: usize, offset: isize, step: &Step) -> Vec<isize> {
    let rest = (length as isize - offset - step.tile as isize).max(0) as usize;
    let n = rest.div_ceil(step.samples) + 1;
    (0..n).map(|i| offset + (i * step.samples) as isize).collect()
}
