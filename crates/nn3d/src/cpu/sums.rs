//! Sums over batch and positions.

use candle_core::{Result, Tensor};

use super::{cores, read, room};

/// `[N, C, S]` to `[C]`, as f32.
pub(crate) fn channel_sums(x: &Tensor) -> Result<Tensor> {
    let (n, c, s) = x.dims3()?;
    let mut sums = room(c);
    read(&[x], |values| volkit_kernels::channel_sums(values[0], [n, c, s], &mut sums, &cores()))?;
    Tensor::from_vec(sums, c, x.device())
}
