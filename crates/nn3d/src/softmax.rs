//! Softmax over any axis.

use candle_core::{Result as CandleResult, Tensor};

use crate::computed::attach;
use crate::sums::wide;
use crate::{Nn3dError, Op, Result};

/// `exp(x - max) / sum(exp(x - max))` over axis `dim`; 16-bit elements are worked on in f32.
///
/// Differentiable on every device, whatever the axis (candle's `softmax_last_dim` has no gradient).
///
/// # Errors
/// [`Nn3dError::Rank`] if `x` has no axis `dim` or that axis is empty.
pub fn softmax(x: &Tensor, dim: usize) -> Result<Tensor> {
    if dim >= x.rank() || x.dims()[dim] == 0 {
        let wanted = "a tensor with elements on the axis of the softmax";
        return Err(Nn3dError::Rank { op: Op::Softmax, wanted, got: x.dims().to_vec() });
    }
    let wide_x = x.detach().to_dtype(wide(x.dtype()))?;
    let exp = wide_x.broadcast_sub(&along(&wide_x, dim, |a, b| a.maximum(b))?)?.exp()?;
    let result = exp.broadcast_div(&along(&exp, dim, Tensor::add)?)?.to_dtype(x.dtype())?;
    Ok(attach("softmax", &[x], result, move |node| {
        let dtype = node.result()?.dtype();
        let (result, grad) = (node.result()?.to_dtype(wide(dtype))?, node.grad.to_dtype(wide(dtype))?);
        let total = along(&(&result * &grad)?, dim, Tensor::add)?;
        let gradient = (result * grad.broadcast_sub(&total)?)?;
        Ok(vec![Some(gradient.to_dtype(dtype)?)])
    })?)
}

/// Reduces axis `dim` to one element by halves. candle's own reductions of an inner axis step through the tensor element
/// by element; whole halves are read in order, and a sum by halves loses less.
fn along(x: &Tensor, dim: usize, join: fn(&Tensor, &Tensor) -> CandleResult<Tensor>) -> CandleResult<Tensor> {
    let mut x = x.clone();
    loop {
        let n = x.dim(dim)?;
        if n == 1 {
            return x.contiguous();
        }
        let half = n / 2;
        let joined = join(&x.narrow(dim, 0, half)?, &x.narrow(dim, half, half)?)?;
        x = if n % 2 == 0 {
            joined
        } else {
            let first = join(&joined.narrow(dim, 0, 1)?, &x.narrow(dim, n - 1, 1)?)?;
            if half == 1 { first } else { Tensor::cat(&[first, joined.narrow(dim, 1, half - 1)?], dim)? }
        };
    }
}
