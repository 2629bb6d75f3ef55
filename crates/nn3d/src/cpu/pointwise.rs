//! Activations.

use candle_core::{Result, Tensor};
use volkit_kernels::Pointwise;

use super::{cores, outcome, read, room, tensor_like};
use crate::Op;
use crate::computed::attach;

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
