//! Heights as colours.

/// Black violet, blue, green, yellow: even steps of lightness, told apart by all eyes (stops sampled from "viridis" by S. van
/// der Walt and N. Smith, public domain).
const SEQUENTIAL: [[f64; 3]; 6] = [
    [68.0, 1.0, 84.0],
    [65.0, 68.0, 135.0],
    [42.0, 120.0, 142.0],
    [34.0, 168.0, 132.0],
    [122.0, 209.0, 81.0],
    [253.0, 231.0, 37.0],
];
/// Blue, white, red: errors with their sign.
const DIVERGING: [[f64; 3]; 5] =
    [[33.0, 102.0, 172.0], [146.0, 197.0, 222.0], [247.0, 247.0, 247.0], [244.0, 165.0, 130.0], [178.0, 24.0, 43.0]];
/// Pixels that do not count.
const MASKED: [u8; 3] = [120; 3];

/// A scale of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourScale {
    /// From low to high, for heights.
    Sequential,
    /// Around a middle, for errors.
    Diverging,
}

impl ColourScale {
    /// The colour of a value from 0 (low end) to 1 (high end); values beyond take the end.
    #[must_use]
    pub fn colour(self, part: f64) -> [u8; 3] {
        let stops: &[[f64; 3]] = match self {
            Self::Sequential => &SEQUENTIAL,
            Self::Diverging => &DIVERGING,
        };
        let place = part.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let first = (place as usize).min(stops.len() - 2);
        let t = place - first as f64;
        std::array::from_fn(|c| (stops[first][c] * (1.0 - t) + stops[first + 1][c] * t).round() as u8)
    }

    /// The range that a map is shown in: its least and largest finite value, made symmetric about 0 for a diverging scale.
    #[must_use]
    pub fn range(self, values: &[f64]) -> [f64; 2] {
        let finite = || values.iter().copied().filter(|x| x.is_finite());
        let low = finite().reduce(f64::min).unwrap_or(0.0);
        let high = finite().reduce(f64::max).unwrap_or(0.0);
        match self {
            Self::Sequential => [low, high],
            Self::Diverging => {
                let most = low.abs().max(high.abs());
                [-most, most]
            }
        }
    }

    /// The colours of a map, three bytes a pixel; values that are not finite are grey.
    #[must_use]
    pub fn paint(self, values: &[f64], [low, high]: [f64; 2]) -> Vec<u8> {
        let span = if high > low { high - low } else { 1.0 };
        let colour = |x: &f64| if x.is_finite() { self.colour((x - low) / span) } else { MASKED };
        values.iter().flat_map(colour).collect()
    }
}
