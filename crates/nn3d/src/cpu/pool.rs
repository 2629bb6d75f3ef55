//! Pooling.

use candle_core::{Error, Result, Tensor};
use volkit_kernels::{Pooling, PoolingShape};

use super::{cores, outcome, read, room, tensor_like};
use crate::Pool3dConfig;
use crate::computed::attach;

fn plan(x: &Tensor, config: &Pool3dConfig) -> Result<(Pooling, Vec<usize>)> {
    let (n, c, d, h, w) = x.dims5()?;
    let shape =
        PoolingShape::new(n * c, [d, h, w], config.kernel).with_stride(config.stride).with_padding(config.padding);
    let pooling = Pooling::new(shape).map_err(Error::wrap)?;
    let [d, h, w] = pooling.size_out();
    Ok((pooling, vec![n, c, d, h, w]))
}

/// [`crate::max_pool3d`] for a checked input and config.
pub(crate) fn max_pool(x: &Tensor, config: &Pool3dConfig) -> Result<Tensor> {
    let (pooling, shape) = plan(x, config)?;
    let mut y = room(shape.iter().product());
    read(&[x], |values| pooling.max(values[0], &mut y, &cores()))?;
    attach("max_pool3d", &[x], outcome(y, shape, x.dtype())?, move |node| {
        let x = &node.args[0];
        let mut gradient = room(x.elem_count());
        read(&[x, node.grad], |values| pooling.max_gradient(values[0], values[1], &mut gradient, &cores()))?;
        Ok(vec![Some(tensor_like(gradient, x)?)])
    })
}

/// [`crate::avg_pool3d`] for a checked input and config.
pub(crate) fn avg_pool(x: &Tensor, config: &Pool3dConfig) -> Result<Tensor> {
    let (pooling, shape) = plan(x, config)?;
    let mut y = room(shape.iter().product());
    read(&[x], |values| pooling.mean(values[0], &mut y, &cores()))?;
    attach("avg_pool3d", &[x], outcome(y, shape, x.dtype())?, move |node| {
        let x = &node.args[0];
        let mut gradient = room(x.elem_count());
        read(&[node.grad], |values| pooling.mean_gradient(values[0], &mut gradient, &cores()))?;
        Ok(vec![Some(tensor_like(gradient, x)?)])
    })
}
