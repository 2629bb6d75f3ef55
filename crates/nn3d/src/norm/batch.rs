//! Batch normalisation of any rank.

use candle_core::{Result as CandleResult, Tensor, Var};
use candle_nn::{Init, ModuleT, VarBuilder};

use super::standardise::{How, check_eps, check_input, parameter_or, scale_shift, standardise};
use crate::rectifier::check_slope;
use crate::setters::setters;
use crate::shape::per_channel;
use crate::sums::{flat_positions, wide};
use crate::{Nn3dError, Op, OpPath, Result, tape};

/// Settings of [`batch_norm`] and [`BatchNorm`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchNormConfig {
    /// Added to the variance; 1e-5 by default as in PyTorch (Keras and SynthSeg use 1e-3).
    pub eps: f64,
    /// Weight of the new value in the running statistics; 0.1 by default. Keras's `momentum` is one minus this.
    pub momentum: f64,
    /// Whether the layer has a weight and a bias; true by default.
    pub affine: bool,
    /// Slope for negative values of a rectifier behind the norm, `y > 0 ? y : slope y`; none by default. It is one op with
    /// the norm, which keeps one tensor less for the backward pass.
    pub rectifier: Option<f64>,
    /// Kernel or composite; [`OpPath::Auto`] by default.
    pub path: OpPath,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, affine: true, rectifier: None, path: OpPath::Auto }
    }
}

impl BatchNormConfig {
    /// PyTorch's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets what is added to the variance.
        with_eps eps: f64;
        /// Sets the weight of the new value in the running statistics.
        with_momentum momentum: f64;
        /// Sets whether the layer has a weight and a bias.
        with_affine affine: bool;
        /// Sets the rectifier behind the norm.
        with_rectifier rectifier: Option<f64>;
        /// Sets the path.
        with_path path: OpPath;
    }

    /// Checks the fields by themselves.
    ///
    /// # Errors
    /// [`Nn3dError::Config`] for a negative or not finite `eps` or slope, or a `momentum` outside 0 to 1.
    pub fn validate(&self) -> Result<()> {
        check_eps(Op::BatchNorm, self.eps)?;
        check_slope(Op::BatchNorm, self.rectifier)?;
        if (0.0..=1.0).contains(&self.momentum) {
            return Ok(());
        }
        let value = self.momentum.to_string();
        Err(Nn3dError::Config { op: Op::BatchNorm, field: "momentum", value, reason: "must lie between 0 and 1" })
    }
}

/// Mean and variance of each channel of a batch, detached.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// Means `[C]`.
    pub mean: Tensor,
    /// Biased variances `[C]`: those that normalise the batch.
    pub variance: Tensor,
    /// Elements of a channel, `N * D * H * W`.
    pub count: usize,
}

impl BatchStatistics {
    /// The running mean and variance after this batch: `(1 - m) running + m batch`, with the unbiased variance
    /// `count / (count - 1) * variance`.
    ///
    /// # Errors
    /// [`Nn3dError::Candle`] if the shapes are not `[C]`.
    pub fn update(&self, running_mean: &Tensor, running_var: &Tensor, momentum: f64) -> Result<(Tensor, Tensor)> {
        let unbiased = self.count as f64 / (self.count as f64 - 1.0);
        let join = |running: &Tensor, batch: &Tensor, factor: f64| -> CandleResult<Tensor> {
            let batch = batch.to_dtype(running.dtype())?.affine(momentum * factor, 0.0)?;
            running.detach().affine(1.0 - momentum, 0.0)? + batch
        };
        Ok((join(running_mean, &self.mean, 1.0)?, join(running_var, &self.variance, unbiased)?))
    }
}

