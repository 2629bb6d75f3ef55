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

/// The kernel of `function`, where there is one for `x`.
fn kernel(op: Op, x: &Tensor, function: Pointwise) -> Result<Option<Tensor>> {
    OpPath::Auto.takes_kernel(op, x)?.then(|| Ok(cpu::pointwise(op, x, function)?)).transpose()
}

/// Where `x > 0`, as a mask.
fn positive(x: &Tensor) -> CandleResult<Tensor> {
    x.gt(&x.zeros_like()?)
}

/// `max(x, 0)`; the gradient at 0 is 0.
///
/// # Errors
/// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if the element type has no such op on the device.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    if let Some(y) = kernel(Op::Relu, x, Pointwise::Relu)? {
        return Ok(y);
    }
    Ok(attach("relu", &[x], x.detach().relu()?, |node| {
        Ok(vec![Some(positive(node.result)?.where_cond(node.grad, &node.grad.zeros_like()?)?)])
    })?)
}

/// `x` where `x > 0`, else `slope * x`; the gradient at 0 is `slope`.
///
/// # Errors
/// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if the element type has no such op on the device.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    if let Some(y) = kernel(Op::LeakyRelu, x, Pointwise::LeakyRelu(slope as f32))? {
        return Ok(y);
    }
    let plain = x.detach().contiguous()?;
    let y = positive(&plain)?.where_cond(&plain, &plain.affine(slope, 0.0)?)?;
    Ok(attach("leaky_relu", &[x], y, move |node| {
        let mask = positive(&node.args[0].contiguous()?)?;
        Ok(vec![Some(mask.where_cond(node.grad, &node.grad.affine(slope, 0.0)?)?)])
    })?)
}

/// `x` where `x > 0`, else `alpha * (exp(x) - 1)`.
///
/// The gradient for `x <= 0` is `alpha * exp(x)`.
///
/// # Errors
/// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if the element type has no such op on the device.
pub fn elu(x: &Tensor, alpha: f64) -> Result<Tensor> {
    if let Some(y) = kernel(Op::Elu, x, Pointwise::Elu(alpha as f32))? {
        return Ok(y);
    }
    Ok(attach("elu", &[x], x.detach().elu(alpha)?, move |node| {
        let mask = positive(&node.args[0].contiguous()?)?;
        let below = (node.result.affine(1.0, alpha)? * node.grad)?;
        Ok(vec![Some(mask.where_cond(node.grad, &below)?)])
    })?)
}

/// Gaussian error linear unit.
///
/// # Errors
/// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if the element type has no such op on the device.
pub fn gelu(x: &Tensor, form: GeluForm) -> Result<Tensor> {
    let function = if form == GeluForm::Erf { Pointwise::Gelu } else { Pointwise::GeluTanh };
    if let Some(y) = kernel(Op::Gelu, x, function)? {
        return Ok(y);
    }
    let plain = x.detach();
    let y = match form {
        GeluForm::Erf => plain.gelu_erf()?,
        GeluForm::Tanh => plain.gelu()?,
    };
    Ok(attach("gelu", &[x], y, move |node| {
        let slope = match form {
            GeluForm::Erf => gelu_erf_slope(&node.args[0])?,
            GeluForm::Tanh => gelu_tanh_slope(&node.args[0])?,
        };
        Ok(vec![Some((slope * node.grad)?)])
    })?)
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
