//! Convolutions and their transposes.

use candle_core::{Result, Tensor};
use volkit_kernels::{Correlation, CorrelationShape, Filter};

use super::{cores, outcome, read, room, same_dtype, tensor_like};
use crate::computed::Outcome;
use crate::shape::Triple;

/// A correlation on the kernels, as [`crate::correlate::Correlation`] is one on candle's ops.
#[derive(Clone, Debug)]
pub(crate) struct KernelConv {
    correlation: Correlation,
    op: &'static str,
}

impl KernelConv {
    /// For checked sizes.
    pub(crate) fn new(op: &'static str, shape: CorrelationShape) -> Result<Self> {
        Ok(Self { correlation: Correlation::new(shape).map_err(candle_core::Error::wrap)?, op })
    }

    fn tensor(&self, which: usize) -> Vec<usize> {
        let shape = self.correlation.shape();
        let [d, h, w]: Triple = if which == 0 { shape.size_in } else { self.correlation.size_out() };
        vec![shape.batch, shape.channels[which], d, h, w]
    }

    /// `x` `[N, C, D, H, W]` with `weight` `[C_out, C / G, taps...]`, plus `bias` `[C_out]`.
    pub(crate) fn apply(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Outcome> {
        self.run(1, [x, weight], bias)
    }

    /// The transpose of [`Self::apply`], plus `bias` `[C]`.
    pub(crate) fn apply_transposed(&self, grad: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Outcome> {
        self.run(0, [grad, weight], bias)
    }

    fn run(&self, target: usize, [from, weight]: [&Tensor; 2], bias: Option<&Tensor>) -> Result<Outcome> {
        let mut args = vec![from, weight];
        args.extend(bias);
        same_dtype(self.op, &args)?;
        let shape = self.tensor(target);
        let mut result = room(shape.iter().product());
        read(&args, |values| {
            let filter = Filter { weight: values[1], bias: values.get(2).copied() };
            if target == 1 {
                self.correlation.apply(values[0], &filter, &mut result, &cores())
            } else {
                self.correlation.apply_transposed(values[0], &filter, &mut result, &cores())
            }
        })?;
        outcome(result, shape, from.dtype())
    }

    /// Gradient of the weight for the gradient `grad` of the output of [`Self::apply`].
    pub(crate) fn weight_gradient(&self, x: &Tensor, grad: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let mut gradient = room(weight.elem_count());
        read(&[x, grad], |values| self.correlation.weight_gradient(values[0], values[1], &mut gradient, &cores()))?;
        tensor_like(gradient, weight)
    }
}
