//! 3-D convolution.

use candle_core::{Device, Result as CandleResult, Tensor};
use candle_nn::{Init, Module, VarBuilder};
use volkit_kernels::{CorrelationShape, Mode};

use crate::axis::Axis;
use crate::computed::{Gradients, Node, Outcome, attach};
use crate::correlate::Correlation;
use crate::cpu::{self, KernelConv, Source};
use crate::rectifier::{check_slope, rectified};
use crate::setters::setters;
use crate::shape::{Triple, Window, dims5, positive};
use crate::sums::{flat_positions, sums_by_channel};
use crate::{Nn3dError, Op, OpPath, Result};

/// Bytes of columns that a convolution works on at a time, by default: 4 MiB on a CPU, which its caches hold, and 256 MiB
/// on other devices, which want few and large steps.
pub fn default_slab_bytes(device: &Device) -> usize {
    if device.is_cpu() { 4 << 20 } else { 256 << 20 }
}

/// How [`conv3d`] moves its window. Axes are in the order depth, height, width.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conv3dConfig {
    /// Distance between neighbouring windows; 1 by default.
    pub stride: [usize; 3],
    /// Zeros on both sides of each axis; 0 by default.
    pub padding: [usize; 3],
    /// Distance between neighbouring taps; 1 by default.
    pub dilation: [usize; 3],
    /// Groups of channels that do not see each other; 1 by default.
    pub groups: usize,
    /// Most bytes the columns of one slab should take, [`default_slab_bytes`] if `None`; a slab has at least one row.
    pub slab_bytes: Option<usize>,
    /// Whether the layer has a bias; true by default. The free function has the bias that it is given.
    pub bias: bool,
    /// Slope for negative values of a rectifier behind the convolution, `y > 0 ? y : slope y`; none by default. It is one op
    /// with the convolution, which keeps one tensor less for the backward pass.
    pub rectifier: Option<f64>,
    /// Kernel or composite; [`OpPath::Auto`] by default.
    pub path: OpPath,
    /// How much rounding error kernels may add for speed, forward and to the input's gradient; [`Mode::FastMath`] by
    /// default.
    pub mode: Mode,
}

impl Default for Conv3dConfig {
    fn default() -> Self {
        Self {
            stride: [1; 3],
            padding: [0; 3],
            dilation: [1; 3],
            groups: 1,
            slab_bytes: None,
            bias: true,
            rectifier: None,
            path: OpPath::Auto,
            mode: Mode::FastMath,
        }
    }
}

impl Conv3dConfig {
    /// Stride 1, no padding, no dilation, one group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stride 1 and the padding that keeps the spatial size for an odd `kernel` without dilation.
    pub fn same(kernel: [usize; 3]) -> Self {
        Self { padding: kernel.map(|k| k / 2), ..Self::default() }
    }

    setters! {
        /// Sets the distance between windows.
        with_stride stride: [usize; 3];
        /// Sets the zeros on both sides of each axis.
        with_padding padding: [usize; 3];
        /// Sets the distance between taps.
        with_dilation dilation: [usize; 3];
        /// Sets the number of groups.
        with_groups groups: usize;
        /// Sets whether the layer has a bias.
        with_bias bias: bool;
        /// Sets the rectifier behind the convolution.
        with_rectifier rectifier: Option<f64>;
        /// Sets the path.
        with_path path: OpPath;
        /// Sets how much rounding error kernels may add for speed.
        with_mode mode: Mode;
    }

    /// Sets the bytes of columns worked on at a time.
    #[must_use]
    pub fn with_slab_bytes(mut self, slab_bytes: usize) -> Self {
        self.slab_bytes = Some(slab_bytes);
        self
    }

    /// Checks the fields by themselves.
    ///
    /// # Errors
    /// [`Nn3dError::Config`] for a zero stride, dilation or number of groups, or a negative slope.
    pub fn validate(&self) -> Result<()> {
        check_slope(Op::Conv3d, self.rectifier)?;
        positive(Op::Conv3d, "stride", self.stride)?;
        positive(Op::Conv3d, "dilation", self.dilation)?;
        positive_groups(Op::Conv3d, self.groups)
    }
}

/// Errors for zero groups.
pub(crate) fn positive_groups(op: Op, groups: usize) -> Result<()> {
    if groups == 0 {
        return Err(Nn3dError::Config { op, field: "groups", value: "0".into(), reason: "must be at least 1" });
    }
    Ok(())
}

/// Spatial size of the kernel of a weight `[.., .., kD, kH, kW]`.
pub(crate) fn kernel_of(op: Op, x: &Tensor, weight: &Tensor) -> Result<(usize, usize, Triple)> {
    match *weight.dims() {
        [a, b, kz, ky, kx] if a * b * kz * ky * kx > 0 => Ok((a, b, [kz, ky, kx])),
        _ => Err(Nn3dError::Mismatch {
            op,
            parameter: "weight",
            shape: weight.dims().to_vec(),
            wanted: "must have five axes, none of them empty".into(),
            input: x.dims().to_vec(),
        }),
    }
}

