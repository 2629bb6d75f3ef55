//! Instance and group normalisation of any rank.

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::{Init, Module, VarBuilder};

use super::standardise::{How, check_eps, check_input, filled, parameter_or, scale_shift, standardise};
use crate::conv::{divides, positive_groups};
use crate::setters::setters;
use crate::shape::per_channel;
use crate::{Op, OpPath, Result, tape};

/// Settings of [`instance_norm`], [`group_norm`] and their layers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NormConfig {
    /// Added to the variance; 1e-5 by default.
    pub eps: f64,
    /// Whether the layer has a weight and a bias; true by default (PyTorch's `InstanceNorm3d` has none by default).
    pub affine: bool,
    /// Kernel or composite; [`OpPath::Auto`] by default.
    pub path: OpPath,
}

impl Default for NormConfig {
    fn default() -> Self {
        Self { eps: 1e-5, affine: true, path: OpPath::Auto }
    }
}

impl NormConfig {
    /// An `eps` of 1e-5, with weight and bias.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets what is added to the variance.
        with_eps eps: f64;
        /// Sets whether the layer has a weight and a bias.
        with_affine affine: bool;
        /// Sets the path.
        with_path path: OpPath;
    }
}

/// Normalises each channel of each sample over its positions: `[N, C, ...]` of any rank from 2.
///
/// # Errors
/// [`Nn3dError`](crate::Nn3dError) if a parameter is not `[C]`, `config` is refused, or a kernel path is asked for and
/// absent.
pub fn instance_norm(
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    config: &NormConfig,
) -> Result<Tensor> {
    check_input(Op::InstanceNorm, x)?;
    grouped(Op::InstanceNorm, x, x.dims()[1], weight, bias, config)
}

/// Normalises each of `groups` runs of channels of each sample over its channels and positions: `[N, C, ...]`, rank >= 2.
///
/// # Errors
/// [`Nn3dError`](crate::Nn3dError) if `groups` does not divide the channels, a parameter is not `[C]`, `config` is refused,
/// or a kernel path is asked for and absent.
pub fn group_norm(
    x: &Tensor,
    groups: usize,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    config: &NormConfig,
) -> Result<Tensor> {
    check_input(Op::GroupNorm, x)?;
    positive_groups(Op::GroupNorm, groups)?;
    divides(Op::GroupNorm, groups, &[x.dims()[1]])?;
    grouped(Op::GroupNorm, x, groups, weight, bias, config)
}

fn grouped(
    op: Op,
    x: &Tensor,
    groups: usize,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    config: &NormConfig,
) -> Result<Tensor> {
    check_eps(op, config.eps)?;
    let how = How { rectifier: None, kernel: config.path.takes_kernel(op, x)? };
    for (name, parameter) in [("weight", weight), ("bias", bias)] {
        if let Some(parameter) = parameter {
            per_channel(op, x, name, parameter)?;
        }
    }
    let (batch, channels) = (x.dims()[0], x.dims()[1]);
    // Each group of each sample is a channel of one sample, for the statistics.
    let rows = batch * groups;
    let (one, zero) = (filled(1.0, rows, x)?, filled(0.0, rows, x)?);
    let (y, _) = standardise(
        op.name(),
        &tape::reshape(x, (1, rows, x.elem_count() / rows.max(1)))?,
        [&one, &zero],
        config.eps,
        how,
    )?;
    let y = tape::reshape(&y, x.shape())?;
    if weight.is_none() && bias.is_none() {
        return Ok(y);
    }
    let weight = parameter_or(weight, 1.0, channels, x)?;
    let bias = parameter_or(bias, 0.0, channels, x)?;
    Ok(scale_shift(op.name(), &y, &filled(0.0, channels, x)?, [&weight, &bias], how)?)
}

/// Weight and bias of a layer with PyTorch's names.
fn parameters(channels: usize, config: &NormConfig, vb: &VarBuilder) -> Result<(Option<Tensor>, Option<Tensor>)> {
    if !config.affine {
        return Ok((None, None));
    }
    let weight = vb.get_with_hints(channels, "weight", Init::Const(1.0))?;
    Ok((Some(weight), Some(vb.get_with_hints(channels, "bias", Init::Const(0.0))?)))
}

/// A layer that runs [`instance_norm`], with `weight` and `bias` `[C]` if affine.
#[derive(Clone, Debug)]
pub struct InstanceNorm {
    /// Factor `[C]`, if the layer is affine.
    pub weight: Option<Tensor>,
    /// Summand `[C]`, if the layer is affine.
    pub bias: Option<Tensor>,
    /// Settings.
    pub config: NormConfig,
}

impl InstanceNorm {
    /// Takes the parameters from `vb`; new ones start at weight 1 and bias 0.
    ///
    /// # Errors
    /// [`Nn3dError`](crate::Nn3dError) if `config` is refused or a parameter has another shape.
    pub fn new(channels: usize, config: NormConfig, vb: &VarBuilder) -> Result<Self> {
        check_eps(Op::InstanceNorm, config.eps)?;
        let (weight, bias) = parameters(channels, &config, vb)?;
        Ok(Self { weight, bias, config })
    }
}

impl Module for InstanceNorm {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        Ok(instance_norm(x, self.weight.as_ref(), self.bias.as_ref(), &self.config)?)
    }
}

/// A layer that runs [`group_norm`], with `weight` and `bias` `[C]` if affine.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    /// Runs of channels that are normalised together.
    pub groups: usize,
    /// Factor `[C]`, if the layer is affine.
    pub weight: Option<Tensor>,
    /// Summand `[C]`, if the layer is affine.
    pub bias: Option<Tensor>,
    /// Settings.
    pub config: NormConfig,
}

impl GroupNorm {
    /// Takes the parameters from `vb`; new ones start at weight 1 and bias 0.
    ///
    /// # Errors
    /// [`Nn3dError`](crate::Nn3dError) if `groups` does not divide `channels`, `config` is refused or a parameter has
    /// another shape.
    pub fn new(groups: usize, channels: usize, config: NormConfig, vb: &VarBuilder) -> Result<Self> {
        check_eps(Op::GroupNorm, config.eps)?;
        positive_groups(Op::GroupNorm, groups)?;
        divides(Op::GroupNorm, groups, &[channels])?;
        let (weight, bias) = parameters(channels, &config, vb)?;
        Ok(Self { groups, weight, bias, config })
    }
}

impl Module for GroupNorm {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        Ok(group_norm(x, self.groups, self.weight.as_ref(), self.bias.as_ref(), &self.config)?)
    }
}
