//! Normalisation.

use candle_core::{Device, Error, Result, Tensor};
use volkit_kernels::{ChannelMoments, ParameterGradients, Standardisation};

use super::{cores, outcome, read, room, tensor_like};
use crate::computed::{Gradients, Node};
use crate::rectifier::attach_rectified;

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
    let mut y = room(x.elem_count());
    let moments = read(&[x, weight, bias], |values| {
        let moments = norm.moments(values[0], &cores())?;
        norm.apply(values[0], &moments, [values[1], values[2]], &mut y, &cores())?;
        Ok(moments)
    })?;
    let tensor =
        |values: &[f64]| Tensor::from_vec(values.iter().map(|v| *v as f32).collect::<Vec<_>>(), c, &Device::Cpu);
    let statistics = [tensor(&moments.mean)?, tensor(&moments.variance)?];
    let y = attach_rectified(name, &[x, weight, bias], outcome(y, x.shape(), x.dtype())?, rectifier, move |node| {
        let mut gradient = room(node.args[0].elem_count());
        let parameters = read(&[&node.args[0], node.grad, &node.args[1]], |values| {
            norm.gradient([values[0], values[1]], &moments, values[2], &mut gradient, &cores())
        })?;
        all(node, gradient, parameters)
    })?;
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
    let mean = read(&[centre], |values| Ok(values[0].iter().map(|v| f64::from(*v)).collect()))?;
    let moments = ChannelMoments { mean, variance: vec![1.0; c] };
    let mut y = room(x.elem_count());
    read(&[x, scale, bias], |values| norm.apply(values[0], &moments, [values[1], values[2]], &mut y, &cores()))?;
    attach_rectified(name, &[x, scale, bias], outcome(y, x.shape(), x.dtype())?, rectifier, move |node| {
        let mut gradient = room(node.args[0].elem_count());
        let parameters = read(&[&node.args[0], node.grad, &node.args[1]], |values| {
            norm.gradient_of_fixed([values[0], values[1]], &moments, values[2], &mut gradient, &cores())
        })?;
        all(node, gradient, parameters)
    })
}

fn all(node: &Node<'_>, gradient: Vec<f32>, parameters: ParameterGradients) -> Result<Gradients> {
    Ok(vec![
        Some(tensor_like(gradient, &node.args[0])?),
        Some(tensor_like(parameters.weight, &node.args[1])?),
        Some(tensor_like(parameters.bias, &node.args[2])?),
    ])
}
