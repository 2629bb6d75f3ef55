//! The Gaussians of a scene.

use crate::SplatError;
use crate::sh::{MAX_SH_DEGREE, sh_coefficients};

/// Colours of Gaussians.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Colours {
    /// Red, green and blue of each, `[N, 3]`.
    Rgb(Vec<[f32; 3]>),
    /// Spherical harmonics that depend on the direction of view.
    Sh {
        /// Highest band, 0 to 3.
        degree: usize,
        /// `[N, K, 3]` with `K = (degree + 1)^2`.
        coefficients: Vec<[f32; 3]>,
    },
}

/// A scene of `N` Gaussians, in the parameters that are trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussians {
    /// Centres, `[N, 3]`.
    pub means: Vec<[f32; 3]>,
    /// Rotations as quaternions `w, x, y, z` of any length, `[N, 4]`.
    pub quats: Vec<[f32; 4]>,
    /// Logarithms of the standard deviations along the own axes, `[N, 3]`.
    pub log_scales: Vec<[f32; 3]>,
    /// Logits of the opacities, `[N]`.
    pub logit_opacities: Vec<f32>,
    /// Colours.
    pub colours: Colours,
}

impl Gaussians {
    /// A scene without Gaussians, for spherical harmonics up to `sh_degree`.
    #[must_use]
    pub fn empty(sh_degree: usize) -> Self {
        Self {
            means: Vec::new(),
            quats: Vec::new(),
            log_scales: Vec::new(),
            logit_opacities: Vec::new(),
            colours: Colours::Sh { degree: sh_degree, coefficients: Vec::new() },
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.means.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.means.is_empty()
    }

    /// Lowers all opacities to `most` (between 0 and 1), as training does now and then.
    pub fn limit_opacities(&mut self, most: f64) {
        let most = (most / (1.0 - most)).ln() as f32;
        self.logit_opacities.iter_mut().for_each(|logit| *logit = logit.min(most));
    }

    /// The same as slices.
    #[must_use]
    pub fn as_slices(&self) -> GaussianSlices<'_> {
        let colours = match &self.colours {
            Colours::Rgb(rgb) => ColourSlices::Rgb(rgb),
            Colours::Sh { degree, coefficients } => ColourSlices::Sh { degree: *degree, coefficients },
        };
        GaussianSlices {
            means: &self.means,
            quats: &self.quats,
            log_scales: &self.log_scales,
            logit_opacities: &self.logit_opacities,
            colours,
        }
    }
}

/// [`Colours`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ColourSlices<'a> {
    /// Red, green and blue of each, `[N, 3]`.
    Rgb(&'a [[f32; 3]]),
    /// Spherical harmonics.
    Sh {
        /// Highest band, 0 to 3.
        degree: usize,
        /// `[N, K, 3]` with `K = (degree + 1)^2`.
        coefficients: &'a [[f32; 3]],
    },
}

impl ColourSlices<'_> {
    /// Triples of numbers a Gaussian has.
    #[must_use]
    pub fn triples(&self) -> usize {
        match self {
            Self::Rgb(_) => 1,
            Self::Sh { degree, .. } => sh_coefficients(*degree),
        }
    }
}

/// [`Gaussians`], borrowed: what a rasterizer reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianSlices<'a> {
    /// Centres, `[N, 3]`.
    pub means: &'a [[f32; 3]],
    /// Quaternions `w, x, y, z` of any length, `[N, 4]`.
    pub quats: &'a [[f32; 4]],
    /// Logarithms of standard deviations, `[N, 3]`.
    pub log_scales: &'a [[f32; 3]],
    /// Logits of opacities, `[N]`.
    pub logit_opacities: &'a [f32],
    /// Colours.
    pub colours: ColourSlices<'a>,
}

impl GaussianSlices<'_> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.means.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.means.is_empty()
    }

    /// Refuses arrays that do not fit each other.
    ///
    /// # Errors
    /// [`SplatError::Length`], [`SplatError::Parameter`] for a degree above 3.
    pub fn validate(&self) -> Result<(), SplatError> {
        let n = self.len();
        SplatError::check_len("quats", self.quats.len(), n)?;
        SplatError::check_len("log_scales", self.log_scales.len(), n)?;
        SplatError::check_len("logit_opacities", self.logit_opacities.len(), n)?;
        match self.colours {
            ColourSlices::Rgb(rgb) => SplatError::check_len("colours", rgb.len(), n),
            ColourSlices::Sh { degree, .. } if degree > MAX_SH_DEGREE => {
                Err(SplatError::parameter("sh_degree", &degree, "0 to 3"))
            }
            ColourSlices::Sh { degree, coefficients } => {
                SplatError::check_len("sh", coefficients.len(), n * sh_coefficients(degree))
            }
        }
    }
}
