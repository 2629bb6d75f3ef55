//! The block that U-Nets are made of.

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::{Module as _, ModuleT, VarBuilder};

use crate::setters::setters;
use crate::{BatchNorm, BatchNormConfig, Conv3d, Conv3dConfig, OpPath, Result};

/// Settings of a [`DoubleConv3d`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DoubleConv3dConfig {
    /// Channels between the two convolutions; those of the result if `None`, the default.
    pub mid: Option<usize>,
    /// Whether the convolutions have a bias; false by default, for the norm behind takes it off again.
    pub bias: bool,
    /// Slope of the rectifier for negative values; 0 by default.
    pub slope: f64,
    /// Settings of both norms.
    pub norm: BatchNormConfig,
    /// Kernel or composite, for the convolutions; [`OpPath::Auto`] by default.
    pub path: OpPath,
}

impl Default for DoubleConv3dConfig {
    fn default() -> Self {
        Self { mid: None, bias: false, slope: 0.0, norm: BatchNormConfig::new(), path: OpPath::Auto }
    }
}

impl DoubleConv3dConfig {
    /// As in the U-Nets for images: no bias, `max(x, 0)`.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the channels between the convolutions.
        with_mid mid: Option<usize>;
        /// Sets whether the convolutions have a bias.
        with_bias bias: bool;
        /// Sets the slope for negative values.
        with_slope slope: f64;
        /// Sets the norms.
        with_norm norm: BatchNormConfig;
        /// Sets the path of the convolutions.
        with_path path: OpPath;
    }
}

/// Twice a convolution of 3 x 3 x 3 taps that keeps the size, a batch norm, and a rectifier: `[N, C_in, D, H, W]` to
/// `[N, C_out, D, H, W]`.
///
/// Its parameters have the names of PyTorch's `Sequential(Conv3d, BatchNorm3d, ReLU, Conv3d, BatchNorm3d, ReLU)`: `0` and
/// `3` the convolutions, `1` and `4` the norms.
#[derive(Clone, Debug)]
pub struct DoubleConv3d {
    convs: [Conv3d; 2],
    norms: [BatchNorm; 2],
}

impl DoubleConv3d {
    /// Takes the parameters from `vb`.
    ///
    /// # Errors
    /// [`Nn3dError`](crate::Nn3dError) if a setting is refused or a parameter has another shape.
    pub fn new(c_in: usize, c_out: usize, config: &DoubleConv3dConfig, vb: &VarBuilder) -> Result<Self> {
        let mid = config.mid.unwrap_or(c_out);
        let same = Conv3dConfig::same([3; 3]).with_bias(config.bias).with_path(config.path);
        let conv = |c_in, c_out, name| Conv3d::new(c_in, c_out, [3; 3], same.clone(), &vb.pp(name));
        let rectified = config.norm.clone().with_rectifier(Some(config.slope));
        let norm = |channels, name| BatchNorm::new(channels, rectified.clone(), &vb.pp(name));
        Ok(Self { convs: [conv(c_in, mid, "0")?, conv(mid, c_out, "3")?], norms: [norm(mid, "1")?, norm(c_out, "4")?] })
    }
}

impl ModuleT for DoubleConv3d {
    fn forward_t(&self, x: &Tensor, train: bool) -> CandleResult<Tensor> {
        let mut x = x.clone();
        for (conv, norm) in self.convs.iter().zip(&self.norms) {
            x = norm.forward_t(&conv.forward(&x)?, train)?;
        }
        Ok(x)
    }
}
