//! Sums over volumes that keep their precision.
//!
//! candle adds f32 one after the other: 20.97 million times 0.1 gives 2110587 for 2097152. Here a row is cut into blocks
//! of [`BLOCK`] elements, the sums of the blocks are summed in the same way, and so on, so that the error grows with the
//! logarithm of the length.

use candle_core::{DType, Result as CandleResult, Tensor};

use crate::computed::attach;
use crate::{Nn3dError, Op, Result, cpu, has_kernel, tape};

/// Elements that are added one after the other; candle's CPU code spreads them over 32 partial sums.
const BLOCK: usize = 1024;

/// Element type in which sums of `dtype` are taken: f32 for the 16-bit types.
pub(crate) fn wide(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        other => other,
    }
}

/// Sums of the rows of `[R, n]`, as `[R]`, in [`wide`] precision.
pub(crate) fn row_sums(rows: &Tensor) -> CandleResult<Tensor> {
    let mut rows = rows.to_dtype(wide(rows.dtype()))?.contiguous()?;
    loop {
        let (count, n) = rows.dims2()?;
        if n <= BLOCK {
            return rows.sum(1);
        }
        let blocks = n / BLOCK;
        let sums = rows.narrow(1, 0, blocks * BLOCK)?.reshape((count, blocks, BLOCK))?.sum(2)?;
        rows = if blocks * BLOCK == n {
            sums
        } else {
            let rest = rows.narrow(1, blocks * BLOCK, n - blocks * BLOCK)?.contiguous()?.sum_keepdim(1)?;
            Tensor::cat(&[sums, rest], 1)?
        };
    }
}

/// Sums over batch and positions of `[N, C, S]`, as `[C]`, in [`wide`] precision.
pub(crate) fn sums_by_channel(x: &Tensor) -> CandleResult<Tensor> {
    let (n, c, s) = x.dims3()?;
    let rows = row_sums(&x.reshape((n * c, s))?)?.reshape((n, c))?;
    if n == 1 { rows.squeeze(0) } else { row_sums(&rows.t()?.contiguous()?) }
}

/// `[N, C, ...]` as `[N, C, S]`.
pub(crate) fn flat_positions(x: &Tensor) -> CandleResult<Tensor> {
    let (n, c) = (x.dim(0)?, x.dim(1)?);
    tape::reshape(x, (n, c, x.elem_count() / (n * c).max(1)))
}

/// Sums over batch and positions: `[N, C, ...]` to `[C]`, in f32 for 16-bit elements, with a gradient.
///
/// # Errors
/// [`Nn3dError::Rank`] for fewer than two axes or an empty tensor.
pub fn channel_sums(x: &Tensor) -> Result<Tensor> {
    if x.rank() < 2 || x.elem_count() == 0 {
        return Err(Nn3dError::Rank { op: Op::ChannelSums, wanted: "a non-empty [N, C, ...]", got: x.dims().to_vec() });
    }
    let flat = flat_positions(&x.detach())?;
    let takes_kernel = has_kernel(Op::ChannelSums, x.device(), x.dtype());
    let sums = if takes_kernel { cpu::channel_sums(&flat)? } else { sums_by_channel(&flat)? };
    Ok(attach("channel_sums", &[x], sums, |node| {
        let x = &node.args[0];
        let mut shape = vec![1; x.rank()];
        shape[1] = x.dim(1)?;
        let grad = node.grad.to_dtype(x.dtype())?.reshape(shape)?.broadcast_as(x.shape())?;
        Ok(vec![Some(grad.contiguous()?)])
    })?)
}

/// Sum of all elements, as a scalar tensor, in f32 for 16-bit elements, with a gradient; 0 for an empty tensor.
///
/// A loss over a volume should end in this rather than in candle's `sum_all`.
///
/// # Errors
/// [`Nn3dError::Candle`] if the element type can not be summed.
pub fn sum_all(x: &Tensor) -> Result<Tensor> {
    if x.elem_count() == 0 {
        return Ok(Tensor::zeros((), wide(x.dtype()), x.device())?);
    }
    let sum = row_sums(&x.detach().reshape((1, ()))?)?.squeeze(0)?;
    Ok(attach("sum_all", &[x], sum, |node| {
        let x = &node.args[0];
        Ok(vec![Some(node.grad.to_dtype(x.dtype())?.broadcast_as(x.shape())?.contiguous()?)])
    })?)
}
