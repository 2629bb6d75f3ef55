//! Convolutions and their transposes.

use candle_core::{Result, Tensor};
use volkit_kernels::{Correlation, CorrelationShape, Filter, KernelError, Mode, Operand};

use super::{cores, elements, read, room, same_dtype, tensor_like, written};
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

    /// The same with a limit to the rounding error, and a rectifier behind [`Self::apply`].
    pub(crate) fn with(self, mode: Mode, rectifier: Option<f64>) -> Self {
        let correlation = self.correlation.with_mode(mode).with_rectifier(rectifier.map(|slope| slope as f32));
        Self { correlation, ..self }
    }

    /// `x` `[N, C, D, H, W]` with `weight` `[C_out, C / G, taps...]`, plus `bias` `[C_out]`.
    pub(crate) fn apply(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Outcome> {
        self.run(1, Source::of(x), weight, bias)
    }

    /// The transpose of [`Self::apply`], plus `bias` `[C]`.
    pub(crate) fn apply_transposed(&self, grad: Source<'_>, weight: &Tensor, bias: Option<&Tensor>) -> Result<Outcome> {
        self.run(0, grad, weight, bias)
    }

    fn run(&self, target: usize, from: Source<'_>, weight: &Tensor, bias: Option<&Tensor>) -> Result<Outcome> {
        let mut parameters = vec![weight];
        parameters.extend(bias);
        same_dtype(self.op, &[&[from.tensor], &parameters[..]].concat())?;
        let (result, ()) = written(from.tensor.dtype(), self.tensor(target), |result| {
            read(&parameters, |values| {
                let filter = Filter { weight: values[0], bias: values.get(1).copied() };
                Ok(from.operand(|from| match target {
                    1 => self.correlation.apply(from, &filter, result, &cores()),
                    _ => self.correlation.apply_transposed(from, &filter, result, &cores()),
                }))
            })?
        })?;
        Ok(result)
    }

    /// Gradient of the weight for the gradient `grad` of the output of [`Self::apply`].
    pub(crate) fn weight_gradient(&self, x: &Tensor, grad: Source<'_>, weight: &Tensor) -> Result<Tensor> {
        let mut gradient = room(weight.elem_count());
        elements(&[x], |x| {
            Ok(grad.operand(|grad| self.correlation.weight_gradient(x[0], grad, &mut gradient, &cores())))
        })??;
        tensor_like(gradient, weight)
    }
}

/// What a kernel reads: a tensor, or the gradient before a rectifier for that behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) tensor: &'a Tensor,
    /// Results of the rectifier, and its slope below zero.
    pub(crate) behind: Option<(&'a Tensor, f64)>,
}

impl<'a> Source<'a> {
    /// A tensor as it is.
    pub(crate) fn of(tensor: &'a Tensor) -> Self {
        Self { tensor, behind: None }
    }

    /// Calls `work` with the elements.
    pub(super) fn operand<R>(self, work: impl FnOnce(Operand<'_>) -> std::result::Result<R, KernelError>) -> Result<R> {
        match self.behind {
            None => elements(&[self.tensor], |all| work(all[0].into())),
            Some((result, slope)) => {
                elements(&[self.tensor, result], |all| work(Operand::before_rectifier(all[0], all[1], slope as f32)?))
            }
        }
    }
}
