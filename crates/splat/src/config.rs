//! How a scene is rendered.

use volkit_kernels::RasterOptions;

use crate::SplatError;
use crate::sh::MAX_SH_DEGREE;

/// Constants of projection and blending. The defaults are those of gsplat 1.6; scenes trained with other constants look
/// right only with theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RenderConfig {
    /// Colour behind all Gaussians (default black).
    pub background: [f32; 3],
    /// Whether opacities are lowered by what the blur adds to the area (default false: the "classic" look).
    pub antialiased: bool,
    /// Highest band of spherical harmonics that is used; none is all there are (default).
    pub sh_degree: Option<usize>,
    /// A sample with a lower alpha is left out (default 1/255).
    pub alpha_min: f32,
    /// Alpha is cut to this: 0.99 (default; INRIA, gsplat 1.6) or 0.999 (gsplat up to 1.5, brush).
    pub alpha_max: f32,
    /// A Gaussian that would bring the transmittance to this or below ends the pixel (default 1e-4).
    pub transmittance_min: f32,
    /// Added to both variances on the image, in pixels^2 (default 0.3).
    pub blur_px2: f64,
    /// Floor of the compensation of antialiasing (default 0.005; gsplat up to 1.5 has 0).
    pub compensation_min: f64,
    /// Nearest and farthest depth (default 0.01 and 1e10).
    pub depth_range: [f64; 2],
    /// Gaussians with both radii at or below this many pixels are left out (default 0).
    pub radius_clip_px: f64,
    /// Most standard deviations that a radius counts (default 3.33).
    pub extent_sigmas: f64,
    /// How far beyond the image, in half fields of view, the projection of a covariance is taken (default 0.3).
    pub clamp_margin: f64,
    /// Whether depth is rendered (default true).
    pub depth: bool,
    /// Whether the magnitudes of the gradients of the projected means are summed, for densification (default false).
    pub absolute_means: bool,
}

impl Default for RenderConfig {
    fn default() -> Self {
        let raster = RasterOptions::default();
        Self {
            background: [0.0; 3],
            antialiased: false,
            sh_degree: None,
            alpha_min: raster.alpha_min,
            alpha_max: raster.alpha_max,
            transmittance_min: raster.transmittance_min,
            blur_px2: 0.3,
            compensation_min: 0.005,
            depth_range: [0.01, 1e10],
            radius_clip_px: 0.0,
            extent_sigmas: 3.33,
            clamp_margin: 0.3,
            depth: true,
            absolute_means: false,
        }
    }
}

impl RenderConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same before another background.
    #[must_use]
    pub fn with_background(self, background: [f32; 3]) -> Self {
        Self { background, ..self }
    }

    /// The same with or without antialiasing.
    #[must_use]
    pub fn with_antialiased(self, antialiased: bool) -> Self {
        Self { antialiased, ..self }
    }

    /// The same with bands of spherical harmonics up to `degree`.
    #[must_use]
    pub fn with_sh_degree(self, degree: usize) -> Self {
        Self { sh_degree: Some(degree), ..self }
    }

    /// The same with another cut of alpha.
    #[must_use]
    pub fn with_alpha_max(self, alpha_max: f32) -> Self {
        Self { alpha_max, ..self }
    }

    /// The same with or without depth.
    #[must_use]
    pub fn with_depth(self, depth: bool) -> Self {
        Self { depth, ..self }
    }

    /// The same with or without the sums of magnitudes.
    #[must_use]
    pub fn with_absolute_means(self, absolute_means: bool) -> Self {
        Self { absolute_means, ..self }
    }

    /// What the tile loops need of it.
    pub(crate) fn raster_options(&self) -> RasterOptions {
        let mut options = RasterOptions::default();
        options.alpha_min = self.alpha_min;
        options.alpha_max = self.alpha_max;
        options.transmittance_min = self.transmittance_min;
        options.depth = self.depth;
        options.absolute_means = self.absolute_means;
        options
    }

    /// Refuses constants that make no sense. (The tile loops check theirs.)
    ///
    /// # Errors
    /// [`SplatError::Parameter`].
    pub fn validate(&self) -> Result<(), SplatError> {
        let [near, far] = self.depth_range;
        if !(near > 0.0 && near <= far) {
            return Err(SplatError::parameter("depth_range", &format!("{near}..{far}"), "0 < near <= far"));
        }
        for (name, value) in [
            ("blur_px2", self.blur_px2),
            ("compensation_min", self.compensation_min),
            ("radius_clip_px", self.radius_clip_px),
            ("extent_sigmas", self.extent_sigmas),
            ("clamp_margin", self.clamp_margin),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(SplatError::parameter(name, &value, "finite and not negative"));
            }
        }
        if let Some(degree) = self.sh_degree.filter(|degree| *degree > MAX_SH_DEGREE) {
            return Err(SplatError::parameter("sh_degree", &degree, "0 to 3"));
        }
        if self.background.iter().any(|x| !x.is_finite()) {
            return Err(SplatError::parameter("background", &format!("{:?}", self.background), "finite numbers"));
        }
        Ok(())
    }
}
