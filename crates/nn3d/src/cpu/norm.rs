//! Normalisation.

use candle_core::{Device, Error, Result, Tensor};
use volkit_kernels::{ChannelMoments, Standardisation};

use super::{cores, elements, read, tensor_like, written};
use crate::computed::{Gradients, Node, Outcome, attach};

/// Standardises each channel of `[N, C, S]` over batch and positions, then applies `weight` and `bias` `[C]`: the result,
/// means and biased variances.
pub(crate) fn standardise(
    name: &'static str,
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    eps: f64,
    rectifier: Option<f64>,
) -> Result<(Tensor, [Tensor; 2])> {
    let (n, c, s) = x.dims3()?;
    let norm = Standardisation::new([n, c, s], eps).map_err(Error::wrap)?;
    let norm = norm.with_rectifier(rectifier.map(|slope| slope as f32));
    let moments = elements(&[x], |all| norm.moments(all[0], &cores()))?;
    let y = applied(&norm, x, &moments, [weight, bias])?;
    let tensor =
        |values: &[f64]| Tensor::from_vec(values.iter().map(|v| *v as f32).collect::<Vec<_>>(), c, &Device::Cpu);
    let statistics = [tensor(&moments.mean)?, tensor(&moments.variance)?];
    let y = attach(name, &[x, weight, bias], y, move |node| gradients(&norm, node, (&moments, true)))?;
    Ok((y, statistics))
}

/// `(x - centre) * scale + bias` with `[C]` along axis 1 of `[N, C, ...]`; the gradient of `scale` is the sum of
/// `grad * (x - centre)`.
pub(crate) fn scale_shift(
    name: &'static str,
    x: &Tensor,
    centre: &Tensor,
    [scale, bias]: [&Tensor; 2],
    rectifier: Option<f64>,
) -> Result<Tensor> {
    let (n, c) = (x.dim(0)?, x.dim(1)?);
    let positions = x.elem_count() / (n * c).max(1);
    let norm = Standardisation::new([n, c, positions], 0.0).map_err(Error::wrap)?;
    let norm = norm.with_rectifier(rectifier.map(|slope| slope as f32));
    let mean = read(&[centre], |values| Ok(values[0].iter().map(|v| f64::from(*v)).collect()))?;
    let moments = ChannelMoments { mean, variance: vec![1.0; c] };
    let y = applied(&norm, x, &moments, [scale, bias])?;
    attach(name, &[x, scale, bias], y, move |node| gradients(&norm, node, (&moments, false)))
}

/// The normalised `x`.
fn applied(
    norm: &Standardisation,
    x: &Tensor,
    moments: &ChannelMoments,
    [weight, bias]: [&Tensor; 2],
) -> Result<Outcome> {
    let (y, ()) = written(x.dtype(), x.shape(), |y| {
        read(&[weight, bias], |parameters| {
            let parameters = [parameters[0], parameters[1]];
            Ok(elements(&[x], |all| norm.apply(all[0], moments, parameters, y, &cores())))
        })?
    })?;
    Ok(y)
}

/// Gradients of `x`, weight and bias; through the moments, if these are those of `x`.
fn gradients(
    norm: &Standardisation,
    node: &Node<'_>,
    (moments, through_moments): (&ChannelMoments, bool),
) -> Result<Gradients> {
    let [x, weight, bias] = [0, 1, 2].map(|i| &node.args[i]);
    let (gradient, of_parameters) = written(x.dtype(), x.shape(), |gradient| {
        read(&[weight, bias], |parameters| {
            let parameters = [parameters[0], parameters[1]];
            Ok(elements(&[x, node.grad], |all| {
                let arguments = [all[0], all[1]];
                if through_moments {
                    norm.gradient(arguments, moments, parameters, gradient, &cores())
                } else {
                    norm.gradient_of_fixed(arguments, moments, parameters, gradient, &cores())
                }
            }))
        })?
    })?;
    Ok(vec![
        Some(gradient.into_tensor()?),
        Some(tensor_like(of_parameters.weight, weight)?),
        Some(tensor_like(of_parameters.bias, bias)?),
    ])
}
