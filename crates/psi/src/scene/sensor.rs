//! From intensities to what a file holds.

use volkit_core::Voxels;

use crate::random::Draws;
use crate::{Interferometer, PsiError};

/// How greys are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Levels {
    /// 0 to 255, fractions cut off (as the published pipeline does).
    #[default]
    U8,
    /// 0 to 65535, fractions cut off.
    U16,
    /// As they are, in f32.
    F32,
}

/// A camera and its faults.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Sensor {
    /// How greys are stored. Default: 8 bits.
    pub levels: Levels,
    /// Standard deviation of the noise of each grey. Default: 0.
    pub noise_sigma: f64,
    /// Standard deviation of a factor of each image, for both background and fringes, around 1. Default: 0.
    pub gain_error: f64,
    /// Standard deviation of an error of each image's phase step, in radians. Default: 0.
    pub phase_step_error: f64,
}

impl Sensor {
    /// With greys stored in another way.
    #[must_use]
    pub fn with_levels(self, levels: Levels) -> Self {
        Self { levels, ..self }
    }

    /// With noise of that standard deviation in greys.
    #[must_use]
    pub fn with_noise(self, noise_sigma: f64) -> Self {
        Self { noise_sigma, ..self }
    }

    /// With errors of gain (a part of 1) and of phase steps (radians), as standard deviations.
    #[must_use]
    pub fn with_errors(self, gain_error: f64, phase_step_error: f64) -> Self {
        Self { gain_error, phase_step_error, ..self }
    }

    /// Checks that no standard deviation is negative or not finite.
    ///
    /// # Errors
    /// [`PsiError::Option`].
    pub fn validate(&self) -> Result<(), PsiError> {
        let all = [
            ("noise_sigma", self.noise_sigma),
            ("gain_error", self.gain_error),
            ("phase_step_error", self.phase_step_error),
        ];
        match all.iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            Some((name, value)) => {
                Err(PsiError::Option { name, value: value.to_string(), why: "expected 0 or more".to_owned() })
            }
            None => Ok(()),
        }
    }

    /// The images `[C, n]` of `n` heights in um; the seed decides all faults.
    ///
    /// # Errors
    /// [`PsiError::Option`] of a camera or interferometer that is not valid.
    pub fn record(&self, instrument: &Interferometer, height_um: &[f64], seed: u64) -> Result<Voxels, PsiError> {
        instrument.validate()?;
        self.validate()?;
        let mut actual = instrument.clone();
        let mut images = Vec::with_capacity(instrument.channels() * height_um.len());
        for (l, lambda) in instrument.wavelengths_um.iter().enumerate() {
            for (b, delta) in instrument.phase_steps.iter().enumerate() {
                let channel = (l * instrument.phase_steps.len() + b) as u64;
                let mut random = Draws::at(seed, &[1, channel]);
                let gain = 1.0 + self.gain_error * random.normal();
                actual.wavelengths_um = vec![*lambda];
                actual.phase_steps = vec![delta + self.phase_step_error * random.normal()];
                let mut image = actual.images(height_um);
                if self.gain_error > 0.0 {
                    image.iter_mut().for_each(|grey| *grey *= gain);
                }
                if self.noise_sigma > 0.0 {
                    image.iter_mut().for_each(|grey| *grey += self.noise_sigma * random.normal());
                }
                images.append(&mut image);
            }
        }
        // A cast to an integer cuts fractions off and keeps to its range.
        Ok(match self.levels {
            Levels::U8 => images.iter().map(|&grey| grey as u8).collect::<Vec<_>>().into(),
            Levels::U16 => images.iter().map(|&grey| grey as u16).collect::<Vec<_>>().into(),
            Levels::F32 => images.iter().map(|&grey| grey as f32).collect::<Vec<_>>().into(),
        })
    }
}
