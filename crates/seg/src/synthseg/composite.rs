//! Layers of `SynthSeg`'s networks on the composite path.

use volkit_kernels::Activation;

use super::weights::{Layers, NORM_EPS};
use crate::SegError;
pub(super) use crate::composite::CompositeNet;
use crate::composite::{ConvWeights, TensorIndex};

impl CompositeNet {
    /// The convolution `layer` with `kernel` taps along each axis.
    pub(super) fn layer(
        &mut self,
        layers: &Layers<'_>,
        layer: &str,
        (kernel, c_in, c_out): (usize, usize, usize),
        source: TensorIndex,
    ) -> Result<TensorIndex, SegError> {
        let (weight, bias) = layers.conv_weights(layer, kernel, [c_in, c_out])?;
        self.conv(ConvWeights { weight, bias, channels: [c_in, c_out], kernel, dilation: 1 }, source)
    }

    /// The convolution `layer` of the `c_skip` channels of `skip` and, behind them, of `source` at twice its size.
    pub(super) fn layer_of_skip(
        &mut self,
        layers: &Layers<'_>,
        layer: &str,
        (kernel, c_in, c_out): (usize, usize, usize),
        (skip, c_skip, source): (TensorIndex, usize, TensorIndex),
    ) -> Result<TensorIndex, SegError> {
        let (weight, bias) = layers.conv_weights(layer, kernel, [c_in, c_out])?;
        let conv = ConvWeights { weight, bias, channels: [c_in, c_out], kernel, dilation: 1 };
        self.conv_of_skip(conv, (skip, c_skip), source)
    }

    /// The batch norm `layer`.
    pub(super) fn norm_layer(
        &mut self,
        layers: &Layers<'_>,
        layer: &str,
        channels: usize,
        source: TensorIndex,
    ) -> Result<TensorIndex, SegError> {
        self.norm(layers.norm_weights(layer, channels)?, NORM_EPS, source)
    }

    pub(super) fn elu(&mut self, source: TensorIndex) -> TensorIndex {
        self.activation(Activation::Elu, source)
    }

    pub(super) fn relu(&mut self, source: TensorIndex) -> TensorIndex {
        self.activation(Activation::Relu, source)
    }
}
