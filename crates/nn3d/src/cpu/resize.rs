//! Up-sampling.

use candle_core::{Error, Result, Tensor};
use volkit_kernels::{Interpolation, Resize};

use super::{cores, outcome, read, room, tensor_like};
use crate::Op;
use crate::computed::attach;
use crate::shape::Triple;

/// `x` `[N, C, D, H, W]`, checked and not empty, as `[N, C, size...]`.
pub(crate) fn resize(op: Op, x: &Tensor, size: Triple, interpolation: Interpolation) -> Result<Tensor> {
    let (n, c, d, h, w) = x.dims5()?;
    let plan = Resize::new(n * c, [[d, h, w], size], interpolation).map_err(Error::wrap)?;
    let shape = vec![n, c, size[0], size[1], size[2]];
    let mut y = room(shape.iter().product());
    read(&[x], |values| plan.apply(values[0], &mut y, &cores()))?;
    attach(op.name(), &[x], outcome(y, shape, x.dtype())?, move |node| {
        let x = &node.args[0];
        let mut gradient = room(x.elem_count());
        read(&[node.grad], |values| plan.gradient(values[0], &mut gradient, &cores()))?;
        Ok(vec![Some(tensor_like(gradient, x)?)])
    })
}