/// Errors unless `bias` is `[C_out]`.
pub(crate) fn check_bias(op: Op, x: &Tensor, bias: Option<&Tensor>, c_out: usize) -> Result<()> {
    match bias {
        Some(bias) if bias.dims() != [c_out] => Err(Nn3dError::Mismatch {
            op,
            parameter: "bias",
            shape: bias.dims().to_vec(),
            wanted: format!("must be [{c_out}]"),
            input: x.dims().to_vec(),
        }),
        _ => Ok(()),
    }
}

/// Cross-correlation of `x` `[N, C_in, D, H, W]` with `weight` `[C_out, C_in / G, kD, kH, kW]`, plus `bias` `[C_out]`.
///
/// The output is `[N, C_out, D', H', W']` with `D' = (D + 2 p - d (kD - 1) - 1) / s + 1`, and so for height and width:
///
/// `y[n, o, z, ..] = bias[o] + sum over c, k of weight[o, c, k, ..] * x[n, g C_in / G + c, z s + k d - p, ..]`,
/// with `g` the group of channel `o` and zeros outside `x`.
///
/// Beside input and output, memory holds a copy of one sample of each (kernel), or the columns of one slab, twice for more
/// than one group (composite). The gradients of all three arguments are worked out in the same way, and keep nothing but
/// the arguments.
///
/// # Errors
/// [`Nn3dError`] if shapes do not fit each other, a field of `config` is zero, the kernel is larger than the padded input,
/// or a kernel path is asked for and absent.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use volkit_nn3d::{Conv3dConfig, conv3d};
///
/// let x = Tensor::ones((1, 2, 4, 5, 6), DType::F32, &Device::Cpu)?;
/// let weight = Tensor::ones((3, 2, 3, 3, 3), DType::F32, &Device::Cpu)?;
/// let y = conv3d(&x, &weight, None, &Conv3dConfig::same([3; 3]))?;
/// assert_eq!(y.dims(), [1, 3, 4, 5, 6]);
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?[0], 16.0); // a corner: 2 channels, 2 x 2 x 2 taps inside
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn conv3d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config: &Conv3dConfig) -> Result<Tensor> {
    let op = Op::Conv3d;
    config.validate()?;
    let kernel_path = config.path.takes_kernel(op, x)?;
    let (batch, c_in, size) = dims5(op, x)?;
    let (c_out, per_group, kernel) = kernel_of(op, x, weight)?;
    if per_group * config.groups != c_in || c_out % config.groups != 0 {
        return Err(Nn3dError::Mismatch {
            op,
            parameter: "weight",
            shape: weight.dims().to_vec(),
            wanted: format!(
                "expects C_in = {} and a C_out divisible by groups = {}",
                per_group * config.groups,
                config.groups
            ),
            input: x.dims().to_vec(),
        });
    }
    check_bias(op, x, bias, c_out)?;
    let Conv3dConfig { stride, padding, dilation, groups, slab_bytes, .. } = *config;
    let n_out = Window { kernel, stride, padding, dilation }.output_size(op, x.dims())?;
    let plan = if kernel_path {
        let shape = CorrelationShape::new(batch, [c_in, c_out], size, kernel);
        let shape = shape.with_stride(stride).with_padding(padding).with_dilation(dilation).with_groups(groups);
        ConvPlan::Kernel(KernelConv::new(op.name(), shape)?.with(config.mode, config.rectifier))
    } else {
        let axes = std::array::from_fn(|a| Axis::convolution(kernel[a], stride[a], padding[a], dilation[a], n_out[a]));
        let slab_bytes = slab_bytes.unwrap_or_else(|| default_slab_bytes(x.device()));
        ConvPlan::Composite(Correlation { axes, groups, slab_bytes })
    };
    let mut y = plan.apply(&x.detach(), &weight.detach(), bias.map(Tensor::detach).as_ref())?;
    if let (ConvPlan::Composite(_), Some(slope)) = (&plan, config.rectifier) {
        y = rectified(y, slope)?;
    }
    let mut args = vec![x, weight];
    args.extend(bias);
    let rectifier = config.rectifier;
    Ok(attach(op.name(), &args, y, move |node| {
        let (x, weight) = (&node.args[0], &node.args[1]);
        // A kernel forms the gradient before the rectifier where it reads it.
        let formed = match (&plan, rectifier) {
            (ConvPlan::Composite(_), Some(slope)) => Some(cpu::rectifier_gradient(node.result()?, node.grad, slope)?),
            _ => None,
        };
        let grad = match &formed {
            Some(formed) => Source::of(formed),
            None => {
                let behind = rectifier.map(|slope| CandleResult::Ok((node.result()?, slope))).transpose()?;
                Source { tensor: node.grad, behind }
            }
        };
        let for_x = || plan.apply_transposed(grad, weight, size, None)?.into_tensor();
        let for_weight = || plan.weight_gradient(x, grad, weight);
        gradients(node, for_x, for_weight, || plan.bias_gradient(grad))
    })?)
}

