//! Bias, activation, scale and shift.

use super::{Activation, Epilogue};
use crate::Buffer;
use crate::simd::{Lane, Math};

/// The epilogue of a convolution, its vectors padded with zeros to whole SIMD vectors.
#[derive(Debug)]
pub(super) struct Finish {
    activation: Activation,
    bias: Buffer<f32>,
    scale_shift: Option<(Buffer<f32>, Buffer<f32>)>,
}

impl Finish {
    /// Pads the vectors to `padded >= C_out` channels.
    pub(super) fn new(bias: Option<&[f32]>, epilogue: Epilogue, padded: usize) -> Self {
        let pad = |values: &[f32]| {
            let mut out = Buffer::zeros(padded);
            out[..values.len()].copy_from_slice(values);
            out
        };
        Self {
            activation: epilogue.activation,
            bias: pad(bias.unwrap_or(&[])),
            scale_shift: epilogue.scale_shift.map(|(scale, shift)| (pad(&scale), pad(&shift))),
        }
    }

    /// Bias per channel, padded.
    #[inline(always)]
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Applies activation, scale and shift to channels `c..c + N` of a biased sum.
    ///
    /// # Safety
    /// The machine has the instruction set of `L` and `c + N` is at most the padded channels.
    #[inline(always)]
    pub(super) unsafe fn apply<L: Lane>(&self, sum: L, c: usize) -> L {
        let value = self.activate(sum);
        let Some((scale, shift)) = &self.scale_shift else {
            return value;
        };
        // SAFETY: the caller vouches for `N` padded channels from `c` on.
        unsafe { value.mul_add(L::load(scale.as_ptr().add(c)), L::load(shift.as_ptr().add(c))) }
    }

    /// The same for a vector whose lanes are all of channel `c`.
    #[inline(always)]
    pub(super) fn apply_to_channel<L: Lane>(&self, sum: L, c: usize) -> L {
        let value = self.activate(sum);
        match &self.scale_shift {
            Some((scale, shift)) => value.mul_add(sum.all(scale[c]), sum.all(shift[c])),
            None => value,
        }
    }

    #[inline(always)]
    fn activate<L: Lane>(&self, sum: L) -> L {
        match self.activation {
            Activation::Identity => sum,
            Activation::Relu => sum.relu(),
            Activation::LeakyRelu(slope) => sum.leaky_relu(slope),
            Activation::Elu => sum.elu(),
            Activation::Gelu => sum.gelu(),
        }
    }
}
