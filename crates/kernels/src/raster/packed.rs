//! What the tile loops read of a splat.

use super::{CELL, CELLS, RasterOptions, Splat, TILE};

/// By how much the tests that skip work early are wider than the exact ones.
const SLACK_SIGMA: f32 = 1e-2;
const SLACK_EXTENT: f32 = 1e-3;

/// A visible splat, one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Packed {
    pub(super) mean: [f32; 2],
    /// `a / 2, b, c / 2`.
    pub(super) half_conic: [f32; 3],
    pub(super) opacity: f32,
    /// No sample with a larger exponent reaches `alpha_min`.
    pub(super) cut: f32,
    pub(super) features: [f32; 4],
    /// First and last column, first and last row of the pixels that can be reached.
    columns: [u16; 2],
    rows: [u16; 2],
}

impl Packed {
    /// The splat for an image of `size` rows and columns, unless no pixel can see it.
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
        let cut = (opacity / options.alpha_min).ln() + SLACK_SIGMA;
        let half_conic = [0.5 * conic[0], conic[1], 0.5 * conic[2]];
        Some(Self { mean, half_conic, opacity, cut, features, columns, rows })
    }

    /// First and one past the last tile: columns, then rows.
    pub(super) fn tiles(&self) -> [[usize; 2]; 2] {
        [self.columns, self.rows].map(|[first, last]| [usize::from(first) / TILE, usize::from(last) / TILE + 1])
    }

    /// First and one past the last cell of the tile at `column, row`: columns, then rows.
    #[inline(always)]
    pub(super) fn cells(&self, tile: [usize; 2]) -> [[usize; 2]; 2] {
        let range = |[first, last]: [u16; 2], tile: usize| {
            let start = tile * TILE;
            let last = (usize::from(last) - start).min(TILE - 1);
            [usize::from(first).saturating_sub(start) / CELL, (last / CELL + 1).min(CELLS)]
        };
        [range(self.columns, tile[0]), range(self.rows, tile[1])]
    }

    /// Whether a pixel of the tile at `column, row` can see the splat.
    pub(super) fn reaches(&self, tile: [usize; 2]) -> bool {
        // In f64: a long thin splat has large terms of either sign.
        let span = |tile: usize, mean: f32| {
            let low = (tile * TILE) as f64 + 0.5 - f64::from(mean);
            [low, low + (TILE - 1) as f64]
        };
        let [a, b, c] = self.half_conic.map(f64::from);
        let (xs, ys) = (span(tile[0], self.mean[0]), span(tile[1], self.mean[1]));
        let nearest = |[low, high]: [f64; 2]| {
            if low > 0.0 {
                low
            } else if high < 0.0 {
                high
            } else {
                0.0
            }
        };
        let (x, y) = (nearest(xs), nearest(ys));
        if x == 0.0 && y == 0.0 {
            return true;
        }
        // The least exponent over the box lies on a side that faces the centre.
        let mut least = f64::INFINITY;
        if x != 0.0 {
            let y = (-b * x / (2.0 * c)).clamp(ys[0], ys[1]);
            least = least.min(a * x * x + b * x * y + c * y * y);
        }
        if y != 0.0 {
            let x = (-b * y / (2.0 * a)).clamp(xs[0], xs[1]);
            least = least.min(a * x * x + b * x * y + c * y * y);
        }
        let cut = f64::from(self.cut + SLACK_SIGMA);
        // NaN counts as reached.
        least <= cut || least.is_nan() || cut.is_nan()
    }
}

/// First and last of `n` pixels with a centre within `extent` of `mean`.
fn pixels(mean: f32, extent: f32, n: usize) -> Option<[u16; 2]> {
    let extent = extent + SLACK_EXTENT + extent * SLACK_EXTENT;
    let first = (mean - extent - 0.5).ceil().max(0.0);
    let last = (mean + extent - 0.5).floor().min(n as f32 - 1.0);
    (first <= last).then_some([first as u16, last as u16])
}