/// The multiply-add that a batch norm with running statistics is: `(scale, shift)`, each `[C]`, with
/// `scale = weight / sqrt(var + eps)` and `shift = bias - mean * scale`.
///
/// # Errors
/// [`Nn3dError::Candle`] if the shapes differ.
pub fn fold_batch_norm(
    running_mean: &Tensor,
    running_var: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<(Tensor, Tensor)> {
    let mut scale = running_var.affine(1.0, eps)?.sqrt()?.recip()?;
    if let Some(weight) = weight {
        scale = (scale * weight)?;
    }
    let mut shift = (running_mean * &scale)?.neg()?;
    if let Some(bias) = bias {
        shift = (shift + bias)?;
    }
    Ok((scale, shift))
}

fn check_parameters(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<()> {
    check_input(Op::BatchNorm, x)?;
    for (name, parameter) in [("weight", weight), ("bias", bias)] {
        if let Some(parameter) = parameter {
            per_channel(Op::BatchNorm, x, name, parameter)?;
        }
    }
    Ok(())
}

/// Batch norm with running statistics, as at inference: `[N, C, ...]` of any rank from 2.
///
/// `y = weight * (x - running_mean) / sqrt(running_var + eps) + bias`, worked out as one broadcast multiply-add with
/// [`fold_batch_norm`]'s factors, in f32 for 16-bit elements. `x`, `weight` and `bias` have gradients; the running
/// statistics have none.
///
/// # Errors
/// [`Nn3dError`] if a parameter is not `[C]`, `config` is refused, or a kernel path is asked for and absent.
pub fn batch_norm(
    x: &Tensor,
    running_mean: &Tensor,
    running_var: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    config: &BatchNormConfig,
) -> Result<Tensor> {
    let op = Op::BatchNorm;
    config.validate()?;
    let kernel = config.path.takes_kernel(op, x)?;
    check_parameters(x, weight, bias)?;
    per_channel(op, x, "running_mean", running_mean)?;
    per_channel(op, x, "running_var", running_var)?;
    let channels = x.dims()[1];
    let dtype = wide(x.dtype());
    let inverse = running_var.detach().to_dtype(dtype)?.affine(1.0, config.eps)?.sqrt()?.recip()?;
    let scale = (parameter_or(weight, 1.0, channels, x)? * inverse)?;
    let bias = parameter_or(bias, 0.0, channels, x)?;
    let how = How { rectifier: config.rectifier, kernel };
    Ok(scale_shift(op.name(), x, &running_mean.to_dtype(dtype)?, [&scale, &bias], how)?)
}

/// Batch norm with the statistics of the batch, as in training, and these statistics.
///
/// Mean and variance are taken over batch and positions of `[N, C, ...]`, by sums that keep their precision. The gradient
/// flows through the statistics. See [`BatchStatistics::update`] for the running ones.
///
/// # Errors
/// [`Nn3dError`] if a parameter is not `[C]`, a channel has only one element, `config` is refused, or a kernel path is
/// asked for and absent.
pub fn batch_norm_training(
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    config: &BatchNormConfig,
) -> Result<(Tensor, BatchStatistics)> {
    let op = Op::BatchNorm;
    config.validate()?;
    let kernel = config.path.takes_kernel(op, x)?;
    check_parameters(x, weight, bias)?;
    let channels = x.dims()[1];
    if x.elem_count() == channels {
        let wanted = "more than one element in each channel to train on";
        return Err(Nn3dError::Rank { op, wanted, got: x.dims().to_vec() });
    }
    let weight = parameter_or(weight, 1.0, channels, x)?;
    let bias = parameter_or(bias, 0.0, channels, x)?;
    let how = How { rectifier: config.rectifier, kernel };
    let (y, moments) = standardise(op.name(), &flat_positions(x)?, [&weight, &bias], config.eps, how)?;
    let statistics = BatchStatistics { mean: moments.mean, variance: moments.variance, count: moments.count };
    Ok((tape::reshape(&y, x.shape())?, statistics))
}

/// A batch norm layer with PyTorch's names: `weight`, `bias`, `running_mean`, `running_var`, each `[C]`.
///
/// Runs as `ModuleT`: in training with the statistics of the batch, updating the running ones; otherwise with the running
/// ones. Serves every rank from `[N, C]` up, so it is PyTorch's `BatchNorm1d`, `2d` and `3d`.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// Running mean `[C]`.
    pub running_mean: Var,
    /// Running variance `[C]`.
    pub running_var: Var,
    /// Factor `[C]`, if the layer is affine.
    pub weight: Option<Tensor>,
    /// Summand `[C]`, if the layer is affine.
    pub bias: Option<Tensor>,
    /// Settings.
    pub config: BatchNormConfig,
}

impl BatchNorm {
    /// Takes the parameters from `vb`, in f32 where its type has 16 bits; new ones start at weight 1, bias 0, mean 0,
    /// variance 1. Variables of a `VarMap` are shared with it, so the running statistics are saved with it.
    ///
    /// # Errors
    /// [`Nn3dError`] if `config` is refused or a parameter has another shape.
    pub fn new(channels: usize, config: BatchNormConfig, vb: &VarBuilder) -> Result<Self> {
        config.validate()?;
        let vb = vb.to_dtype(wide(vb.dtype()));
        let get = |name: &str, start: f64| vb.get_with_hints(channels, name, Init::Const(start));
        let (weight, bias) =
            if config.affine { (Some(get("weight", 1.0)?), Some(get("bias", 0.0)?)) } else { (None, None) };
        Ok(Self {
            running_mean: Var::from_tensor(&get("running_mean", 0.0)?)?,
            running_var: Var::from_tensor(&get("running_var", 1.0)?)?,
            weight,
            bias,
            config,
        })
    }

    /// [`fold_batch_norm`] of this layer: `(scale, shift)`.
    ///
    /// # Errors
    /// [`Nn3dError::Candle`] if the shapes differ.
    pub fn folded(&self) -> Result<(Tensor, Tensor)> {
        let (mean, var) = (self.running_mean.as_detached_tensor(), self.running_var.as_detached_tensor());
        fold_batch_norm(&mean, &var, self.weight.as_ref(), self.bias.as_ref(), self.config.eps)
    }
}

impl ModuleT for BatchNorm {
    fn forward_t(&self, x: &Tensor, train: bool) -> CandleResult<Tensor> {
        let (weight, bias) = (self.weight.as_ref(), self.bias.as_ref());
        let (mean, var) = (self.running_mean.as_detached_tensor(), self.running_var.as_detached_tensor());
        if !train {
            return Ok(batch_norm(x, &mean, &var, weight, bias, &self.config)?);
        }
        let (y, statistics) = batch_norm_training(x, weight, bias, &self.config)?;
        per_channel(Op::BatchNorm, x, "running_mean", &mean)?;
        if tape::is_rerun() {
            return Ok(y);
        }
        let (mean, var) = statistics.update(&mean, &var, self.config.momentum)?;
        self.running_mean.set(&mean)?;
        self.running_var.set(&var)?;
        Ok(y)
    }
}