/// A correlation by the kernel or by candle's ops.
pub(crate) enum ConvPlan {
    Kernel(KernelConv),
    Composite(Correlation),
}

impl ConvPlan {
    /// `x` `[N, C, D, H, W]` with `weight` `[C_out, C / G, taps...]`, plus `bias` `[C_out]`.
    pub(crate) fn apply(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> CandleResult<Outcome> {
        match self {
            Self::Kernel(plan) => plan.apply(x, weight, bias),
            Self::Composite(plan) => Ok(plan.apply(x, weight, bias)?.into()),
        }
    }

    /// The transpose of [`Self::apply`], to `[N, C, size...]`, plus `bias` `[C]`.
    pub(crate) fn apply_transposed(
        &self,
        grad: Source<'_>,
        weight: &Tensor,
        size: Triple,
        bias: Option<&Tensor>,
    ) -> CandleResult<Outcome> {
        match self {
            Self::Kernel(plan) => plan.apply_transposed(grad, weight, bias),
            Self::Composite(plan) => Ok(plan.apply_transposed(grad.tensor, weight, size, bias)?.into()),
        }
    }

    /// Gradient of the weight for the gradient `grad` of the output of [`Self::apply`].
    pub(crate) fn weight_gradient(&self, x: &Tensor, grad: Source<'_>, weight: &Tensor) -> CandleResult<Tensor> {
        match self {
            Self::Kernel(plan) => plan.weight_gradient(x, grad, weight),
            Self::Composite(plan) => plan.weight_gradient(x, grad.tensor),
        }
    }

    /// Gradient of a bias for the gradient `[N, C, ...]` of a result.
    pub(crate) fn bias_gradient(&self, grad: Source<'_>) -> CandleResult<Tensor> {
        let sums = match self {
            Self::Kernel(_) => cpu::bias_gradient(grad)?,
            Self::Composite(_) => sums_by_channel(&flat_positions(grad.tensor)?)?,
        };
        sums.to_dtype(grad.tensor.dtype())
    }
}

/// The gradients that are needed, of input, weight and, if there is one, bias.
pub(crate) fn gradients(
    node: &Node<'_>,
    for_x: impl Fn() -> CandleResult<Tensor>,
    for_weight: impl Fn() -> CandleResult<Tensor>,
    for_bias: impl Fn() -> CandleResult<Tensor>,
) -> CandleResult<Gradients> {
    let all: [&dyn Fn() -> CandleResult<Tensor>; 3] = [&for_x, &for_weight, &for_bias];
    node.needs.iter().zip(all).map(|(needed, gradient)| needed.then(gradient).transpose()).collect()
}

/// PyTorch's default initialisation of weights and biases: uniform within `1 / sqrt(fan_in)`.
pub(crate) fn default_init(fan_in: usize) -> Init {
    let bound = 1.0 / (fan_in as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// A layer that runs [`conv3d`] with parameters `weight` `[C_out, C_in / G, kD, kH, kW]` and `bias` `[C_out]`, in the element
/// type of its parameters.
#[derive(Clone, Debug)]
pub struct Conv3d {
    /// Weight `[C_out, C_in / G, kD, kH, kW]`.
    pub weight: Tensor,
    /// Bias `[C_out]`, if the layer has one.
    pub bias: Option<Tensor>,
    /// How the window moves.
    pub config: Conv3dConfig,
}

impl Conv3d {
    /// Takes `weight` and, if `config` says so, `bias` from `vb`; new variables get PyTorch's default initialisation.
    ///
    /// # Errors
    /// [`Nn3dError`] if `groups` does not divide both numbers of channels, or a parameter has another shape.
    pub fn new(c_in: usize, c_out: usize, kernel: [usize; 3], config: Conv3dConfig, vb: &VarBuilder) -> Result<Self> {
        config.validate()?;
        positive(Op::Conv3d, "kernel", kernel)?;
        divides(Op::Conv3d, config.groups, &[c_in, c_out])?;
        let per_group = c_in / config.groups;
        let init = default_init(per_group * kernel.iter().product::<usize>());
        let [kz, ky, kx] = kernel;
        let weight = vb.get_with_hints((c_out, per_group, kz, ky, kx), "weight", init)?;
        let bias = config.bias.then(|| vb.get_with_hints(c_out, "bias", init)).transpose()?;
        Ok(Self { weight, bias, config })
    }
}

/// Errors unless `groups` divides all numbers of channels.
pub(crate) fn divides(op: Op, groups: usize, channels: &[usize]) -> Result<()> {
    if channels.iter().any(|&c| c == 0 || c % groups != 0) {
        let value = format!("{groups} with channels {channels:?}");
        return Err(Nn3dError::Config { op, field: "groups", value, reason: "must divide each, and none may be 0" });
    }
    Ok(())
}

impl Module for Conv3d {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        // Weights in another type ask for the op in that type: mixed precision.
        Ok(conv3d(&x.to_dtype(self.weight.dtype())?, &self.weight, self.bias.as_ref(), &self.config)?)
    }
}
