//! The arithmetic that all normalisations share.

use candle_core::{Result as CandleResult, Tensor};

use crate::computed::Outcome;
use crate::rectifier::attach_rectified;
use crate::sums::{flat_positions, sums_by_channel, wide};
use crate::{Nn3dError, Op, Result, cpu};

/// How a norm is computed.
#[derive(Clone, Copy)]
pub(crate) struct How {
    /// Slope of the rectifier behind it, if there is one.
    pub(crate) rectifier: Option<f64>,
    /// By the kernel, not by candle's ops.
    pub(crate) kernel: bool,
}

/// `[C]` shaped to broadcast over `[N, C, S]`.
fn per_channel(values: &Tensor) -> CandleResult<Tensor> {
    values.reshape((1, (), 1))
}

/// Errors unless `x` is a non-empty `[N, C, ...]`.
pub(super) fn check_input(op: Op, x: &Tensor) -> Result<()> {
    if x.rank() < 2 || x.elem_count() == 0 {
        return Err(Nn3dError::Rank { op, wanted: "a non-empty [N, C, ...]", got: x.dims().to_vec() });
    }
    Ok(())
}

/// Errors unless `eps` is a number that can stand under the root.
pub(super) fn check_eps(op: Op, eps: f64) -> Result<()> {
    if eps.is_finite() && eps >= 0.0 {
        return Ok(());
    }
    Err(Nn3dError::Config { op, field: "eps", value: eps.to_string(), reason: "must be finite and not negative" })
}

/// `x * scale + shift` with `[C]` along axis 1 of `[N, C, ...]`. The gradient of `scale` is the sum of
/// `grad * (x - centre)`: with `shift` written as `bias - centre * scale`, that is the gradient at a fixed bias.
pub(super) fn scale_shift(
    name: &'static str,
    x: &Tensor,
    centre: &Tensor,
    [scale, bias]: [&Tensor; 2],
    How { rectifier, kernel }: How,
) -> CandleResult<Tensor> {
    if kernel {
        return cpu::scale_shift(name, x, centre, [scale, bias], rectifier);
    }
    let (plain, scale_now, bias_now, centre) = (x.detach(), scale.detach(), bias.detach(), centre.detach());
    let shift = (bias_now - (&centre * &scale_now)?)?;
    let flat = flat_positions(&plain.to_dtype(scale.dtype())?)?;
    let y = flat.broadcast_mul(&per_channel(&scale_now)?)?.broadcast_add(&per_channel(&shift)?)?;
    let y = y.to_dtype(x.dtype())?.reshape(x.shape())?;
    attach_rectified(name, &[x, scale, bias], Outcome::from(y), rectifier, move |node| {
        let (x, scale) = (&node.args[0], &node.args[1]);
        let grad = flat_positions(&node.grad.to_dtype(scale.dtype())?)?;
        let for_x = || grad.broadcast_mul(&per_channel(scale)?)?.to_dtype(x.dtype())?.reshape(x.shape());
        let for_scale = || {
            let x = flat_positions(&x.to_dtype(scale.dtype())?)?;
            sums_by_channel(&(&grad * x.broadcast_sub(&per_channel(&centre)?)?)?)
        };
        Ok(vec![
            node.needs[0].then(for_x).transpose()?,
            node.needs[1].then(for_scale).transpose()?,
            node.needs[2].then(|| sums_by_channel(&grad)).transpose()?,
        ])
    })
}

/// Mean and biased variance of each channel.
pub(super) struct Moments {
    pub(super) mean: Tensor,
    pub(super) variance: Tensor,
    /// Elements of a channel.
    pub(super) count: usize,
}

/// Standardises each channel of `[N, C, S]` over batch and positions, then applies `weight` and `bias` `[C]`.
///
/// The variance is taken of what is left after the mean is subtracted, and what the rounding of the mean left behind is
/// subtracted too, so that a large offset costs no precision. Statistics, weight and bias are in the wide type of `x`. The
/// gradient, with `h = (x - mean) / sqrt(var + eps)` and `m` the mean over a channel, is
/// `weight / sqrt(var + eps) * (g - m(g) - h m(g h))`, `sum(g h)` and `sum(g)`.
pub(super) fn standardise(
    name: &'static str,
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    eps: f64,
    How { rectifier, kernel }: How,
) -> CandleResult<(Tensor, Moments)> {
    if kernel {
        let (n, _, s) = x.dims3()?;
        let (y, [mean, variance]) = cpu::standardise(name, x, [weight, bias], eps, rectifier)?;
        return Ok((y, Moments { mean, variance, count: n * s }));
    }
    let dtype = wide(x.dtype());
    let plain = x.detach().to_dtype(dtype)?;
    let (n, _, s) = plain.dims3()?;
    let count = n * s;
    let share = 1.0 / count as f64;
    let mean = sums_by_channel(&plain)?.affine(share, 0.0)?;
    let centred = plain.broadcast_sub(&per_channel(&mean)?)?;
    let left = sums_by_channel(&centred)?.affine(share, 0.0)?;
    let variance = (sums_by_channel(&centred.sqr()?)?.affine(share, 0.0)? - left.sqr()?)?;
    let inverse = variance.affine(1.0, eps)?.sqrt()?.recip()?;
    let scale = (&inverse * weight.detach())?;
    let shift = (bias.detach() - (&left * &scale)?)?;
    let y = centred.broadcast_mul(&per_channel(&scale)?)?.broadcast_add(&per_channel(&shift)?)?;
    let moments = Moments { mean: (&mean + &left)?, variance, count };
    let y = Outcome::from(y.to_dtype(x.dtype())?);
    let y = attach_rectified(name, &[x, weight, bias], y, rectifier, move |node| {
        let (x, weight) = (&node.args[0], &node.args[1]);
        let grad = node.grad.to_dtype(dtype)?;
        let centred = x.to_dtype(dtype)?.broadcast_sub(&per_channel(&mean)?)?;
        let h = centred.broadcast_sub(&per_channel(&left)?)?.broadcast_mul(&per_channel(&inverse)?)?;
        let for_bias = sums_by_channel(&grad)?;
        let for_weight = sums_by_channel(&(&grad * &h)?)?;
        let for_x = || {
            let slope = h.broadcast_mul(&per_channel(&for_weight.affine(share, 0.0)?)?)?;
            let rest = (grad.broadcast_sub(&per_channel(&for_bias.affine(share, 0.0)?)?)? - slope)?;
            rest.broadcast_mul(&per_channel(&(&inverse * weight)?)?)?.to_dtype(x.dtype())
        };
        Ok(vec![node.needs[0].then(for_x).transpose()?, Some(for_weight), Some(for_bias)])
    })?;
    Ok((y, moments))
}

/// `[C]` of `value` like the statistics of `x`.
pub(super) fn filled(value: f64, channels: usize, x: &Tensor) -> CandleResult<Tensor> {
    Tensor::zeros(channels, wide(x.dtype()), x.device())?.affine(1.0, value)
}

/// A parameter in the type of the statistics of `x`, or `[C]` of `value` where there is none.
pub(super) fn parameter_or(
    parameter: Option<&Tensor>,
    value: f64,
    channels: usize,
    x: &Tensor,
) -> CandleResult<Tensor> {
    match parameter {
        Some(parameter) => parameter.to_dtype(wide(x.dtype())),
        None => filled(value, channels, x),
    }
}
