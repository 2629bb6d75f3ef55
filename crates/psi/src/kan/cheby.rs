//! A layer whose connections are Chebyshev polynomials.

use candle_core::{Module, Result, Tensor, bail};
use candle_nn::{Init, VarBuilder};

use super::Jet;

/// Slope below zero of the leaky rectifier whose rule of initial values (He et al. 2015) the published layer takes.
const INIT_SLOPE: f64 = 0.1;

/// `y[b, o] = sum over i, k of c[o, i, k] T_k(x[b, i])` for k = 0 .. K: points `[B, I]` to `[B, O]`, coefficients
/// `[O, I, K + 1]`.
///
/// `T_0 = 1`, `T_1 = x`, `T_{k+1} = 2 x T_k - T_{k-1}`. There is no bias, `T_0` is one. Inputs should lie in [-1, 1], outside
/// of which the polynomials grow fast.
#[derive(Clone, Debug)]
pub struct ChebyKan {
    coefficients: Tensor,
}

/// `T_k`, `T_k'` and `T_k''` at each input, each a tensor `[B, I (K + 1)]`.
struct Basis {
    value: Tensor,
    first: Tensor,
    second: Tensor,
}

impl ChebyKan {
    /// A layer with the parameter `coeffs` of a [`VarBuilder`], by default uniform in
    /// `+-sqrt(2 / (1 + 0.1^2)) sqrt(3 / (I (K + 1)))`.
    ///
    /// # Errors
    /// Those of the builder.
    pub fn new(inputs: usize, outputs: usize, degree: usize, vb: &VarBuilder) -> Result<Self> {
        let fan_in = (inputs * (degree + 1)).max(1) as f64;
        let bound = (2.0 / (1.0 + INIT_SLOPE * INIT_SLOPE)).sqrt() * (3.0 / fan_in).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        Self::from_coefficients(vb.get_with_hints((outputs, inputs, degree + 1), "coeffs", init)?)
    }

    /// A layer of coefficients `[O, I, K + 1]`.
    ///
    /// # Errors
    /// For a tensor of another rank, or without a coefficient.
    pub fn from_coefficients(coefficients: Tensor) -> Result<Self> {
        let (outputs, inputs, terms) = coefficients.dims3()?;
        if outputs * inputs * terms == 0 {
            bail!("chebykan: coefficients [{outputs}, {inputs}, {terms}] hold none");
        }
        Ok(Self { coefficients })
    }

    /// The coefficients `[O, I, K + 1]`.
    #[must_use]
    pub fn coefficients(&self) -> &Tensor {
        &self.coefficients
    }

    /// `K`.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.coefficients.dims().last().map_or(0, |terms| terms - 1)
    }

    /// Values with derivatives: `y' = sum c T_k'(x) x'`, `y'' = sum c (T_k''(x) x'^2 + T_k'(x) x'')`.
    ///
    /// # Errors
    /// For values that are not `[B, I]`.
    pub fn forward_jet(&self, x: &Jet) -> Result<Jet> {
        let Basis { value, first, second } = self.basis(&x.value)?;
        let (n, axes) = (x.value.dim(0)?, x.n_axes());
        let mut rows = vec![value];
        for dx in &x.first {
            rows.push((&first * self.spread(dx)?)?);
        }
        for (dx, ddx) in x.first.iter().zip(&x.second) {
            rows.push(((&second * self.spread(&dx.sqr()?)?)? + (&first * self.spread(ddx)?)?)?);
        }
        // One product of matrices for the value and all derivatives.
        let all = self.weigh(&Tensor::cat(&rows, 0)?)?;
        let part = |i: usize| all.narrow(0, i * n, n);
        let first = (1..=axes).map(part).collect::<Result<_>>()?;
        let second = (axes + 1..=2 * axes).map(part).collect::<Result<_>>()?;
        Ok(Jet { value: part(0)?, first, second })
    }

    /// `[B, I]` as `[B, I (K + 1)]`, each value once for each term.
    fn spread(&self, x: &Tensor) -> Result<Tensor> {
        let (n, inputs) = x.dims2()?;
        let terms = self.degree() + 1;
        x.unsqueeze(2)?.broadcast_as((n, inputs, terms))?.contiguous()?.reshape((n, inputs * terms))
    }

    fn weigh(&self, rows: &Tensor) -> Result<Tensor> {
        let (outputs, inputs, terms) = self.coefficients.dims3()?;
        rows.matmul(&self.coefficients.reshape((outputs, inputs * terms))?.t()?)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        let (n, found) = x.dims2()?;
        let inputs = self.coefficients.dim(1)?;
        if found != inputs {
            bail!("chebykan: coefficients expect I = {inputs}, input [{n}, {found}]");
        }
        Ok(())
    }

    fn basis(&self, x: &Tensor) -> Result<Basis> {
        self.check(x)?;
        let (one, zero) = (x.ones_like()?, x.zeros_like()?);
        let mut terms = vec![[one.clone(), zero.clone(), zero.clone()]];
        if self.degree() > 0 {
            terms.push([x.clone(), one, zero]);
        }
        for k in 2..=self.degree() {
            let ([t, dt, ddt], [t0, dt0, ddt0]) = (&terms[k - 1], &terms[k - 2]);
            let twice = |a: &Tensor, by: f64| a.affine(by, 0.0);
            let next = (twice(&(x * t)?, 2.0)? - t0)?;
            // T'_{k+1} = 2 T_k + 2 x T'_k - T'_{k-1}
            let first = (twice(&(t + (x * dt)?)?, 2.0)? - dt0)?;
            // T''_{k+1} = 4 T'_k + 2 x T''_k - T''_{k-1}
            let second = ((twice(dt, 4.0)? + twice(&(x * ddt)?, 2.0)?)? - ddt0)?;
            terms.push([next, first, second]);
        }
        let joined = |which: usize| -> Result<Tensor> {
            let parts: Vec<&Tensor> = terms.iter().map(|term| &term[which]).collect();
            let (n, inputs) = x.dims2()?;
            Tensor::stack(&parts, 2)?.reshape((n, inputs * terms.len()))
        };
        Ok(Basis { value: joined(0)?, first: joined(1)?, second: joined(2)? })
    }

    /// `T_k` alone.
    fn values(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        let mut terms = vec![x.ones_like()?];
        if self.degree() > 0 {
            terms.push(x.clone());
        }
        for k in 2..=self.degree() {
            terms.push(((x * &terms[k - 1])?.affine(2.0, 0.0)? - &terms[k - 2])?);
        }
        let (n, inputs) = x.dims2()?;
        Tensor::stack(&terms, 2)?.reshape((n, inputs * terms.len()))
    }
}

impl Module for ChebyKan {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.weigh(&self.values(x)?)
    }
}
