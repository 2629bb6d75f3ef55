//! What the camera of a phase-shifting interferometer sees of a surface.

use std::f64::consts::{PI, TAU};

use crate::PsiError;

/// Wavelengths and phase steps of an interferometer: `L` lasers with `B` phase steps ("buckets") each give `C = L B` grey
/// images.
///
/// ```text
/// I[l, b](y, x) = A + M cos(4 pi h(y, x) / lambda_l + delta_b)
/// ```
///
/// with the height `h` and the wavelengths in um, and the channel `l B + b`. The default has four lasers of 5.0, 5.5, 6.05
/// and 6.655 um, four steps of a quarter period, A = 128 and M = 100.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Interferometer {
    /// `lambda_l` in um.
    pub wavelengths_um: Vec<f64>,
    /// `delta_b` in radians.
    pub phase_steps: Vec<f64>,
    /// `A`, the mean grey.
    pub background: f64,
    /// `M`, the amplitude of the fringes in greys.
    pub modulation: f64,
}

impl Default for Interferometer {
    fn default() -> Self {
        Self::new([5.0, 5.5, 6.05, 6.655], 4)
    }
}

impl Interferometer {
    /// Lasers of those wavelengths in um with `n_buckets` equal steps over a period, `delta_b = 2 pi b / B`.
    #[must_use]
    pub fn new(wavelengths_um: impl Into<Vec<f64>>, n_buckets: usize) -> Self {
        let phase_steps = (0..n_buckets).map(|b| TAU * b as f64 / n_buckets as f64).collect();
        Self { wavelengths_um: wavelengths_um.into(), phase_steps, background: 128.0, modulation: 100.0 }
    }

    /// With other steps, in radians.
    #[must_use]
    pub fn with_phase_steps(self, phase_steps: impl Into<Vec<f64>>) -> Self {
        Self { phase_steps: phase_steps.into(), ..self }
    }

    /// With another mean grey and amplitude.
    #[must_use]
    pub fn with_levels(self, background: f64, modulation: f64) -> Self {
        Self { background, modulation, ..self }
    }

    /// `C`, the images of a stack.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.wavelengths_um.len() * self.phase_steps.len()
    }

    /// Radians of phase per um of height, `k_l = 4 pi / lambda_l`.
    pub fn wave_numbers(&self) -> impl ExactSizeIterator<Item = f64> {
        self.wavelengths_um.iter().map(|lambda| 4.0 * PI / lambda)
    }

    /// Checks that there is a laser, that all numbers are finite, and wavelengths and amplitude positive.
    ///
    /// # Errors
    /// [`PsiError::Option`].
    pub fn validate(&self) -> Result<(), PsiError> {
        let wrong = |name, value: String, why: &str| Err(PsiError::Option { name, value, why: why.to_owned() });
        let shown = |values: &[f64]| format!("{values:?}");
        if self.wavelengths_um.is_empty() || self.wavelengths_um.iter().any(|l| !(l.is_finite() && *l > 0.0)) {
            return wrong("wavelengths_um", shown(&self.wavelengths_um), "expected at least one positive number");
        }
        if self.phase_steps.is_empty() || self.phase_steps.iter().any(|delta| !delta.is_finite()) {
            return wrong("phase_steps", shown(&self.phase_steps), "expected at least one finite number");
        }
        if !self.background.is_finite() {
            return wrong("background", self.background.to_string(), "expected a finite number");
        }
        if !(self.modulation.is_finite() && self.modulation > 0.0) {
            return wrong("modulation", self.modulation.to_string(), "expected a positive number");
        }
        Ok(())
    }

    /// The images `[C, n]` of `n` heights in um.
    #[must_use]
    pub fn images(&self, height_um: &[f64]) -> Vec<f64> {
        let mut images = Vec::with_capacity(self.channels() * height_um.len());
        for lambda in &self.wavelengths_um {
            for delta in &self.phase_steps {
                let grey = |h: &f64| self.background + self.modulation * (4.0 * PI * h / lambda + delta).cos();
                images.extend(height_um.iter().map(grey));
            }
        }
        images
    }
}
