//! Activations.

use candle_core::{Result, Tensor};
use volkit_kernels::{Pointwise, convert};

use super::{Source, cores, elements, written};
use crate::computed::attach;
use crate::{Op, has_kernel};

/// `function` of each element of `x`.
pub(crate) fn pointwise(op: Op, x: &Tensor, function: Pointwise) -> Result<Tensor> {
    let (y, ()) = written(x.dtype(), x.shape(), |y| elements(&[x], |all| function.apply(all[0], y, &cores())))?;
    attach(op.name(), &[x], y, move |node| {
        let x = &node.args[0];
        let (gradient, ()) = written(x.dtype(), x.shape(), |gradient| {
            elements(&[x, node.grad], |all| function.gradient(all[0], all[1], gradient, &cores()))
        })?;
        Ok(vec![Some(gradient.into_tensor()?)])
    })
}

/// The gradient of what was rectified, from the rectified `result`, which has its sign; by candle's ops where there is no
/// kernel.
pub(crate) fn rectifier_gradient(result: &Tensor, grad: &Tensor, slope: f64) -> Result<Tensor> {
    if !has_kernel(Op::LeakyRelu, result.device(), result.dtype()) {
        let mask = result.contiguous()?.gt(&result.zeros_like()?)?;
        return mask.where_cond(grad, &grad.affine(slope, 0.0)?);
    }
    let grad = Source { tensor: grad, behind: Some((result, slope)) };
    let (gradient, ()) =
        written(result.dtype(), result.shape(), |to| grad.operand(|grad| convert(grad, to, &cores())))?;
    gradient.into_tensor()
}
