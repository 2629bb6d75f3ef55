//! Images: the ops of volumes on a depth of one.

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::{Module, VarBuilder};

use crate::conv::{default_init, divides};
use crate::shape::positive;
use crate::tape::reshape;
use crate::{
    Conv3dConfig, ConvTranspose3dConfig, Corners, Nn3dError, Op, Pool3dConfig, Result, conv_transpose3d, conv3d,
    max_pool3d, upsample_trilinear3d,
};

/// `[A, B, H, W]` as `[A, B, 1, H, W]`.
fn volume(op: Op, x: &Tensor) -> Result<Tensor> {
    match *x.dims() {
        [a, b, h, w] => Ok(reshape(x, (a, b, 1, h, w))?),
        _ => Err(Nn3dError::Rank { op, wanted: "[N, C, H, W]", got: x.dims().to_vec() }),
    }
}

/// `[A, B, 1, H, W]` as `[A, B, H, W]`.
fn plane(op: Op, y: &Tensor) -> Result<Tensor> {
    match *y.dims() {
        [a, b, 1, h, w] => Ok(reshape(y, (a, b, h, w))?),
        _ => Err(Nn3dError::Rank { op, wanted: "of depth 1 in its result", got: y.dims().to_vec() }),
    }
}

/// [`conv3d`] of images: `x` `[N, C_in, H, W]`, `weight` `[C_out, C_in / G, kH, kW]`, `bias` `[C_out]`. The first entry of each
/// field of `config` is for a depth of one: [`Conv3dConfig::same`]`([1, 3, 3])`.
///
/// # Errors
/// Those of [`conv3d`]; [`Nn3dError::Rank`] if `x` or `weight` has not four axes.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config: &Conv3dConfig) -> Result<Tensor> {
    let op = Op::Conv3d;
    plane(op, &conv3d(&volume(op, x)?, &volume(op, weight)?, bias, config)?)
}

/// [`conv_transpose3d`] of images: `x` `[N, C_in, H, W]`, `weight` `[C_in, C_out / G, kH, kW]`, `bias` `[C_out]`.
///
/// # Errors
/// Those of [`conv_transpose3d`]; [`Nn3dError::Rank`] if `x` or `weight` has not four axes.
pub fn conv_transpose2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &ConvTranspose3dConfig,
) -> Result<Tensor> {
    let op = Op::ConvTranspose3d;
    plane(op, &conv_transpose3d(&volume(op, x)?, &volume(op, weight)?, bias, config)?)
}

/// [`max_pool3d`] of images `[N, C, H, W]`.
///
/// # Errors
/// Those of [`max_pool3d`]; [`Nn3dError::Rank`] if `x` has not four axes.
pub fn max_pool2d(x: &Tensor, config: &Pool3dConfig) -> Result<Tensor> {
    plane(Op::MaxPool3d, &max_pool3d(&volume(Op::MaxPool3d, x)?, config)?)
}

/// [`upsample_trilinear3d`] of images: `[N, C, H, W]` to `[N, C, size...]`. (candle's `upsample_bilinear2d` has no gradient.)
///
/// # Errors
/// Those of [`upsample_trilinear3d`]; [`Nn3dError::Rank`] if `x` has not four axes.
pub fn upsample_bilinear2d(x: &Tensor, size: [usize; 2], corners: Corners) -> Result<Tensor> {
    let op = Op::UpsampleTrilinear3d;
    plane(op, &upsample_trilinear3d(&volume(op, x)?, [1, size[0], size[1]], corners)?)
}

/// A layer that runs [`conv2d`] with parameters `weight` `[C_out, C_in / G, kH, kW]` and `bias` `[C_out]`, in the element type
/// of its parameters.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// Weight `[C_out, C_in / G, kH, kW]`.
    pub weight: Tensor,
    /// Bias `[C_out]`, if the layer has one.
    pub bias: Option<Tensor>,
    /// How the window moves; first entries for a depth of one.
    pub config: Conv3dConfig,
}

impl Conv2d {
    /// Takes `weight` and, if `config` says so, `bias` from `vb`; new variables get PyTorch's default initialisation.
    ///
    /// # Errors
    /// [`Nn3dError`] if `groups` does not divide both numbers of channels, or a parameter has another shape.
    pub fn new(c_in: usize, c_out: usize, kernel: [usize; 2], config: Conv3dConfig, vb: &VarBuilder) -> Result<Self> {
        config.validate()?;
        let [ky, kx] = kernel;
        positive(Op::Conv3d, "kernel", [1, ky, kx])?;
        divides(Op::Conv3d, config.groups, &[c_in, c_out])?;
        let per_group = c_in / config.groups;
        let init = default_init(per_group * ky * kx);
        let weight = vb.get_with_hints((c_out, per_group, ky, kx), "weight", init)?;
        let bias = config.bias.then(|| vb.get_with_hints(c_out, "bias", init)).transpose()?;
        Ok(Self { weight, bias, config })
    }
}

impl Module for Conv2d {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        Ok(conv2d(&x.to_dtype(self.weight.dtype())?, &self.weight, self.bias.as_ref(), &self.config)?)
    }
}

/// A layer that runs [`conv_transpose2d`] with parameters `weight` `[C_in, C_out / G, kH, kW]` and `bias` `[C_out]`, in the
/// element type of its parameters.
#[derive(Clone, Debug)]
pub struct ConvTranspose2d {
    /// Weight `[C_in, C_out / G, kH, kW]`.
    pub weight: Tensor,
    /// Bias `[C_out]`, if the layer has one.
    pub bias: Option<Tensor>,
    /// How the input is spread; first entries for a depth of one.
    pub config: ConvTranspose3dConfig,
}

impl ConvTranspose2d {
    /// Takes `weight` and, if `config` says so, `bias` from `vb`; new variables get PyTorch's default initialisation.
    ///
    /// # Errors
    /// [`Nn3dError`] if `groups` does not divide both numbers of channels, or a parameter has another shape.
    pub fn new(
        c_in: usize,
        c_out: usize,
        kernel: [usize; 2],
        config: ConvTranspose3dConfig,
        vb: &VarBuilder,
    ) -> Result<Self> {
        config.validate()?;
        let [ky, kx] = kernel;
        positive(Op::ConvTranspose3d, "kernel", [1, ky, kx])?;
        divides(Op::ConvTranspose3d, config.groups, &[c_in, c_out])?;
        let per_group = c_out / config.groups;
        let init = default_init(per_group * ky * kx);
        let weight = vb.get_with_hints((c_in, per_group, ky, kx), "weight", init)?;
        let bias = config.bias.then(|| vb.get_with_hints(c_out, "bias", init)).transpose()?;
        Ok(Self { weight, bias, config })
    }
}

impl Module for ConvTranspose2d {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        Ok(conv_transpose2d(&x.to_dtype(self.weight.dtype())?, &self.weight, self.bias.as_ref(), &self.config)?)
    }
}
