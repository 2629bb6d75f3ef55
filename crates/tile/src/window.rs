//! Windows: how much a tile counts at each of its samples.

use std::f64::consts::PI;
use std::str::FromStr;

use volkit_core::BoxError;

use crate::TileError;

/// What a window is asked for: one axis of a tile, in samples of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAxis {
    /// Spatial axis.
    pub axis: usize,
    /// Tile length `T`.
    pub tile: usize,
    /// Overlap `O` of neighbouring tiles; may exceed `T / 2`.
    pub overlap: usize,
}

/// Weights along one axis; the window of a tile is the product over its axes.
///
/// # Protocol
/// `weights` gives `T` finite numbers of at least 0, in any scale: they are divided, sample by sample, by their sum over
/// all tiles, so the merged weights are a partition of unity whatever the window. Zeros are allowed where another tile
/// covers the sample; at the border of the image, where none does, the outer half of the first and the last tile counts
/// as 1. Called once per axis and run.
pub trait Window: Send + Sync {
    /// The weights `g(0) .. g(T - 1)`.
    ///
    /// # Errors
    /// When the window has no weights for such an axis.
    fn weights(&self, axis: WindowAxis) -> Result<Vec<f64>, BoxError>;
}

/// The windows with a name. With `d(k) = min(k + 1/2, T - k - 1/2)`, the distance to the nearest edge of the tile:
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum NamedWindow {
    /// `1`: the plain average.
    Constant,
    /// `sin^2(pi d / (2 O))` for `d < O`, else 1. Never 0, and two neighbours' ramps add to 1. The default.
    #[default]
    Hann,
    /// `d / O` for `d < O`, else 1. Two neighbours' ramps add to 1.
    Linear,
    /// `sin^2(pi (k + 1/2) / T)`.
    HannFull,
    /// `2 d / T`.
    Triangle,
    /// `sin^2(pi d / (alpha T))` for `d < alpha T / 2`, else 1.
    Tukey {
        /// Share of the tile that is ramp, in `(0, 1]`.
        alpha: f64,
    },
    /// `exp(-(k - (T - 1) / 2)^2 / (2 (sigma T)^2))`.
    Gaussian {
        /// Standard deviation as a share of the tile: one number, or one per axis.
        sigma: Vec<f64>,
    },
    /// `sin^2(pi (k + 1) / (T + 1))`: `TorchIO`'s, a symmetric Hann window without its two zero ends.
    TorchioHann,
    /// The ramps of a symmetric Hann window of `2 O` samples, whose ends are exactly 0: what many home-made programs
    /// use. They lose the outermost samples of the image; here the border counts as 1.
    SymmetricHann,
}

impl NamedWindow {
    /// The Gaussian whose standard deviation is an eighth of the tile.
    #[must_use]
    pub fn gaussian() -> Self {
        Self::Gaussian { sigma: vec![0.125] }
    }
}

impl FromStr for NamedWindow {
    type Err = TileError;

    /// Reads `constant`, `hann`, `linear`, `hann-full`, `triangle`, `tukey` (alpha 0.5), `gaussian` (sigma 0.125),
    /// `torchio-hann`, `symmetric-hann`.
    fn from_str(name: &str) -> Result<Self, TileError> {
        Ok(match name {
            "constant" => Self::Constant,
            "hann" => Self::Hann,
            "linear" => Self::Linear,
            "hann-full" => Self::HannFull,
            "triangle" => Self::Triangle,
            "tukey" => Self::Tukey { alpha: 0.5 },
            "gaussian" => Self::gaussian(),
            "torchio-hann" => Self::TorchioHann,
            "symmetric-hann" => Self::SymmetricHann,
            _ => {
                let why = "must be constant, hann, linear, hann-full, triangle, tukey, gaussian, torchio-hann or \
                           symmetric-hann";
                return Err(TileError::Config { field: "window", value: name.to_owned(), why: why.to_owned() });
            }
        })
    }
}

impl Window for NamedWindow {
    fn weights(&self, axis: WindowAxis) -> Result<Vec<f64>, BoxError> {
        let (t, o) = (axis.tile as f64, axis.overlap as f64);
        let distance = |k: usize| (k as f64 + 0.5).min(t - k as f64 - 0.5);
        let all = |g: &dyn Fn(usize) -> f64| Ok((0..axis.tile).map(g).collect());
        match self {
            Self::Constant => all(&|_| 1.0),
            Self::Hann => all(&|k| if distance(k) < o { sin2(PI * distance(k) / (2.0 * o)) } else { 1.0 }),
            Self::Linear => all(&|k| if distance(k) < o { distance(k) / o } else { 1.0 }),
            Self::HannFull => all(&|k| sin2(PI * (k as f64 + 0.5) / t)),
            Self::Triangle => all(&|k| 2.0 * distance(k) / t),
            Self::Tukey { alpha } => {
                if !(*alpha > 0.0 && *alpha <= 1.0) {
                    return Err(format!("tukey: alpha = {alpha}: must be above 0 and at most 1").into());
                }
                all(&|k| if distance(k) < alpha * t / 2.0 { sin2(PI * distance(k) / (alpha * t)) } else { 1.0 })
            }
            Self::Gaussian { sigma } => {
                let sigma = per_axis(sigma, axis.axis)? * t;
                let middle = (t - 1.0) / 2.0;
                all(&|k| (-(k as f64 - middle).powi(2) / (2.0 * sigma * sigma)).exp())
            }
            Self::TorchioHann => all(&|k| sin2(PI * (k as f64 + 1.0) / (t + 1.0))),
            Self::SymmetricHann => {
                // A symmetric window of 2 O samples is sin^2(pi k / (2 O - 1)).
                let ramp = |k: f64| if k < o { sin2(PI * k / (2.0 * o - 1.0)) } else { 1.0 };
                all(&|k| ramp(distance(k) - 0.5))
            }
        }
    }
}

/// The number of an axis from a list of one or of one per axis.
pub(crate) fn per_axis(sigma: &[f64], axis: usize) -> Result<f64, BoxError> {
    let value = if sigma.len() == 1 { sigma.first() } else { sigma.get(axis) };
    match value {
        Some(&value) if value > 0.0 && value.is_finite() => Ok(value),
        Some(value) => Err(format!("gaussian: sigma = {value}: must be above 0").into()),
        None => Err(format!("gaussian: {} sigmas, none for axis {axis}", sigma.len()).into()),
    }
}

fn sin2(x: f64) -> f64 {
    x.sin() * x.sin()
}
