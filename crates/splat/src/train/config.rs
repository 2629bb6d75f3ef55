//! Rates and rules of training.

use crate::{RenderConfig, SplatError};

/// How a scene is trained. The defaults are those of gsplat's simple trainer; results are comparable only with them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainerConfig {
    /// Steps of the whole training, which the decay of the means' rate goes by (default 30 000).
    pub max_steps: usize,
    /// Learning rate of the means, in units of the scene's scale (default 1.6e-4); 100 times smaller at the end.
    pub means_rate: f64,
    /// Learning rate of the logarithms of the scales (default 5e-3).
    pub log_scales_rate: f64,
    /// Learning rate of the quaternions (default 1e-3).
    pub quats_rate: f64,
    /// Learning rate of the logits of the opacities (default 5e-2).
    pub opacities_rate: f64,
    /// Learning rate of colours and band 0 (default 2.5e-3); that of further bands is 20 times smaller.
    pub colours_rate: f64,
    /// Steps after which one more band is used (default 1000).
    pub band_every: usize,
    /// Share of dissimilarity in the loss (default 0.2).
    pub ssim_share: f32,
    /// First and last step of densification (default 500 and 15 000).
    pub densify_steps: [usize; 2],
    /// Steps between densifications (default 100).
    pub densify_every: usize,
    /// Mean gradient of a projected centre, in half pictures, above which a Gaussian multiplies (default 2e-4).
    pub densify_gradient: f64,
    /// Largest scale, in units of the scene's, of a Gaussian that is copied rather than split (default 0.01).
    pub copy_scale: f64,
    /// Opacity below which a Gaussian is removed (default 0.005).
    pub prune_opacity: f64,
    /// Scale, in units of the scene's, above which one is removed after the first reset (default 0.1).
    pub prune_scale: f64,
    /// Steps between resets of the opacities (default 3000).
    pub reset_every: usize,
    /// Most Gaussians; none are added beyond (default 1 000 000).
    pub most_gaussians: usize,
    /// Seed of the order of the views and of splits (default 0).
    pub seed: u64,
    /// How the scene is rendered.
    pub render: RenderConfig,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            max_steps: 30_000,
            means_rate: 1.6e-4,
            log_scales_rate: 5e-3,
            quats_rate: 1e-3,
            opacities_rate: 5e-2,
            colours_rate: 2.5e-3,
            band_every: 1000,
            ssim_share: 0.2,
            densify_steps: [500, 15_000],
            densify_every: 100,
            densify_gradient: 2e-4,
            copy_scale: 0.01,
            prune_opacity: 0.005,
            prune_scale: 0.1,
            reset_every: 3000,
            most_gaussians: 1_000_000,
            seed: 0,
            render: RenderConfig::new().with_depth(false),
        }
    }
}

impl TrainerConfig {
    /// The published rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for a training of that many steps.
    #[must_use]
    pub fn with_max_steps(self, max_steps: usize) -> Self {
        Self { max_steps, ..self }
    }

    /// The same with another way to render.
    #[must_use]
    pub fn with_render(self, render: RenderConfig) -> Self {
        Self { render, ..self }
    }

    /// Refuses rules that make no sense.
    ///
    /// # Errors
    /// [`SplatError::Parameter`].
    pub fn validate(&self) -> Result<(), SplatError> {
        self.render.validate()?;
        for (name, value) in [
            ("means_rate", self.means_rate),
            ("log_scales_rate", self.log_scales_rate),
            ("quats_rate", self.quats_rate),
            ("opacities_rate", self.opacities_rate),
            ("colours_rate", self.colours_rate),
            ("densify_gradient", self.densify_gradient),
            ("copy_scale", self.copy_scale),
            ("prune_opacity", self.prune_opacity),
            ("prune_scale", self.prune_scale),
            ("ssim_share", f64::from(self.ssim_share)),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(SplatError::parameter(name, &value, "finite and not negative"));
            }
        }
        for (name, value) in [
            ("max_steps", self.max_steps),
            ("band_every", self.band_every),
            ("densify_every", self.densify_every),
            ("reset_every", self.reset_every),
        ] {
            if value == 0 {
                return Err(SplatError::parameter(name, &value, "at least 1"));
            }
        }
        Ok(())
    }
}
