//! Loss scaling for 16-bit gradients.

use serde::{Deserialize, Serialize};

use crate::optimizer::in_range;
use crate::{Real, TrainError};

/// A scale below this means that gradients are not finite for another reason than their size.
const LEAST_SCALE: f64 = 1.0 / 16384.0;

/// Options of [`GradScaler`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GradScalerOptions {
    /// First scale, 65536.
    pub initial_scale: f64,
    /// What the scale is multiplied by when it has held for long, 2.
    pub growth_factor: f64,
    /// What it is multiplied by after gradients that were not finite, 0.5.
    pub backoff_factor: f64,
    /// Steps without such gradients after which it grows, 2000.
    pub growth_interval: u64,
}

impl Default for GradScalerOptions {
    fn default() -> Self {
        Self { initial_scale: 65536.0, growth_factor: 2.0, backoff_factor: 0.5, growth_interval: 2000 }
    }
}

impl GradScalerOptions {
    /// The same with another first scale.
    #[must_use]
    pub fn with_initial_scale(self, initial_scale: f64) -> Self {
        Self { initial_scale, ..self }
    }

    /// The same with other factors for growth and backing off.
    #[must_use]
    pub fn with_factors(self, growth_factor: f64, backoff_factor: f64) -> Self {
        Self { growth_factor, backoff_factor, ..self }
    }

    /// The same with another number of steps before growth.
    #[must_use]
    pub fn with_growth_interval(self, growth_interval: u64) -> Self {
        Self { growth_interval, ..self }
    }
}

/// Scales losses so that gradients in f16 neither vanish nor overflow (Micikevicius et al., 2018, section 3.2).
///
/// Once per optimiser step: backward passes of [`GradScaler::scale`] times the loss, [`GradScaler::unscale`], clipping,
/// the step unless `unscale` found a gradient that is not finite, [`GradScaler::update`]. bf16 needs none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradScaler {
    options: GradScalerOptions,
    scale: f64,
    /// Steps since the scale last changed.
    growth_tracker: u64,
}

impl GradScaler {
    /// A scaler at its first scale.
    ///
    /// # Errors
    /// [`TrainError::Option`] for a scale that is not positive, a growth below 1, a backing off that is none, or an
    /// interval of no steps.
    pub fn new(options: GradScalerOptions) -> Result<Self, TrainError> {
        const NAME: &str = "GradScaler";
        in_range(NAME, ("initial_scale", options.initial_scale), LEAST_SCALE.., "at least 2^-14")?;
        in_range(NAME, ("growth_factor", options.growth_factor), 1.0.., "at least 1")?;
        in_range(NAME, ("backoff_factor", options.backoff_factor), f64::MIN_POSITIVE..1.0, "between 0 and 1")?;
        in_range(NAME, ("growth_interval", options.growth_interval as f64), 1.0.., "at least 1")?;
        Ok(Self { options, scale: options.initial_scale, growth_tracker: 0 })
    }

    /// A scaler that goes on at a scale, so many steps after it last changed.
    #[must_use]
    pub fn resumed(self, scale: f64, growth_tracker: u64) -> Self {
        Self { scale, growth_tracker, ..self }
    }

    /// What the loss is multiplied by.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Steps since the scale last changed.
    #[must_use]
    pub fn growth_tracker(&self) -> u64 {
        self.growth_tracker
    }

    /// Divides gradients by the scale; says whether one of them is not finite.
    pub fn unscale<T: Real>(&self, gradients: &mut [&mut [T]]) -> bool {
        let inverse = T::from_f64(f64::from((1.0 / self.scale) as f32));
        let mut found = false;
        for gradient in gradients.iter_mut().flat_map(|array| array.iter_mut()) {
            found |= !gradient.is_finite();
            *gradient *= inverse;
        }
        found
    }

    /// Ends a step: the scale backs off where gradients were not finite, and grows where none were for long (if the
    /// larger scale is finite in f32).
    ///
    /// # Errors
    /// [`TrainError::Scale`] when the scale has fallen below 2^-14.
    pub fn update(&mut self, found_inf: bool) -> Result<(), TrainError> {
        if found_inf {
            self.scale *= self.options.backoff_factor;
            self.growth_tracker = 0;
            if self.scale < LEAST_SCALE {
                return Err(TrainError::Scale { scale: self.scale });
            }
            return Ok(());
        }
        self.growth_tracker += 1;
        if self.growth_tracker == self.options.growth_interval {
            let grown = self.scale * self.options.growth_factor;
            if (grown as f32).is_finite() {
                self.scale = grown;
            }
            self.growth_tracker = 0;
        }
        Ok(())
    }
}
