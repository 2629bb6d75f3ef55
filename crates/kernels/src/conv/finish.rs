//! Bias, activation, scale and shift.

use super::aligned::Aligned;
use super::{Activation, Epilogue};
use crate::simd::{Lane, Math};

/// The epilogue of a convolution, its vectors padded with zeros to whole SIMD vectors.
#[derive(Debug)]
pub(super) struct Finish {
    activation: Activation,
    bias: Aligned,
    scale_shift: Option<(Aligned, Aligned)>,
}

impl Finish {
    /// Pads the vectors to `padded >= C_out` channels.
    pub(super) fn new(bias: Option<&[f32]>, epilogue: Epilogue, padded: usize) -> Self {
        let pad = |values: &[f32]| {
            let mut out = Aligned::zeros(padded);
            out.as_mut_slice()[..values.len()].copy_from_slice(values);
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
        let value = match self.activation {
            Activation::Identity => sum,
            Activation::Relu => sum.relu(),
            Activation::LeakyRelu(slope) => sum.leaky_relu(slope),
            Activation::Elu => sum.elu(),
            Activation::Gelu => sum.gelu(),
        };
        let Some((scale, shift)) = &self.scale_shift else {
            return value;
        };
        // SAFETY: the caller vouches for `N` padded channels from `c` on.
        unsafe { value.mul_add(L::load(scale.as_ptr().add(c)), L::load(shift.as_ptr().add(c))) }
    }
}
