//! Pointwise activations, each with its exact gradient.

use candle_core::{Result as CandleResult, Tensor};
use volkit_kernels::Pointwise;

use crate::computed::attach;
use crate::{Op, OpPath, Result, cpu};

/// `sqrt(2 / pi)`, of the tanh form of GELU.
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
/// Coefficient of the cube in the tanh form of GELU (Hendrycks and Gimpel, 2016).
const GELU_CUBE: f64 = 0.044_715;

/// Which GELU: the definition or its approximation, as PyTorch's `approximate` argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GeluForm {
    /// `x / 2 (1 + erf(x / sqrt 2))`; PyTorch's `"none"`.
    #[default]
    Erf,
    /// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`; PyTorch's `"tanh"`.
    Tanh,
}

/// A pointwise activation as a value, with a choice of path: what [`relu`], [`leaky_relu`], [`elu`] and [`gelu`] apply on
/// [`OpPath::Auto`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` where `x > 0`, else this slope times `x`.
    LeakyRelu(f64),
    /// `x` where `x > 0`, else this factor times `exp(x) - 1`.
    Elu(f64),
    /// Gaussian error linear unit.
    Gelu(GeluForm),
}

impl Activation {
    fn op(self) -> Op {
        match self {
            Self::Relu => Op::Relu,
            Self::LeakyRelu(_) => Op::LeakyRelu,
            Self::Elu(_) => Op::Elu,
            Self::Gelu(_) => Op::Gelu,
        }
    }

    fn kernel(self) -> Pointwise {
        match self {
            Self::Relu => Pointwise::Relu,
            Self::LeakyRelu(slope) => Pointwise::LeakyRelu(slope as f32),
            Self::Elu(alpha) => Pointwise::Elu(alpha as f32),
            Self::Gelu(GeluForm::Erf) => Pointwise::Gelu,
            Self::Gelu(GeluForm::Tanh) => Pointwise::GeluTanh,
        }
    }

    /// The activation of each element of `x`, with a gradient.
    ///
    /// # Errors
    /// [`Nn3dError::NoKernel`](crate::Nn3dError::NoKernel) where a kernel is asked for and absent,
    /// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if the element type has no such op on the device.
    pub fn apply(self, x: &Tensor, path: OpPath) -> Result<Tensor> {
        if path.takes_kernel(self.op(), x)? {
            return Ok(cpu::pointwise(self.op(), x, self.kernel())?);
        }
        Ok(match self {
            Self::Relu => composed_relu(x)?,
            Self::LeakyRelu(slope) => composed_leaky_relu(x, slope)?,
            Self::Elu(alpha) => composed_elu(x, alpha)?,
            Self::Gelu(form) => composed_gelu(x, form)?,
        })
    }
}

/// `max(x, 0)`; the gradient at 0 is 0.
///
/// # Errors
/// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if the element type has no such op on the device.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    Activation::Relu.apply(x, OpPath::Auto)
}

/// `x` where `x > 0`, else `slope * x`; the gradient at 0 is `slope`.
///
/// # Errors
/// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if the element type has no such op on the device.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    Activation::LeakyRelu(slope).apply(x, OpPath::Auto)
}

/// `x` where `x > 0`, else `alpha * (exp(x) - 1)`.
///
/// The gradient for `x <= 0` is `alpha * exp(x)`.
///
/// # Errors
/// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if the element type has no such op on the device.
pub fn elu(x: &Tensor, alpha: f64) -> Result<Tensor> {
    Activation::Elu(alpha).apply(x, OpPath::Auto)
}

/// Gaussian error linear unit.
///
/// # Errors
/// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if the element type has no such op on the device.
pub fn gelu(x: &Tensor, form: GeluForm) -> Result<Tensor> {
    Activation::Gelu(form).apply(x, OpPath::Auto)
}

/// Where `x > 0`, as a mask.
fn positive(x: &Tensor) -> CandleResult<Tensor> {
    x.gt(&x.zeros_like()?)
}

fn composed_relu(x: &Tensor) -> CandleResult<Tensor> {
    attach("relu", &[x], x.detach().relu()?, |node| {
        Ok(vec![Some(positive(node.result()?)?.where_cond(node.grad, &node.grad.zeros_like()?)?)])
    })
}

fn composed_leaky_relu(x: &Tensor, slope: f64) -> CandleResult<Tensor> {
    let plain = x.detach().contiguous()?;
    let y = positive(&plain)?.where_cond(&plain, &plain.affine(slope, 0.0)?)?;
    attach("leaky_relu", &[x], y, move |node| {
        let mask = positive(&node.args[0].contiguous()?)?;
        Ok(vec![Some(mask.where_cond(node.grad, &node.grad.affine(slope, 0.0)?)?)])
    })
}

fn composed_elu(x: &Tensor, alpha: f64) -> CandleResult<Tensor> {
    attach("elu", &[x], x.detach().elu(alpha)?, move |node| {
        let mask = positive(&node.args[0].contiguous()?)?;
        let below = (node.result()?.affine(1.0, alpha)? * node.grad)?;
        Ok(vec![Some(mask.where_cond(node.grad, &below)?)])
    })
}

fn composed_gelu(x: &Tensor, form: GeluForm) -> CandleResult<Tensor> {
    let plain = x.detach();
    let y = match form {
        GeluForm::Erf => plain.gelu_erf()?,
        GeluForm::Tanh => plain.gelu()?,
    };
    attach("gelu", &[x], y, move |node| {
        let slope = match form {
            GeluForm::Erf => gelu_erf_slope(&node.args[0])?,
            GeluForm::Tanh => gelu_tanh_slope(&node.args[0])?,
        };
        Ok(vec![Some((slope * node.grad)?)])
    })
}

/// `(1 + erf(x / sqrt 2)) / 2 + x exp(-x^2 / 2) / sqrt(2 pi)`.
fn gelu_erf_slope(x: &Tensor) -> CandleResult<Tensor> {
    let cumulative = x.affine(std::f64::consts::FRAC_1_SQRT_2, 0.0)?.erf()?.affine(0.5, 0.5)?;
    let density = x.sqr()?.affine(-0.5, 0.0)?.exp()?.affine(1.0 / std::f64::consts::TAU.sqrt(), 0.0)?;
    cumulative + (x * density)?
}

/// `(1 + t) / 2 + x (1 - t^2) u' / 2`, with `t = tanh(u)` and `u = sqrt(2 / pi) (x + 0.044715 x^3)`.
fn gelu_tanh_slope(x: &Tensor) -> CandleResult<Tensor> {
    let square = x.sqr()?;
    let t = (x * square.affine(GELU_CUBE * SQRT_2_OVER_PI, SQRT_2_OVER_PI)?)?.tanh()?;
    let inner = square.affine(3.0 * GELU_CUBE * SQRT_2_OVER_PI, SQRT_2_OVER_PI)?;
    let second = ((x * t.sqr()?.affine(-0.5, 0.5)?)? * inner)?;
    t.affine(0.5, 0.5)? + second
}
