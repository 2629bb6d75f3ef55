//! Agreement of two patches where they overlap.

use crate::PsiError;

/// Value and gradients of an agreement.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct InterfaceLoss {
    /// The loss.
    pub value: f64,
    /// Its derivative by the heights of the first patch; that by those of the second is the negative.
    pub gradient: Vec<f64>,
    /// Root mean square difference of the heights, in um.
    pub rms_um: f64,
}

/// `mean((h_a - h_b)^2)` over the pixels that two patches share.
///
/// # Errors
/// [`PsiError::Length`] for different numbers of pixels.
pub fn interface_loss(a_um: &[f64], b_um: &[f64]) -> Result<InterfaceLoss, PsiError> {
    let differences = differences(a_um, b_um)?;
    let n = differences.len().max(1) as f64;
    let value = differences.iter().map(|d| d * d).sum::<f64>() / n;
    let gradient = differences.iter().map(|d| 2.0 * d / n).collect();
    Ok(InterfaceLoss { value, gradient, rms_um: value.sqrt() })
}

fn differences(a_um: &[f64], b_um: &[f64]) -> Result<Vec<f64>, PsiError> {
    if a_um.len() != b_um.len() {
        return Err(PsiError::Length { what: "overlap", got: b_um.len(), wanted: a_um.len() });
    }
    Ok(a_um.iter().zip(b_um).map(|(a, b)| a - b).collect())
}

/// The augmented Lagrangian of `h_a = h_b` over a fixed overlap: `mean(multiplier (h_a - h_b) + mu/2 (h_a - h_b)^2)`, with
/// `multiplier += mu (h_a - h_b)` between rounds of minimisation. Differences vanish at a finite `mu`, which a penalty
/// alone does not reach.
#[derive(Clone, Debug, PartialEq)]
pub struct AugmentedInterface {
    mu: f64,
    multipliers: Vec<f64>,
}

impl AugmentedInterface {
    /// For an overlap of `n` pixels, with multipliers of 0.
    ///
    /// # Errors
    /// [`PsiError::Option`] for a `mu` that is not positive.
    pub fn new(n: usize, mu: f64) -> Result<Self, PsiError> {
        if !(mu.is_finite() && mu > 0.0) {
            let why = "expected a positive number".to_owned();
            return Err(PsiError::Option { name: "interface mu", value: mu.to_string(), why });
        }
        Ok(Self { mu, multipliers: vec![0.0; n] })
    }

    /// The multipliers, one a pixel.
    #[must_use]
    pub fn multipliers(&self) -> &[f64] {
        &self.multipliers
    }

    /// Value and gradient.
    ///
    /// # Errors
    /// [`PsiError::Length`] for another number of pixels.
    pub fn evaluate(&self, a_um: &[f64], b_um: &[f64]) -> Result<InterfaceLoss, PsiError> {
        let differences = self.differences(a_um, b_um)?;
        let n = differences.len().max(1) as f64;
        let pairs = || differences.iter().zip(&self.multipliers);
        let value = pairs().map(|(d, l)| l * d + self.mu / 2.0 * d * d).sum::<f64>() / n;
        let gradient = pairs().map(|(d, l)| (l + self.mu * d) / n).collect();
        let rms_um = (differences.iter().map(|d| d * d).sum::<f64>() / n).sqrt();
        Ok(InterfaceLoss { value, gradient, rms_um })
    }

    /// Ends a round: the multipliers take up what is left of the difference.
    ///
    /// # Errors
    /// [`PsiError::Length`] for another number of pixels.
    pub fn update(&mut self, a_um: &[f64], b_um: &[f64]) -> Result<(), PsiError> {
        let differences = self.differences(a_um, b_um)?;
        self.multipliers.iter_mut().zip(differences).for_each(|(l, d)| *l += self.mu * d);
        Ok(())
    }

    fn differences(&self, a_um: &[f64], b_um: &[f64]) -> Result<Vec<f64>, PsiError> {
        let found = differences(a_um, b_um)?;
        if found.len() != self.multipliers.len() {
            return Err(PsiError::Length { what: "overlap", got: found.len(), wanted: self.multipliers.len() });
        }
        Ok(found)
    }
}
