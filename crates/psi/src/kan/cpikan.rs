//! The network of points: Chebyshev layers with normalisation between them.

use candle_core::{Module as _, Result, Tensor};
use candle_nn::VarBuilder;

use super::{ChebyKan, Jet, LayerNorm, tanh_jet};
use crate::PsiError;

/// The box of coordinates that a network is asked in.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    min: Vec<f64>,
    max: Vec<f64>,
}

impl Domain {
    /// From the least to the largest coordinate along each axis.
    ///
    /// # Errors
    /// [`PsiError::Option`] for different numbers of coordinates and for an axis without extent.
    pub fn new(min: impl Into<Vec<f64>>, max: impl Into<Vec<f64>>) -> std::result::Result<Self, PsiError> {
        let (min, max) = (min.into(), max.into());
        let has_extent = min.iter().zip(&max).all(|(a, b)| a.is_finite() && b.is_finite() && a < b);
        if min.is_empty() || min.len() != max.len() || !has_extent {
            let why = "expected two points of one length, the first below the second along each axis".to_owned();
            return Err(PsiError::Option { name: "domain", value: format!("{min:?} to {max:?}"), why });
        }
        Ok(Self { min, max })
    }

    /// Coordinates of a point.
    #[must_use]
    pub fn n_axes(&self) -> usize {
        self.min.len()
    }

    /// Derivative of the scaled coordinates by the coordinates, `2 / (max - min)`.
    fn scale(&self) -> Vec<f64> {
        self.min.iter().zip(&self.max).map(|(min, max)| 2.0 / (max - min)).collect()
    }

    /// `2 (x - min) / (max - min) - 1` for points `[B, d]`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn scaled(&self, points: &Tensor) -> Result<Tensor> {
        let row = |values: Vec<f64>| -> Result<Tensor> {
            let d = values.len();
            Tensor::from_vec(values, (1, d), points.device())?.to_dtype(points.dtype())
        };
        points.broadcast_sub(&row(self.min.clone())?)?.broadcast_mul(&row(self.scale())?)?.affine(1.0, -1.0)
    }

    /// `(s + 1) / 2 (max - min) + min`: the coordinates of scaled ones, along one axis.
    #[must_use]
    pub fn unscaled(&self, axis: usize, scaled: f64) -> f64 {
        (scaled + 1.0) / 2.0 * (self.max[axis] - self.min[axis]) + self.min[axis]
    }
}

/// What a [`ScaledCpikan`] is made of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ScaledCpikanConfig {
    /// Features, input first. Default: 2, 64, 64, 64, 1.
    pub widths: Vec<usize>,
    /// Degree of the polynomials. Default: 8.
    pub degree: usize,
}

impl Default for ScaledCpikanConfig {
    fn default() -> Self {
        Self { widths: vec![2, 64, 64, 64, 1], degree: 8 }
    }
}

impl ScaledCpikanConfig {
    /// With other features.
    #[must_use]
    pub fn with_widths(self, widths: impl Into<Vec<usize>>) -> Self {
        Self { widths: widths.into(), ..self }
    }

    /// With another degree.
    #[must_use]
    pub fn with_degree(self, degree: usize) -> Self {
        Self { degree, ..self }
    }
}

/// Coordinates `[B, d]` to values `[B, O]`: coordinates are scaled to [-1, 1], then come [`ChebyKan`] layers with
/// [`LayerNorm`] and tanh between them; none after the last.
#[derive(Clone, Debug)]
pub struct ScaledCpikan {
    domain: Domain,
    layers: Vec<ChebyKan>,
    norms: Vec<LayerNorm>,
}

impl ScaledCpikan {
    /// A network with the parameters `layers.N.coeffs`, `norms.N.weight` and `norms.N.bias` of a [`VarBuilder`].
    ///
    /// # Errors
    /// [`PsiError::Option`] for widths that do not begin with the coordinates of the domain; those of the builder.
    pub fn new(domain: Domain, config: &ScaledCpikanConfig, vb: &VarBuilder) -> std::result::Result<Self, PsiError> {
        let widths = &config.widths;
        if widths.len() < 2 || widths[0] != domain.n_axes() || widths.contains(&0) {
            let why = format!("expected {} first and at least one more, none of them 0", domain.n_axes());
            return Err(PsiError::Option { name: "widths", value: format!("{widths:?}"), why });
        }
        let (layers, norms) = (vb.pp("layers"), vb.pp("norms"));
        let layer = |(i, pair): (usize, &[usize])| ChebyKan::new(pair[0], pair[1], config.degree, &layers.pp(i));
        let hidden = &widths[1..widths.len() - 1];
        Ok(Self {
            domain,
            layers: widths.windows(2).enumerate().map(layer).collect::<Result<_>>()?,
            norms: hidden.iter().enumerate().map(|(i, &n)| LayerNorm::new(n, &norms.pp(i))).collect::<Result<_>>()?,
        })
    }

    /// A network of layers that are there: one norm fewer than layers.
    ///
    /// # Errors
    /// [`PsiError::Length`] for another number of norms.
    pub fn from_layers(
        domain: Domain,
        layers: Vec<ChebyKan>,
        norms: Vec<LayerNorm>,
    ) -> std::result::Result<Self, PsiError> {
        if norms.len() + 1 != layers.len() {
            return Err(PsiError::Length { what: "norms", got: norms.len(), wanted: layers.len().saturating_sub(1) });
        }
        Ok(Self { domain, layers, norms })
    }

    /// Values `[B, O]` at points `[B, d]`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn forward(&self, points: &Tensor) -> Result<Tensor> {
        let mut x = self.domain.scaled(points)?;
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x)?;
            if let Some(norm) = self.norms.get(i) {
                x = norm.forward(&x)?.tanh()?;
            }
        }
        Ok(x)
    }

    /// Values with first and second derivatives by the coordinates.
    ///
    /// # Errors
    /// Those of candle.
    pub fn forward_jet(&self, points: &Tensor) -> Result<Jet> {
        let mut x = Jet::of_points(&self.domain.scaled(points)?, &self.domain.scale())?;
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward_jet(&x)?;
            if let Some(norm) = self.norms.get(i) {
                x = tanh_jet(&norm.forward_jet(&x)?)?;
            }
        }
        Ok(x)
    }
}
