//! Activations.

use candle_core::{Result, Tensor};
use volkit_kernels::Pointwise;

use super::{cores, outcome, read, room, tensor_like};
use crate::computed::attach;
use crate::{Op, has_kernel};

/// `function` of each element of `x`.
pub(crate) fn pointwise(op: Op, x: &Tensor, function: Pointwise) -> Result<Tensor> {
    let mut y = room(x.elem_count());
    read(&[x], |values| function.apply(values[0], &mut y, &cores()))?;
    attach(op.name(), &[x], outcome(y, x.shape(), x.dtype())?, move |node| {
        let x = &node.args[0];
        let mut gradient = room(x.elem_count());
        read(&[x, node.grad], |values| function.gradient(values[0], values[1], &mut gradient, &cores()))?;
        Ok(vec![Some(tensor_like(gradient, x)?)])
    })
}

/// The gradient of what was rectified, from the rectified `result`, which has its sign; by candle's ops where there is no
/// kernel.
pub(crate) fn rectifier_gradient(result: &Tensor, grad: &Tensor, slope: f64) -> Result<Tensor> {
    if !has_kernel(Op::LeakyRelu, result.device(), result.dtype()) {
        let mask = result.contiguous()?.gt(&result.zeros_like()?)?;
        return mask.where_cond(grad, &grad.affine(slope, 0.0)?);
    }
    let function = if slope == 0.0 { Pointwise::Relu } else { Pointwise::LeakyRelu(slope as f32) };
    let mut gradient = room(result.elem_count());
    read(&[result, grad], |values| function.gradient(values[0], values[1], &mut gradient, &cores()))?;
    tensor_like(gradient, result)
}
