//! What the tile loops read of a splat.

use super::{CELL, CELLS, RasterOptions, Splat, TILE};

/// By how much the tests that skip work early are wider than the exact ones, in units of the exponent to base 2.
const SLACK: f32 = 1e-2;
/// The same relative to the terms of the exponent, which may cancel for a long thin splat.
pub(super) const SLACK_TERMS: f32 = 1e-5;
const SLACK_EXTENT: f32 = 1e-3;

/// A visible splat, one cache line. Exponents are to base 2: `2^-(a/2 dx^2 + b dx dy + c/2 dy^2)`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Packed {
    /// Relative to the corner of the image, or of the tile in the list of a tile.
    pub(super) mean: [f32; 2],
    /// `a / 2, b, c / 2`, over ln 2.
    pub(super) half_conic: [f32; 3],
    pub(super) opacity: f32,
    /// No sample with a larger exponent reaches `alpha_min`.
    pub(super) cut: f32,
    /// Red, green, blue and depth.
    pub(super) features: [f32; 4],
    /// `b / c` and `b / a`: where along a column or row the exponent is least.
    pub(super) slopes: [f32; 2],
    /// First and last column, first and last row of the pixels that can be reached.
    columns: [u16; 2],
    rows: [u16; 2],
    /// In the list of a tile: the place in it.
    pub(super) place: f32,
}

impl Packed {
    /// The splat for an image of `size` rows and columns, unless no pixel can see it.
    #[inline(always)]
    pub(super) fn new(splat: &Splat, size: [usize; 2], options: &RasterOptions) -> Option<Self> {
        let Splat { mean, conic, opacity, features, extent } = *splat;
        let finite = [&mean[..], &conic, &features, &extent].iter().all(|values| values.iter().all(|x| x.is_finite()));
        // Every comparison fails for NaN.
        let opaque = opacity >= options.alpha_min && opacity.is_finite();
        let placed = features[3] > 0.0 && extent[0] > 0.0 && extent[1] > 0.0;
        if !(finite && opaque && placed) {
            return None;
        }
        let columns = pixels(mean[0], extent[0], size[1])?;
        let rows = pixels(mean[1], extent[1], size[0])?;
        let cut = (opacity / options.alpha_min).log2() + SLACK;
        let [a, b, c] = conic.map(|x| std::f32::consts::LOG2_E * x);
        // No test by the ellipse where there is none.
        let [da, db, dc] = conic.map(f64::from);
        let is_ellipse = da > 0.0 && dc > 0.0 && da * dc > db * db;
        let slopes = if is_ellipse { [b / c, b / a] } else { [f32::NAN; 2] };
        let half_conic = [0.5 * a, b, 0.5 * c];
        Some(Self { mean, half_conic, opacity, cut, features, slopes, columns, rows, place: 0.0 })
    }

    /// First and one past the last tile: columns, then rows.
    #[inline(always)]
    pub(super) fn tiles(&self) -> [[usize; 2]; 2] {
        [self.columns, self.rows].map(|[first, last]| [usize::from(first) / TILE, usize::from(last) / TILE + 1])
    }

    /// The same in the list of the tile at `column, row`.
    #[inline(always)]
    pub(super) fn in_tile(&self, tile: [usize; 2], place: usize) -> Self {
        let mean = [0, 1].map(|axis| self.mean[axis] - (tile[axis] * TILE) as f32);
        Self { mean, place: place as f32, ..*self }
    }

    /// One bit for each cell of the tile at `column, row` that the box of the splat touches.
    #[inline(always)]
    pub(super) fn box_cells(&self, tile: [usize; 2]) -> u32 {
        let range = |[first, last]: [u16; 2], tile: usize| {
            let start = tile * TILE;
            let first = usize::from(first).saturating_sub(start) / CELL;
            let last = ((usize::from(last) - start) / CELL).min(CELLS - 1);
            // Bits first..=last.
            (2u32 << last) - (1u32 << first)
        };
        let (columns, rows) = (range(self.columns, tile[0]), range(self.rows, tile[1]));
        // Bit r of the rows to bit 4 r, then the columns at each of them.
        let rows = (rows & 1) | (rows & 2) << 3 | (rows & 4) << 6 | (rows & 8) << 9;
        rows * columns
    }

    /// Whether a pixel of the tile at `column, row` can see the splat; true where rounding leaves it open.
    pub(super) fn reaches(&self, tile: [usize; 2]) -> bool {
        let [x, y] = [0, 1].map(|axis| self.mean[axis] - (tile[axis] * TILE) as f32);
        let (low, high) = (0.5, TILE as f32 - 0.5);
        // The least exponent over a box lies on a side that faces the centre.
        let (dx, dy) = (x - x.clamp(low, high), y - y.clamp(low, high));
        let along_y = (-self.slopes[0] * dx).clamp(y - high, y - low);
        let along_x = (-self.slopes[1] * dy).clamp(x - high, x - low);
        let [a, b, c] = self.half_conic;
        let beyond = |dx: f32, dy: f32| {
            let (xx, yy) = (a * dx * dx, c * dy * dy);
            // NaN counts as reached.
            xx + b * dx * dy + yy - SLACK_TERMS * (xx + yy) > self.cut
        };
        !(beyond(dx, along_y) && beyond(along_x, dy))
    }
}

/// First and last of `n` pixels with a centre within `extent` of `mean`.
#[inline(always)]
fn pixels(mean: f32, extent: f32, n: usize) -> Option<[u16; 2]> {
    let extent = extent + SLACK_EXTENT + extent * SLACK_EXTENT;
    let first = (mean - extent - 0.5).ceil().max(0.0);
    let last = (mean + extent - 0.5).floor().min(n as f32 - 1.0);
    (first <= last).then_some([first as u16, last as u16])
}
