//! Checks of shapes, and the sizes that windows give.

use candle_core::Tensor;

use crate::{Nn3dError, Op, Result};

/// Sizes along depth, height and width.
pub(crate) type Triple = [usize; 3];

/// Batch, channels and spatial size of `[N, C, D, H, W]`; none of them may be zero.
pub(crate) fn dims5(op: Op, x: &Tensor) -> Result<(usize, usize, Triple)> {
    match *x.dims() {
        [n, c, d, h, w] if n * c * d * h * w > 0 => Ok((n, c, [d, h, w])),
        _ => Err(Nn3dError::Rank { op, wanted: "a non-empty [N, C, D, H, W]", got: x.dims().to_vec() }),
    }
}

/// Errors unless each of the three values is at least one.
pub(crate) fn positive(op: Op, field: &'static str, value: Triple) -> Result<()> {
    if value.contains(&0) {
        return Err(Nn3dError::Config { op, field, value: format!("{value:?}"), reason: "must be at least 1" });
    }
    Ok(())
}

/// A window that moves over an input: its size and how it moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) kernel: Triple,
    pub(crate) stride: Triple,
    pub(crate) padding: Triple,
    pub(crate) dilation: Triple,
}

impl Window {
    /// Positions of the window on each axis, `(in + 2 p - d (k - 1) - 1) / s + 1`.
    pub(crate) fn output_size(&self, op: Op, input: &[usize]) -> Result<Triple> {
        let mut out = [0; 3];
        for a in 0..3 {
            let padded = input[2 + a] + 2 * self.padding[a];
            let reach = self.dilation[a] * (self.kernel[a] - 1) + 1;
            if padded < reach {
                return Err(Nn3dError::TooSmall {
                    op,
                    input: input.to_vec(),
                    kernel: self.kernel,
                    padding: self.padding,
                    dilation: self.dilation,
                });
            }
            out[a] = (padded - reach) / self.stride[a] + 1;
        }
        Ok(out)
    }
}

/// Errors unless `parameter` is `[C]` for an input with `C` channels on axis 1.
pub(crate) fn per_channel(op: Op, x: &Tensor, parameter: &'static str, value: &Tensor) -> Result<()> {
    let channels = x.dims()[1];
    if value.dims() == [channels] {
        return Ok(());
    }
    Err(Nn3dError::Mismatch {
        op,
        parameter,
        shape: value.dims().to_vec(),
        wanted: format!("must be [{channels}]"),
        input: x.dims().to_vec(),
    })
}
