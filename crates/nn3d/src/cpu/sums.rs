//! Sums over batch and positions.

use candle_core::{Result, Tensor};

use super::{Source, cores, room};

/// `[N, C, ...]` to `[C]`, as f32.
pub(crate) fn channel_sums(x: &Tensor) -> Result<Tensor> {
    bias_gradient(Source::of(x))
}

/// The same of a gradient.
pub(crate) fn bias_gradient(grad: Source<'_>) -> Result<Tensor> {
    let (n, c) = (grad.tensor.dim(0)?, grad.tensor.dim(1)?);
    let positions = grad.tensor.elem_count() / (n * c).max(1);
    let mut sums = room(c);
    grad.operand(|x| volkit_kernels::channel_sums(x, [n, c, positions], &mut sums, &cores()))?;
    Tensor::from_vec(sums, c, grad.tensor.device())
}
