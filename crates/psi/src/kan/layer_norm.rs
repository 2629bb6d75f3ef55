//! Layer normalisation with derivatives.

use candle_core::{D, Module, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::Jet;

/// `y = gamma (x - mean) / sqrt(var + eps) + beta` over the features of each point, variance divided by F; points `[B, F]`,
/// parameters `[F]`.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    gamma: Tensor,
    beta: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Added to the variance in the published network.
    pub const EPS: f64 = 1e-5;

    /// A layer with the parameters `weight` (1) and `bias` (0) of a [`VarBuilder`].
    ///
    /// # Errors
    /// Those of the builder.
    pub fn new(features: usize, vb: &VarBuilder) -> Result<Self> {
        let gamma = vb.get_with_hints(features, "weight", Init::Const(1.0))?;
        Ok(Self::from_parameters(gamma, vb.get_with_hints(features, "bias", Init::Const(0.0))?))
    }

    /// A layer of parameters `[F]`.
    #[must_use]
    pub fn from_parameters(gamma: Tensor, beta: Tensor) -> Self {
        Self { gamma, beta, eps: Self::EPS }
    }

    /// Values with derivatives. With `c = x - mean`, `v = mean(c^2) + eps` and `r = v^(-1/2)`:
    /// `v' = 2 mean(c c')`, `v'' = 2 mean(c'^2 + c c'')`, `r' = -r^3 v' / 2`, `r'' = 3/4 r^5 v'^2 - r^3 v'' / 2`, and
    /// `(c r)'' = c'' r + 2 c' r' + c r''`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn forward_jet(&self, x: &Jet) -> Result<Jet> {
        let centred = |x: &Tensor| x.broadcast_sub(&x.mean_keepdim(D::Minus1)?);
        let c = centred(&x.value)?;
        let r = self.scale(&c)?;
        let cube = (&r * r.sqr()?)?;
        let [mut first, mut second] = [Vec::new(), Vec::new()];
        for (dx, ddx) in x.first.iter().zip(&x.second) {
            let (dc, ddc) = (centred(dx)?, centred(ddx)?);
            let dv = (&c * &dc)?.mean_keepdim(D::Minus1)?.affine(2.0, 0.0)?;
            let ddv = (dc.sqr()? + (&c * &ddc)?)?.mean_keepdim(D::Minus1)?.affine(2.0, 0.0)?;
            let dr = (&cube * &dv)?.affine(-0.5, 0.0)?;
            let bend = ((&cube * r.sqr()?)? * dv.sqr()?)?.affine(0.75, 0.0)?;
            let ddr = (bend - (&cube * &ddv)?.affine(0.5, 0.0)?)?;
            let slope = (dc.broadcast_mul(&r)? + c.broadcast_mul(&dr)?)?;
            let ends = (ddc.broadcast_mul(&r)? + c.broadcast_mul(&ddr)?)?;
            let curve = (ends + dc.broadcast_mul(&dr)?.affine(2.0, 0.0)?)?;
            first.push(slope.broadcast_mul(&self.gamma)?);
            second.push(curve.broadcast_mul(&self.gamma)?);
        }
        let value = c.broadcast_mul(&r)?.broadcast_mul(&self.gamma)?.broadcast_add(&self.beta)?;
        Ok(Jet { value, first, second })
    }

    /// `(mean(c^2) + eps)^(-1/2)` for centred values.
    fn scale(&self, c: &Tensor) -> Result<Tensor> {
        c.sqr()?.mean_keepdim(D::Minus1)?.affine(1.0, self.eps)?.sqrt()?.recip()
    }
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let c = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        c.broadcast_mul(&self.scale(&c)?)?.broadcast_mul(&self.gamma)?.broadcast_add(&self.beta)
    }
}
